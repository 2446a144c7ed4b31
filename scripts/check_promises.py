#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Every promise that docs/guarantees.md offers has a test with its number in its name. --list prints them."""
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent


def offered():
    text = (ROOT / "docs" / "guarantees.md").read_text()
    return re.findall(r"^- \*\*([A-Z]\d+)\*\* \(offered\)", text, re.M)


def tests():
    found = {}
    for pattern in ("tests/**/*.c", "tests/**/*.py"):
        for path in sorted(ROOT.glob(pattern)):
            for name in re.findall(r"\b(test_[a-z]\d+_\w+)", path.read_text(errors="replace")):
                number = name.split("_")[1].upper()
                found.setdefault(number, {}).setdefault(name, path.relative_to(ROOT))
    return found


def main():
    have = tests()
    missing = [number for number in offered() if number not in have]
    for number in offered():
        names = have.get(number, {})
        print(f"{number}: {len(names)} tests")
        if "--list" in sys.argv:
            for name, path in names.items():
                print(f"    {name}  ({path})")
    if missing:
        print("no test carries the number of: " + ", ".join(missing), file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
