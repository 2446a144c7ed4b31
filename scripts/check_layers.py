"""Proves the house's rules on the C files: who includes whom, who sees which foreign header, who may call malloc,
time and random, and that every file name is unique. Prints each breach and exits with 1 when there is one.
Long files and functions are listed as warnings. docs/design/layers.md says why.
"""

import collections
import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent

LEVEL = {
    "base": 0,
    "arrow": 1, "sql": 1, "config": 1,
    "port": 2, "codec": 2, "feed": 2, "poll": 2, "mirror": 2, "translate": 2,
    "oltp": 3, "exec_duckdb": 3, "exec_datafusion": 3, "store_local": 3, "store_s3": 3, "codec_arrow": 3, "codec_vortex": 3, "buffer_rocksdb": 3,
    "source_sqlite": 3, "source_postgres": 3,
    "capture": 4, "checkpoint": 4, "sync": 4, "route": 4,
    "engine": 5,
}
# The editor and the HTTP server and the web page and the dashboard below the command line tool: what either sees of the other.
TOOLS = {
    "tools/line": {"rh_memory.h", "rh_text.h"},
    "tools/http": {"rh_memory.h"},
    "tools/page": {"http_server.h"},
    "tools/dashboard": {"rh_memory.h", "rh_text.h", "rh_units.h"},
    "tools/rh": {"line_editor.h", "line_file.h", "line_terminal.h", "http_server.h", "page_answer.h", "dashboard_sample.h", "dashboard_journal.h", "dashboard_screen.h"},
}
# Where rooms of one level may include another, and where a lower room may not be included.
ALSO = {"codec": {"port"}, "feed": {"port"}, "poll": {"port"}, "mirror": {"port"}, "route": {"capture", "sync"}}
NEVER = {
    "port": {"sql", "config"},
    "codec": {"arrow", "sql", "config"},
    "feed": {"arrow", "sql", "config"},
    "poll": {"arrow", "sql", "config"},
    "mirror": {"sql", "config"},
    "translate": {"arrow", "config"},
    "sync": {room for room, level in LEVEL.items() if level == 3},
    "checkpoint": {room for room, level in LEVEL.items() if level == 3},
}
OUTER = ("tools", "bench", "python", "src/adbc", "src/flight", "src/metrics")
# Doors that have copies of their own of rooms that hold nothing of the engine's, and why: docs/design/flight-sql.md.
OUTER_ALSO = {"flight": {"base", "arrow"}}

FOREIGN = {
    "sqlite3.h": {"oltp", "capture", "source_sqlite"},
    "sqlite3ext.h": {"oltp", "capture", "source_sqlite"},
    "Python.h": {"python"},
    "duckdb.h": {"exec_duckdb"},
    "rhei_datafusion.h": {"exec_datafusion"},
    "nanoarrow/": {"arrow", "adbc"},
    "adbc.h": {"adbc"},
    "rhei_vortex.h": {"codec_vortex"},
    "flatcc/": {"arrow"},
    "lz4": {"arrow"},
    "zstd": {"arrow"},
    "roaring/": {"checkpoint"},
    "toml": {"config"},
    "rocksdb/": {"buffer_rocksdb"},
    "libpq-fe.h": {"source_postgres"},
    "curl/": {"store_s3"},
    "openssl/": {"store_s3"},
    "pthread.h": {"base"},
    "malloc.h": {"base"},
    "grpc/": {"flight"},
    "sodium.h": {"flight"},
    "ncurses.h": {"dashboard"},
    "term.h": {"dashboard"},
}
# Of the system, what few rooms have a reason for: no other one reaches a network by itself.
SYSTEM_OF_ROOMS = {"sys/socket.h": {"source_postgres"}}
# Libraries that one file of their room alone may see.
ONE_FILE = {"grpc/": ("flight_grpc.c", "flight_grpc.h", "flight_grpc_call.c", "flight_grpc_queue.c", "flight_grpc_tls.c", "flight_grpc_tls.h"), "sodium.h": ("flight_seal.c",), "ncurses.h": ("dashboard_screen.c",), "term.h": ("dashboard_screen.c",)}
SYSTEM = set("""
assert ctype errno fenv float inttypes limits locale math setjmp signal stdalign stdarg stdatomic stdbool stddef stdint
stdio stdlib stdnoreturn string threads time wchar
dirent dlfcn elf fcntl fnmatch getopt glob libgen poll regex sched spawn strings syslog termios unistd
sys/epoll sys/eventfd sys/file sys/inotify sys/ioctl sys/mman sys/random sys/resource sys/stat sys/statvfs sys/syscall
sys/sysinfo sys/time sys/types sys/uio sys/un sys/wait
linux/futex linux/limits endian immintrin x86intrin emmintrin arm_neon
""".split())

ONLY_BASE = re.compile(
    r"(?<![\w.>])(malloc|calloc|realloc|reallocarray|free|strdup|strndup|asprintf|vasprintf|getline|aligned_alloc|"
    r"posix_memalign|time|clock|clock_gettime|gettimeofday|rand|srand|random|srandom|rand_r|drand48|getrandom|"
    r"getentropy|nanosleep|usleep|sleep)\s*\(")
NEVER_CALLED = re.compile(r"(?<![\w.>])(exit|_exit|abort|printf|puts|putchar|perror|gets|strcpy|strcat|sprintf|strtok)\s*\(")

LONG_FILE, LONG_FUNCTION = 800, 70
KEEP_PLACE = re.compile(r"[^\n]")


def tracked_files():
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"], cwd=ROOT, check=True, capture_output=True,
        text=True).stdout.splitlines()
    return [pathlib.PurePosixPath(name) for name in sorted(set(listed)) if (ROOT / name).is_file()]


def without_comments(text):
    """The code with comments and literals blanked, line numbers kept."""
    pattern = re.compile(r'/\*.*?\*/|//[^\n]*|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'', re.S)
    return pattern.sub(lambda match: KEEP_PLACE.sub(" ", match.group()), text)


def room_of(path):
    return path.parts[1] if path.parts[0] == "src" and len(path.parts) > 2 else None


def place_of(path):
    """The room, or the folder of tools/."""
    return path.parts[1] if path.parts[0] in ("src", "tools") and len(path.parts) > 2 else None


class Report:
    def __init__(self):
        self.breaches, self.warnings = [], []

    def breach(self, path, line, words):
        self.breaches.append(f"{path}:{line}: {words}")

    def warn(self, path, line, words):
        self.warnings.append(f"{path}:{line}: {words}")


def may_include(room, other):
    if other == room:
        return True
    if other in NEVER.get(room, ()):
        return False
    return other in ALSO.get(room, ()) or LEVEL[other] < LEVEL[room]


def measures_a_room(path):
    """bench/bench_ROOM.c measures one room from inside, as its tests do."""
    return path.parts[0] == "bench" and path.stem.startswith("bench_") and path.stem[len("bench_"):] in LEVEL


def check_own_include(report, path, line, header, room):
    if header.startswith("rhei/") or (ROOT / path.parent / header).is_file() or header in TOOLS.get(str(path.parent), ()):
        return
    generated = (ROOT / path.parent / header).with_suffix(".y").is_file()
    target = header.split("/")[0]
    if target in OUTER_ALSO.get(room, ()):
        return
    if str(path).startswith(OUTER) and not measures_a_room(path):
        report.breach(path, line, f'includes "{header}", but outer doors may include only include/rhei')
    elif path.parts[0] == "tests" or measures_a_room(path) or generated:
        return
    elif target not in LEVEL:
        report.breach(path, line, f'includes "{header}": write it with the name of a room in front')
    elif room and not may_include(room, target):
        report.breach(path, line, f'room {room} includes "{header}", but {target} is not below it')


def check_foreign_include(report, path, line, header, room):
    outer = str(path).startswith(OUTER)
    if outer and header == "pthread.h":
        return
    for prefix, rooms in FOREIGN.items():
        if header == prefix or (not prefix.endswith(".h") and header.startswith(prefix)):
            files = ONE_FILE.get(prefix, (path.name,))
            if path.name not in files:
                report.breach(path, line, f"includes <{header}>, which only {' and '.join(files)} may see")
            if room not in rooms:
                report.breach(path, line, f"includes <{header}>, which only {' and '.join(sorted(rooms))} may see")
            return
    if header.startswith("rhei/") or outer or room in SYSTEM_OF_ROOMS.get(header, ()):
        return
    if not header.endswith(".h") or header[:-2] not in SYSTEM:
        report.breach(path, line, f"includes <{header}>, which no room is known to wrap (scripts/check_layers.py)")


def check_includes(report, path, text, room):
    for number, line in enumerate(text.splitlines(), 1):
        include = re.match(r'\s*#\s*include\s*([<"])([^>"]+)[>"]', line)
        if not include:
            continue
        if include.group(1) == '"':
            check_own_include(report, path, number, include.group(2), room)
        elif path.parts[0] != "tests" and path.parts[0] != "bench":
            check_foreign_include(report, path, number, include.group(2), place_of(path))


def check_calls(report, path, code, room):
    for number, line in enumerate(code.splitlines(), 1):
        call = ONLY_BASE.search(line)
        if call and room != "base" and room in LEVEL:
            report.breach(path, number, f"calls {call.group(1)}(), which only src/base does")
        call = NEVER_CALLED.search(line)
        if call:
            report.breach(path, number, f"calls {call.group(1)}(), which the library never does")


def check_lengths(report, path, code):
    lines = code.splitlines()
    if len(lines) > LONG_FILE:
        report.warn(path, 1, f"{len(lines)} lines: look for the second idea in it")
    start = None
    for number, line in enumerate(lines, 1):
        if line.startswith("{"):
            start = number
        elif line.startswith("}") and start:
            if number - start - 1 > LONG_FUNCTION:
                report.warn(path, start, f"a function of {number - start - 1} lines: look for the second idea in it")
            start = None


def check_unique_names(report, files):
    shared = {"meson.build", "README.md", "__init__.py", "conftest.py", "Cargo.toml", "go.mod", "go.sum", "run"}
    places = collections.defaultdict(list)
    for path in files:
        if path.name not in shared:
            places[path.name].append(path)
    for paths in places.values():
        for path in paths[1:]:
            report.breach(path, 1, f"has the name of {paths[0]}; file names are unique in the whole tree")


def main():
    report = Report()
    files = tracked_files()
    check_unique_names(report, files)
    for path in files:
        if path.suffix not in (".c", ".h") or path.parts[0] not in ("src", "include", "tools", "tests", "bench"):
            continue
        text = (ROOT / path).read_text(encoding="utf-8")
        room = room_of(path)
        if room and room not in LEVEL and not str(path).startswith(OUTER):
            report.breach(path, 1, f"src/{room} is not a room that scripts/check_layers.py knows")
            continue
        code = without_comments(text)
        check_includes(report, path, text, room)
        check_lengths(report, path, code)
        if path.parts[0] == "src":
            check_calls(report, path, code, room)
    for words in report.warnings:
        print(f"warning: {words}")
    for words in report.breaches:
        print(words)
    return 1 if report.breaches else 0


if __name__ == "__main__":
    sys.exit(main())
