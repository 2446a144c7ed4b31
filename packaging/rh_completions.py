"""Completions of rh for bash, zsh and fish, of what the program tells of itself.

  rh_completions.py PROGRAM BASH ZSH FISH      the files to write
"""

import pathlib
import sys

from rh_words import Program

MADE = "# Completions of rh {version}, made of `rh help` by packaging/rh_completions.py.\n"


def kind(argument):
    """How a shell completes an argument: "files", "folders" or nothing."""
    word = argument.strip("[]").split()[0] if argument else ""
    return {"FILE": "files", "FILE.csv": "files", "DIR": "folders"}.get(word.split("|")[0], "files" if word.startswith("FILE") else "")


# What an option's file usually ends in: these are offered, and all files where there is none of them.
ENDINGS = {"--db": ("db", "sqlite", "sqlite3", "db3"), "--config": ("toml",)}
# Commands whose argument of this number is a table of the database.
TABLES = {"import": 2, "export": 2, "verify": 1, "repair": 1}


def names(option):
    return [name for name in (option.short, option.name) if name]


BASH_HELPERS = """_rh_words()
{
    mapfile -t COMPREPLY < <(compgen -W "$1" -- "$2")
    # a word that ends so goes on
    [[ ${#COMPREPLY[@]} -ne 1 || ${COMPREPLY[0]} != *: ]] || compopt -o nospace 2>/dev/null
}
_rh_files()
{
    compopt -o filenames 2>/dev/null
    mapfile -t COMPREPLY < <(compgen "${@:2}" -- "$1")
}
# files of these endings, and folders, which may have some; every file where there is none of them
_rh_endings()
{
    compopt -o filenames 2>/dev/null
    mapfile -t COMPREPLY < <(
        shopt -s extglob
        compgen -G "$1*.@($2)"
    )
    local files=${#COMPREPLY[@]}
    mapfile -t -O "$files" COMPREPLY < <(compgen -d -- "$1")
    [ "$files" -gt 0 ] || [ "$3" = only ] || mapfile -t COMPREPLY < <(compgen -f -- "$1")
}
# words on the line that are no option, and no option's value; $1: a pattern of the options that have one
_rh_count()
{
    local at
    count=0
    for ((at = 2; at < COMP_CWORD; at++)); do
        case ${COMP_WORDS[at]} in
        --*=*) ;;
        -?*) [[ ${COMP_WORDS[at]} != @($1) ]] || at=$((at + 1)) ;;
        *) count=$((count + 1)) ;;
        esac
    done
}
# tables of the database that the line names; nothing in or beside it changes by that
_rh_tables()
{
    local at options=()
    for ((at = 2; at < COMP_CWORD; at++)); do
        case ${COMP_WORDS[at]} in
        --db | --config) options+=("${COMP_WORDS[at]}" "${COMP_WORDS[at + 1]}") ;;
        esac
    done
    mapfile -t COMPREPLY < <(compgen -W "$("${COMP_WORDS[0]}" query --read-only "${options[@]}" --timeout 2000 --no-header --format csv \
        "SELECT name FROM pragma_table_list WHERE schema = 'main' AND substr(name, 1, 7) <> 'sqlite_' AND substr(name, 1, 6) <> '_rhei_' AND name NOT GLOB '*[^A-Za-z0-9_]*'" 2>/dev/null)" -- "$1")
}
"""


def bash_value(option):
    """What completes the value of an option."""
    if option.name in ENDINGS:
        return f"_rh_endings \"$word\" '{'|'.join(ENDINGS[option.name])}'"
    return bash_action(kind(option.argument), option.choices)


def bash_argument(command):
    """What completes a word that is no option: a file, a table of the database, or nothing."""
    first = bash_action(kind(command.arguments))
    if command.arguments.startswith("[FILE]"):  # of the commands that take a database so
        first = f"_rh_endings \"$word\" '{'|'.join(ENDINGS['--db'])}'"
    table = TABLES.get(command.name)
    if table is None:
        return first
    values = "|".join(name for option in command.options.values() if option.argument for name in names(option))
    return f"local count; _rh_count '{values}'; if [ $count -eq {table - 1} ]; then _rh_tables \"$word\"; elif [ $count -lt {table - 1} ]; then {first}; fi"


def bash_action(kind_of, choices=()):
    if choices:
        return f"_rh_words '{' '.join(choices)}' \"$word\""
    return {"files": '_rh_files "$word" -f', "folders": '_rh_files "$word" -d', "": ":"}[kind_of]


def bash(program):
    yield MADE.format(version=program.version) + BASH_HELPERS
    yield "_rh()\n{\n    local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD - 1]} command=${COMP_WORDS[1]}\n    COMPREPLY=()\n"
    words = " ".join(command.name for command in program.commands)
    yield f"    if [ \"$COMP_CWORD\" -eq 1 ]; then\n        _rh_endings \"$word\" '{'|'.join(ENDINGS['--db'])}' only\n        mapfile -t -O ${{#COMPREPLY[@]}} COMPREPLY < <(compgen -W '{words} --help --version' -- \"$word\")\n        return\n    fi\n"
    yield "    case $command:$before in\n"
    for command in program.commands:
        for option in command.options.values():
            if option.argument:
                patterns = "|".join(f"{command.name}:{name}" for name in names(option))
                yield f"    {patterns}) {bash_value(option)}; return ;;\n"
    yield f"    help:*) _rh_words '{words}' \"$word\"; return ;;\n    esac\n"
    yield "    case $command:$word in\n"
    for command in program.commands:
        options = [name for option in command.options.values() for name in names(option)]
        if options:
            yield f"    {command.name}:-*) {bash_action('', options)} ;;\n"
        if kind(command.arguments) or command.name in TABLES:
            yield f"    {command.name}:*) {bash_argument(command)} ;;\n"
    yield "    esac\n}\ncomplete -F _rh rh\n"


def quoted(text):
    return "'" + text.replace("'", "'\\''") + "'"


def zsh(program):
    yield "#compdef rh\n" + MADE.format(version=program.version)
    yield "_rh() {\n    local -a commands\n    commands=(\n"
    for command in program.commands:
        yield f"        {quoted(command.name + ':' + command.summary)}\n"
    yield "    )\n    if (( CURRENT == 2 )); then\n        _describe command commands\n        _files\n        return\n    fi\n"
    yield "    local command=${words[2]}\n    shift words\n    (( CURRENT-- ))\n    case $command in\n"
    for command in program.commands:
        yield f"    {command.name})\n        _arguments -s"
        for option in command.options.values():
            said = option.description.translate(str.maketrans({"[": "(", "]": ")", ":": "\\:"}))
            after = ""
            if option.argument:
                action = f"({' '.join(option.choices)})".replace(":", "\\:") if option.choices else {"files": "_files", "folders": "_files -/"}.get(kind(option.argument), " ")
                if option.name in ENDINGS:
                    action = f'_files -g "*.({"|".join(ENDINGS[option.name])})"'
                after = f":{option.argument}:{action}".replace("HOST:PORT", "HOST\\:PORT")
            # what may come again, comes again
            star = "*" if "repeatable" in option.description else ""
            for name in names(option):
                yield f" \\\n            {quoted(f'{star}{name}[{said}]{after}')}"
        if command.name == "help":
            yield " \\\n            '1:command:(" + " ".join(other.name for other in program.commands) + ")'"
        elif action := {"files": "_files", "folders": "_files -/"}.get(kind(command.arguments)):
            yield f" \\\n            '1:{command.arguments.split()[0].strip('[]')}:{action}'"
        yield "\n        ;;\n"
    yield "    esac\n}\n_rh \"$@\"\n"


def fish(program):
    yield MADE.format(version=program.version)
    everything = " ".join(command.name for command in program.commands)
    for command in program.commands:
        yield f"complete -c rh -n __fish_use_subcommand -a {command.name} -d {quoted(command.summary)}\n"
    for command in program.commands:
        at = f"complete -c rh -n '__fish_seen_subcommand_from {command.name}'"
        if command.name == "help":
            yield f"{at} -f -a '{everything}'\n"
        elif kind(command.arguments) == "folders":
            yield f"{at} -f -a '(__fish_complete_directories)'\n"
        elif not kind(command.arguments):
            yield f"{at} -f\n"
        for option in command.options.values():
            line = at + (f" -s {option.short[1:]}" if option.short else "") + f" -l {option.name[2:]} -d {quoted(option.description)}"
            if option.choices:
                line += f" -x -a '{' '.join(option.choices)}'"
            elif option.name in ENDINGS:
                line += " -r -k -a '" + "; ".join(f"(__fish_complete_suffix .{ending})" for ending in reversed(ENDINGS[option.name])).replace("; ", " ") + "'"
            elif option.argument:
                line += {"files": " -r -F", "folders": " -x -a '(__fish_complete_directories)'"}.get(kind(option.argument), " -x")
            yield line + "\n"


def main():
    program = Program(sys.argv[1])
    for make, path in zip((bash, zsh, fish), sys.argv[2:], strict=True):
        pathlib.Path(path).write_text("".join(make(program)))


if __name__ == "__main__":
    main()
