"""Manual pages of each command of rh and of its configuration file, of what the program tells of itself. rh(1), the whole at length, is docs/man/rh.1.

  rh_pages.py PROGRAM MAN1 MAN5      the folders to write, anew
"""

import json
import pathlib
import shutil
import sys

from rh_words import Program


MANUALS = {1: "User Commands", 5: "File Formats"}


def shown(text):
    """Text as roff has it: a line that begins with a dot or an apostrophe would be a request."""
    text = text.replace("\\", "\\e").replace("-", "\\-")
    return "\\&" + text if text.startswith((".", "'")) else text


def head(name, section, version, about):
    return f'.\\" Made by packaging/rh_pages.py\n.TH {name.upper()} {section} "" "Rhei {version}" "{MANUALS[section]}"\n.SH NAME\n{shown(name)} \\- {shown(about)}\n'


def of_command(program, command):
    title = f"rh-{command.name}"
    yield head(title, 1, program.version, command.summary)
    yield f".SH SYNOPSIS\n.B rh {command.name}\n"
    if command.arguments:
        yield f".I {shown(command.arguments)}\n"
    yield ".RI [ options ]\n.SH DESCRIPTION\n"
    first, *others = command.text
    yield ".PP\n".join(f"{shown(part)}\n" for part in [f"{first[0].upper()}{first[1:]}.", *others])
    yield ".SH OPTIONS\n"
    for option in command.options.values():
        names = ", ".join(name for name in (option.short, option.name) if name)
        yield f".TP\n\\fB{shown(names)}\\fR" + (f" \\fI{shown(option.argument)}\\fR" if option.argument else "") + f"\n{shown(option.description)}\n"
    yield ".SH EXIT STATUS\n0 ok, 1 error, 2 wrong use.\n.SH SEE ALSO\n.BR rh (1),\n.BR rhei.toml (5)\n"


def sentence(setting):
    """What a setting takes, and what it is where it isn't given."""
    kinds = {"text": "A text", "boolean": "Either true or false", "number": "A number of {unit} from {range}", "size": "A size in {unit}, from {range}",
             "choice": "One of {range}", "freshness": "One of {range} ({unit})"}
    takes = kinds[setting["type"]].format(**setting)
    if setting["type"] == "number" and not setting["unit"]:
        takes = f"A number from {setting['range']}"
    return takes + (f"; left out: {setting['default']}." if setting["default"] not in (None, "") else ".")


def of_settings(program):
    yield head("rhei.toml", 5, program.version, "settings of a Rhei database")
    yield ".SH DESCRIPTION\nA TOML file that every command of\n.BR rh (1)\ntakes with\n.BR \\-\\-config .\n"
    yield "A key that isn't one of these is an error, which names its line and the nearest key.\n.SH SETTINGS\nThey stand under [engine]; a name with dots is the whole path.\n"
    for setting in json.loads(program.say("settings", "--format", "json")):
        yield f".TP\n.B {shown(setting['setting'])}\n{shown(setting['effect'])}.\n"
        yield shown(sentence(setting)) + "\n"
    yield ".SH EXAMPLE\n.nf\n[engine]\noltp_path = \\(dq/var/lib/rhei/rhei.db\\(dq\nolap_path = \\(dq/var/lib/rhei/mirror\\(dq\n.fi\n.SH SEE ALSO\n.BR rh (1)\n"


def write(folder, pages):
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for name, parts in pages.items():
        (folder / name).write_text("".join(parts))


def main():
    program = Program(sys.argv[1])
    man1, man5 = map(pathlib.Path, sys.argv[2:4])
    write(man1, {f"rh-{command.name}.1": of_command(program, command) for command in program.commands if command.name != "help"})
    write(man5, {"rhei.toml.5": of_settings(program)})


if __name__ == "__main__":
    main()
