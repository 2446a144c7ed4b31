"""Proves that no room has a circle of more than three files: file A knows B if it uses a function or variable that B defines, and a
circle is a set of files each of which leads to each other. Reads the objects of a build folder (the only argument), so what counts is
what is called, not what is included. Prints each circle with the calls that close it, and exits with 1 when there is one too many.
"""

import collections
import pathlib
import subprocess
import sys

MOST_FILES = 3
ROOT = pathlib.Path(__file__).resolve().parent.parent
# Circles that are known and being untied: a room may have one of so many files, no more.
KNOWN: dict[str, int] = {}


def symbols(objects):
    """Which file defines each global symbol, and what each file wants."""
    defined, wanted = {}, collections.defaultdict(set)
    for stem, path in objects.items():
        for line in subprocess.run(["nm", "-g", path], capture_output=True, text=True, check=True).stdout.splitlines():
            fields = line.split()
            if len(fields) == 3 and fields[1] in "TDBRVW":
                defined[fields[2]] = stem
            elif len(fields) == 2 and fields[0] == "U":
                wanted[stem].add(fields[1])
    return defined, wanted


def circles(edges, nodes):
    """Tarjan's strongly connected components of more than one node, without recursion."""
    index, low, stack, on_stack, found = {}, {}, [], set(), []
    for root in sorted(nodes):
        if root in index:
            continue
        work = [(root, iter(sorted(edges.get(root, ()))))]
        index[root] = low[root] = len(index)
        stack.append(root)
        on_stack.add(root)
        while work:
            node, rest = work[-1]
            for other in rest:
                if other not in index:
                    index[other] = low[other] = len(index)
                    stack.append(other)
                    on_stack.add(other)
                    work.append((other, iter(sorted(edges.get(other, ())))))
                    break
                if other in on_stack:
                    low[node] = min(low[node], index[other])
            else:
                work.pop()
                if work:
                    low[work[-1][0]] = min(low[work[-1][0]], low[node])
                if low[node] == index[node]:
                    circle = set()
                    while node not in circle:
                        circle.add(stack.pop())
                    on_stack -= circle
                    if len(circle) > 1:
                        found.append(circle)
    return found


def room_objects(build, room):
    """stem of each C file of the room -> its object."""
    objects = {}
    for source in sorted((ROOT / "src" / room).glob("*.c")):
        made = sorted(build.glob(f"src/**/*{source.stem}.c.o"))
        if made:
            objects[source.stem] = made[0]
    return objects


def main():
    build = pathlib.Path(sys.argv[1]).resolve()
    failed = False
    for folder in sorted((ROOT / "src").iterdir()):
        objects = room_objects(build, folder.name) if folder.is_dir() else {}
        if len(objects) <= MOST_FILES:
            continue
        defined, wanted = symbols(objects)
        edges = {stem: {defined[s] for s in names if s in defined} - {stem} for stem, names in wanted.items()}
        largest = 0
        for circle in circles(edges, objects):
            largest = max(largest, len(circle))
            if len(circle) <= KNOWN.get(folder.name, MOST_FILES):
                continue
            failed = True
            print(f"src/{folder.name}: {len(circle)} files know each other in a circle")
            for stem in sorted(circle):
                for other in sorted(edges[stem] & circle):
                    names = sorted(s for s in wanted[stem] if defined.get(s) == other)
                    print(f"    {stem} -> {other}: {', '.join(names[:4])}")
        if largest < KNOWN.get(folder.name, 0):
            failed = True
            print(f"src/{folder.name}: its largest circle has {largest} files by now: say so in KNOWN")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
