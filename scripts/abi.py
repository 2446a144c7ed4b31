"""Holds the built libraries against the last release: a program that was linked with that has to run with these.

  abi.py BUILD [--record]      compare; --record: this is the release that the next ones are held against

packaging/abi has, of each library, what libabigail's abidw read of its debug information, and the numbers of all enums of the headers. New functions,
new numbers, and fields at the end of structs that begin with struct_size are no break (docs/guide/abi.md). Everything else is.
"""

import pathlib
import re
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent
KEPT = ROOT / "packaging" / "abi"
HEADERS = ROOT / "include" / "rhei"
LIBRARIES = {"librhei.so.0": "src/librhei.so.0", "librhei_flight.so.0": "src/flight/librhei_flight.so.0"}


def plain(header):
    return re.sub(r"/\*.*?\*/|//[^\n]*", "", header.read_text(), flags=re.S)


def growing(headers):
    """The structs that may get fields at their end: those that tell their size."""
    return [name for header in sorted(headers.glob("*.h")) for name in re.findall(r"struct (rhei_\w+)\s*\{\s*size_t struct_size;", plain(header))]


def numbers(headers, work):
    """NAME VALUE of every enumerator, as the compiler counts."""
    files = [header for header in sorted(headers.glob("*.h")) if header.name != "rhei_native.h"]
    names = [name for header in files for body in re.findall(r"\benum\b[^;{(]*\{(.*?)\}", plain(header), re.S) for name in re.findall(r"\bRHEI_\w+(?=\s*[=,]|\s*$)", body)]
    names = list(dict.fromkeys(names))
    source, program = work / "numbers.c", work / "numbers"
    includes = "".join(f"#include <rhei/{header.name}>\n" for header in files)
    source.write_text(f"{includes}#include <stdio.h>\nint main(void)\n{{\n" + "".join(f'    printf("%s %d\\n", "{name}", (int){name});\n' for name in names) + "}\n")
    subprocess.run(["cc", f"-I{headers.parent}", source, "-o", program], check=True)
    return subprocess.run([program], check=True, capture_output=True, text=True).stdout


def read(library, headers, out):
    subprocess.run(["abidw", "--exported-interfaces-only", "--headers-dir", headers, "--drop-private-types", "--no-show-locs",
                    "--no-corpus-path", "--no-comp-dir-path", "--out-file", out, library], check=True)


def differences(old, new, headers, work):
    """What abidiff says of two descriptions; nothing: programs of the old one run with the new one."""
    allowed = work / "allowed"
    allowed.write_text("[suppress_type]\n  type_kind = struct\n  name_regexp = ^(" + "|".join(growing(headers)) + ")$\n  has_data_member_inserted_at = end\n")
    done = subprocess.run(["abidiff", "--no-added-syms", "--suppressions", allowed, old, new], capture_output=True, text=True)
    return done.stdout + done.stderr if done.returncode else ""


def renumbered(old, new):
    """The enumerators of the old list that are gone or have another number."""
    now = dict(line.split() for line in new.splitlines())
    for name, value in (line.split() for line in old.splitlines()):
        if now.get(name) != value:
            yield f"{name} was {value} in the release, and is {now.get(name, 'gone')}"


def breaks(build, work):
    for name, path in LIBRARIES.items():
        read(build / path, HEADERS, work / name)
        found = differences(KEPT / f"{name}.abi", work / name, HEADERS, work)
        if found:
            yield f"{name} differs from the release:\n{found}"
    yield from renumbered((KEPT / "numbers.txt").read_text(), numbers(HEADERS, work))


def main():
    build = pathlib.Path(sys.argv[1])
    with tempfile.TemporaryDirectory() as folder:
        work = pathlib.Path(folder)
        if "--record" in sys.argv:
            KEPT.mkdir(exist_ok=True)
            for name, path in LIBRARIES.items():
                read(build / path, HEADERS, KEPT / f"{name}.abi")
            (KEPT / "numbers.txt").write_text(numbers(HEADERS, work))
            return
        found = list(breaks(build, work))
        if found:
            print(*found, sep="\n")
            sys.exit("rhei: programs of the last release may not run with this library; what may be added and how is in docs/guide/abi.md")


if __name__ == "__main__":
    main()
