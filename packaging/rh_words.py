"""The commands and options of rh, as the program itself tells them: `rh help` for words and descriptions, its refusals of a wrong value for choices."""

import dataclasses
import re
import subprocess

OPTION = r"--[a-z][a-z-]*"
ARGUMENT = r"(?: (?P<argument>[A-Z][A-Z0-9:=]*(?:, or [A-Z]+\b(?! of))?)\b(?!\())?"
HEAD = re.compile(rf"(?:(?P<short>-[a-zA-Z]), )?(?P<name>{OPTION}){ARGUMENT}(?P<more>, )?")


@dataclasses.dataclass
class Option:
    name: str
    short: str | None
    argument: str | None
    description: str
    choices: tuple = ()


@dataclasses.dataclass
class Command:
    name: str
    arguments: str  # "FILE.csv TABLE"; "" where it takes none
    summary: str
    text: list  # paragraphs
    options: dict


def heads(line):
    """The options that a line of help begins with, and where its description does."""
    at, found = 2, []
    while match := HEAD.match(line, at):
        found.append((match["name"], match["short"], match["argument"]))
        at = match.end()
        if not match["more"]:
            break
    return found, line[at:].strip()


def options_of(lines):
    options, newest = {}, []
    for line in lines:
        found, description = heads(line) if line.startswith("  -") else ([], line.strip())
        if found:
            newest = [Option(name, short, argument, "") for name, short, argument in found]
            options |= {option.name: option for option in newest}
        if description:
            for option in newest:
                option.description = f"{option.description} {description}".strip()
    return options


def paragraphs(lines):
    return [" ".join(part.split()) for part in "\n".join(lines).split("\n\n") if part.strip()]


class Program:
    """What a program rh says of itself."""

    def __init__(self, path):
        self.path = path
        overview = self.say("help").splitlines()
        self.version = overview[0].split()[1].rstrip(":")
        self.everywhere = options_of([line for line in overview if line.startswith(("  -", " " * 21))])
        told = [re.match(r"  rh ([a-z]+) *(.*?) {2,}(\S.*)$", line) for line in overview]
        self.commands = [self.command(*match.groups()) for match in told if match]
        for command in self.commands:
            self.complete(command)

    def say(self, *arguments):
        return subprocess.run([self.path, *arguments], capture_output=True, text=True, check=True).stdout

    def command(self, name, arguments, summary):
        if name == "help":
            return Command(name, arguments, summary, [], {})
        head, *lines = self.say("help", name).splitlines()
        arguments = head.split(":", 1)[0].removeprefix(f"rh {name}").removesuffix("[options]").strip()
        block = [line for line in lines if line.startswith(("  -", " " * 21))]
        text = [line for line in lines if line not in block]
        return Command(name, re.sub(r"^--.*", "", arguments), summary, paragraphs([head.split(": ", 1)[1], "", *text]), options_of(block))

    def complete(self, command):
        """An option that is only named in another's description ("also --width") is described by the command that has it whole; so are --db and --help."""
        for option in list(command.options.values()):
            also = re.search(rf"also ((?:{OPTION}(?:, | and )?)+)", option.description)
            for name in re.findall(OPTION, also[1]) if also else []:
                whole = next(other.options[name] for other in self.commands if name in other.options and other.options[name].description)
                command.options.setdefault(name, dataclasses.replace(whole))
        for name, whole in self.everywhere.items():
            if name in command.options and not command.options[name].description or whole.short:
                command.options[name] = dataclasses.replace(whole)
        for option in command.options.values():
            if option.argument and len(option.argument) == 1 and option.argument not in "NV":
                option.choices = self.choices(command.name, option.name)

    def choices(self, command, option):
        """The words that an option takes, out of the refusal of one that it doesn't: "it is latest, bounded:MS or eventual"."""
        done = subprocess.run([self.path, command, option, ""], capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)
        told = re.sub(r" \([^)]*\)", "", done.stderr.strip())
        listed = re.search(r"(?:there are|: it is|a route is|writes) ((?:[\w:]+, )*[\w:]+ (?:and|or) [\w:]+)$", told)
        return tuple(word.rstrip("MS") for word in re.split(r", | and | or ", listed[1])) if done.returncode == 2 and listed else ()
