#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Invariants that a README or a file's head states are looked at by BASE_INVARIANT, at least five in a thousand lines of each
room that keeps state or proves something. A condition is only looked at: release builds don't evaluate it, so it changes nothing.
"""
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
ROOMS = ["mirror", "sync", "oltp", "capture", "sql", "translate"]
LEAST = 5.0
CALL = re.compile(r"\bBASE_INVARIANT\(")
EFFECT = re.compile(r"\+\+|--|(?<![=!<>])=(?!=)|\b\w*_(?:lock|unlock|step|reset|exec|free|append|put|push|take|exchange|fetch_\w+|store)\(")


def conditions(text):
    """The text between the brackets of each BASE_INVARIANT, with its offset."""
    for match in CALL.finditer(text):
        depth, at = 1, match.end()
        while depth > 0:
            depth += {"(": 1, ")": -1}.get(text[at], 0)
            at += 1
        yield match.start(), text[match.end():at - 1]


def main():
    failed = False
    for room in ROOMS:
        lines = count = 0
        for path in sorted((ROOT / "src" / room).glob("*.[ch]")):
            text = path.read_text()
            lines += text.count("\n")
            code = re.sub(r'"(?:\\.|[^"\\\n])*"', lambda string: '"' + " " * (len(string.group()) - 2) + '"', text)
            for start, condition in conditions(code):
                count += 1
                if EFFECT.search(condition):
                    place = f"{path.relative_to(ROOT)}:{text.count(chr(10), 0, start) + 1}"
                    print(f"{place}: the condition of an invariant has an effect: {' '.join(condition.split())}")
                    failed = True
        share = count * 1000 / lines
        print(f"{room}: {count} invariants in {lines} lines, {share:.1f} a thousand")
        if share < LEAST:
            print(f"src/{room}: fewer than {LEAST:g} invariants a thousand lines: look at those that its README numbers")
            failed = True
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
