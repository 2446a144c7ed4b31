"""The other end of tests/crash/rhei_driver: an engine in a process of its own, which may be killed at any moment.

A lane is a thread inside that process. `engine.call` waits for its answer, `engine.start` doesn't; `engine.on("x")` is
the same engine spoken to on lane x.
"""

import contextlib
import dataclasses
import os
import queue
import re
import signal
import struct
import subprocess
import tempfile
import threading
import time

CODES = {
    0: "OK", 10: "INVALID", 11: "NO_MEMORY", 12: "INTERNAL", 13: "UNSUPPORTED", 20: "CONFIG", 21: "CANT_OPEN",
    22: "NOT_A_DATABASE", 23: "IO", 24: "FULL", 25: "READ_ONLY", 26: "TOO_NEW", 30: "SQL", 31: "CONSTRAINT",
    32: "BUSY", 33: "TRANSACTION", 34: "NOT_FOUND", 35: "EXISTS", 36: "TOO_BIG", 37: "TYPE", 40: "CANCELLED",
    41: "TIMEOUT", 42: "MEMORY_LIMIT", 50: "OLAP_UNAVAILABLE", 51: "STALE", 60: "CLOSED", 61: "REPLACED",
}
LIMIT = 120  # seconds that any single call may take, on the slowest machine


def processor_seconds(pid):
    with open(f"/proc/{pid}/stat") as stat:
        fields = stat.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


class RheiError(Exception):
    def __init__(self, status, code, sqlstate, offset, message):
        super().__init__(f"{CODES.get(status, status)} {sqlstate} at {offset}: {message}")
        self.name = CODES.get(status, str(status))
        self.status, self.code, self.sqlstate, self.offset, self.message = status, code, sqlstate, offset, message


class EngineDied(Exception):
    """The process ended; `code` as subprocess gives it, negative for a signal."""

    def __init__(self, code, words):
        super().__init__(f"the engine's process ended with {code}: {words}")
        self.code = code


def encode(value):
    if value is None:
        return "n"
    if isinstance(value, int):
        return f"i{value}"
    if isinstance(value, float):
        return f"r{struct.unpack('<Q', struct.pack('<d', value))[0]:016x}"
    if isinstance(value, str):
        return "t" + value.encode("utf-8", "surrogateescape").hex()
    return "b" + bytes(value).hex()


def decode(word):
    kind, rest = word[0], word[1:]
    if kind == "n":
        return None
    if kind == "i":
        return int(rest)
    if kind == "r":
        return struct.unpack("<d", struct.pack("<Q", int(rest, 16)))[0]
    if kind == "t":
        return bytes.fromhex(rest).decode("utf-8", "surrogateescape")
    return bytes.fromhex(rest)


def exact(value):
    """A key under which two values are equal only when class and bits are."""
    return encode(value)


def exact_rows(rows):
    return [tuple(exact(value) for value in row) for row in rows]


def text_word(text):
    return text.encode("utf-8", "surrogateescape").hex()


def option_words(options):
    words = []
    for key, value in options.items():
        if value is None:
            continue
        if isinstance(value, bool):
            value = int(value)
        if key in ("config_file", "olap_path", "rocksdb_cdc_path"):
            value = text_word(str(value))
        words.append(f"{key}={value}")
    return words


@dataclasses.dataclass
class Result:
    changes: int
    last_insert_rowid: int
    position: int


@dataclasses.dataclass
class Answer:
    columns: list
    rows: list
    route: str = ""
    rule: str = ""
    position: int = 0
    age_us: int = 0
    more: bool = False
    changes: int = 0

    @property
    def value(self):
        assert len(self.rows) == 1 and len(self.rows[0]) == 1, self.rows
        return self.rows[0][0]


KINDS = (None, "table", "gone", "insert", "update", "delete", "lost", "commit", "batch")


@dataclasses.dataclass
class Change:
    """An event of the change feed; values and before are None, or of the columns' names. `ipc`: a batch."""
    kind: str
    position: int
    time_us: int
    table: str
    number: int
    reason: str
    key_columns: list
    columns: list
    values: dict
    before: dict
    ipc: bytes = b""

    @property
    def key(self):
        return tuple(self.values[name] for name in self.key_columns)


def change_of(words):
    rest = iter([decode(word) for word in words])
    kind, position, time_us, table, number, reason = (next(rest) for _ in range(6))
    keys = [next(rest) for _ in range(next(rest))]
    columns = [next(rest) for _ in range(next(rest))]
    rows = [{name: next(rest) for name in columns} if next(rest) else None for _ in range(2)]
    return Change(KINDS[kind], position, time_us, table, number, reason, [columns[key] for key in keys], columns, *rows, *rest)


class Pending:
    """A call whose answer hasn't been fetched."""

    def __init__(self, engine, lane):
        self.engine, self.lane = engine, lane

    def wait(self, timeout=LIMIT):
        return self.engine.fetch(self.lane, timeout)


class Lane:
    """What can be said to an engine; every method is one verb of tests/crash/driver_commands.c."""

    def __init__(self, engine, name):
        self.engine, self.name = engine, name

    def start(self, verb, *words):
        return self.engine.send(self.name, verb, *words)

    def call(self, verb, *words, timeout=LIMIT):
        return self.start(verb, *words).wait(timeout)

    def ok(self, verb, *words, timeout=LIMIT):
        """The words after "ok"."""
        return self.call(verb, *words, timeout=timeout)[-1]

    def open(self, path, **config):
        """Waits for locks of others as long as a call may take, unless the test says otherwise."""
        config.setdefault("busy_timeout_ms", LIMIT * 1000)
        self.ok("open", text_word(str(path)) if path is not None else "-", *option_words(config))

    def close(self):
        self.ok("close")

    def execute(self, sql, *params):
        return Result(*map(int, self.ok("execute", text_word(sql), *map(encode, params))))

    def batch(self, sql, rows):
        rows = list(rows)
        flat = [encode(value) for row in rows for value in row]
        return Result(*map(int, self.ok("batch", text_word(sql), f"columns={len(rows[0])}", *flat)))

    def script(self, sql):
        return Result(*map(int, self.ok("script", text_word(sql))))

    def start_query(self, sql, *params, verb="query", **options):
        return self.start(verb, text_word(sql), *option_words(options), *map(encode, params))

    def query(self, sql, *params, limit=LIMIT, **options):
        return answer(self.start_query(sql, *params, **options).wait(limit))

    def olap(self, sql, *params, **options):
        return self.query(sql, *params, route="olap", **options)

    def rows_open(self, sql, *params, **options):
        self.start_query(sql, *params, verb="rows_open", **options).wait()

    def rows_next(self, count):
        return answer(self.call("rows_next", f"count={count}"))

    def rows_close(self):
        self.ok("rows_close")

    def cancel(self):
        self.ok("cancel", "raise=1")

    def cancel_clear(self):
        self.ok("cancel")

    def session_open(self):
        self.ok("session_open")

    def session_execute(self, sql, *params):
        return Result(*map(int, self.ok("session_execute", text_word(sql), *map(encode, params))))

    def session_query(self, sql, *params, **options):
        return answer(self.start_query(sql, *params, verb="session_query", **options).wait())

    def session_close(self):
        self.ok("session_close")

    def register(self, table):
        self.ok("register", text_word(table))

    def unregister(self, table):
        self.ok("unregister", text_word(table))

    def sync(self):
        names = ("position", "events", "inserted", "updated", "deleted", "pruned")
        return dict(zip(names, map(int, self.ok("sync"))))

    def checkpoint(self):
        self.ok("checkpoint")

    def start_sync(self):
        self.ok("start_sync")

    def stop_sync(self):
        self.ok("stop_sync")

    def initial_sync(self, timeout_ms=LIMIT * 900):
        self.ok("initial_sync", f"timeout={timeout_ms}")

    def rebuild(self, table=None):
        self.ok("rebuild", *([text_word(table)] if table else []))

    def verify(self, table=None):
        """Number of rows compared; raises RheiError STALE when mirror and table differ."""
        return int(self.ok("verify", *([text_word(table)] if table else []))[0])

    def repair(self, table=None):
        """Rows that were taken again, and tables that were built again."""
        return tuple(map(int, self.ok("repair", *([text_word(table)] if table else []))))

    def backup(self, folder, timeout_ms=0):
        """position, bytes of the database, bytes of the column store, and its position (-1: there is none)"""
        return tuple(map(int, self.ok("backup", text_word(str(folder)), f"timeout={timeout_ms}", timeout=180)))

    def status(self):
        pairs = dict(word.split("=", 1) for word in self.ok("status"))
        error = bytes.fromhex(pairs.pop("last_error")).decode()
        return dict({key: int(value) for key, value in pairs.items()}, last_error=error)

    def tables(self):
        """{name: (state, rows, message)}"""
        lines = self.call("tables")
        return {row[0]: tuple(row[1:]) for row in (tuple(map(decode, words)) for words in lines[:-1])}

    def info(self):
        return bytes.fromhex(self.ok("info")[0]).decode()

    def bank(self, writers, count, first, seed, timeout=LIMIT):
        self.ok("bank", f"writers={writers}", f"count={count}", f"first={first}", f"seed={seed}", timeout=timeout)

    def changes_open(self, consumer=None, **options):
        """start: 1 from the oldest, 2 behind `after`."""
        self.ok("changes_open", text_word(consumer) if consumer else "-", *option_words(options))

    def changes_next(self, count=1):
        """As many as there are, and `count` at most."""
        return [change_of(words) for words in self.call("changes_next", f"count={count}")[:-1]]

    def changes_arrow(self):
        """The next event, or None; a batch has its Arrow IPC stream."""
        return next((change_of(words) for words in self.call("changes_arrow")[:-1]), None)

    def changes_acknowledge(self, position):
        self.ok("changes_acknowledge", f"position={position}")

    def changes_drop(self, consumer):
        self.ok("changes_drop", text_word(consumer))

    def changes_close(self):
        self.ok("changes_close")

    def faults(self, **options):
        self.ok("faults", *option_words(options))

    def release(self, once=False):
        """Lets whoever is held go on; once: to be held again at the next time."""
        self.ok("release", f"once={int(once)}")

    def wait_point(self, point, hits=0, timeout_ms=LIMIT * 900):
        """Waits until the point was reached `hits` times (0: until somebody is held)."""
        assert self.ok("wait_point", point, f"hits={hits}", f"timeout={timeout_ms}") == ["1"], \
            f"{point} was not reached within {timeout_ms} ms"

    def points(self):
        return {name: int(count) for name, count in (word.split("=") for word in self.ok("points"))}


def answer(lines):
    """Of a query's answer lines."""
    result = Answer([], [])
    for words in lines[:-1]:
        if words[0] == "columns":
            result.columns = [decode(word) for word in words[1:]]
        else:
            result.rows.append(tuple(map(decode, words)))
    last = lines[-1]
    if len(last) >= 6:
        result.route, result.rule = last[0], last[1]
        result.position, result.age_us, result.more, result.changes = int(last[2]), int(last[3]), last[4] == "1", int(last[5])
    return result


class Engine(Lane):
    def __init__(self, program, folder, wrapper=(), **popen):
        super().__init__(self, "main")
        self.acknowledged, self.refused, self.log = [], [], []
        self.stderr = tempfile.TemporaryFile(dir=folder)
        self.answers, self.partial = {}, {}
        self.lock = threading.Lock()
        self.ended = False
        self.process = subprocess.Popen(
            [*wrapper, str(program)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self.stderr, cwd=folder,
            **popen)
        self.pid = self.process.pid
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()

    def on(self, lane):
        return Lane(self, lane)

    def _queue(self, lane):
        with self.lock:
            found = self.answers.get(lane)
            if found is None:
                found = self.answers[lane] = queue.Queue()
                if self.ended:
                    found.put(None)
            return found

    def _read(self):
        for line in self.process.stdout:
            if not line.endswith(b"\n"):
                break  # cut off by the kill
            lane, kind, *words = line.decode("ascii").split()
            if kind == "ack":
                self.acknowledged.append(int(words[0]))
            elif kind == "nack":
                self.refused.append((int(words[0]), CODES.get(int(words[1]), words[1]), bytes.fromhex("".join(words[2:])).decode()))
            elif kind == "log":
                self.log.append((int(words[0]), words[1], bytes.fromhex("".join(words[2:])).decode("utf-8", "replace")))
            else:
                self._queue(lane).put((kind, words))
        with self.lock:
            self.ended = True
            queues = list(self.answers.values())
        for waiting in queues:
            waiting.put(None)

    def send(self, lane, verb, *words):
        try:
            self.process.stdin.write((" ".join((lane, verb, *words)) + "\n").encode("ascii"))
            self.process.stdin.flush()
        except (BrokenPipeError, OSError):
            self._died()
        return Pending(self, lane)

    def fetch(self, lane, timeout):
        waiting = self._queue(lane)
        until = time.monotonic() + timeout
        lines = self.partial.setdefault(lane, [])  # a wait that timed out goes on where it was
        while True:
            try:
                got = waiting.get(timeout=max(0.01, until - time.monotonic()))
            except queue.Empty:
                raise TimeoutError(f"lane {lane} did not answer within {timeout} s") from None
            if got is None:
                waiting.put(None)
                self._died()
            kind, words = got
            if kind in ("ok", "error"):
                self.partial[lane] = []
            if kind == "error":
                message = bytes.fromhex("".join(words[4:])).decode("utf-8", "replace")
                raise RheiError(int(words[0]), int(words[1]), words[2], int(words[3]), message)
            lines.append(["columns", *words] if kind == "columns" else words)
            if kind == "ok":
                return lines

    def _died(self):
        code = self.process.wait(timeout=LIMIT)
        raise EngineDied(code, self.errors())

    def errors(self):
        self.stderr.seek(0)
        return re.sub(r"\s+", " ", self.stderr.read().decode("utf-8", "replace"))[-4000:]

    def kill(self):
        """As kill -9 does; returns when everything that it had said is read."""
        if self.process.poll() is None:
            os.kill(self.pid, signal.SIGKILL)
        self.wait_for_end()

    def wait_for_end(self, timeout=LIMIT):
        code = self.process.wait(timeout=timeout)
        self.reader.join(timeout)
        with contextlib.suppress(OSError):  # what it never read
            self.process.stdin.close()
        self.process.stdout.close()
        return code

    def running(self):
        return self.process.poll() is None

    def processor_seconds(self):
        """That all its threads used: a bound on it holds however busy the machine is."""
        return processor_seconds(self.pid)
