"""A server of `rh serve`, and the messages of Flight SQL written by hand for what the drivers don't send."""

import contextlib
import os
import pathlib
import re
import shutil
import signal
import struct
import subprocess

import pyarrow as pa
import pyarrow.flight as flight
import pytest

from rh_program import BUILD, ROOT


def have_door():
    return (BUILD / "src" / "flight").is_dir() and any((BUILD / "src" / "flight").glob("librhei_flight.so*"))


needs_door = pytest.mark.skipif(not have_door(), reason="librhei_flight isn't built: gRPC or libsodium is missing")

needs_java = pytest.mark.skipif(shutil.which("java") is None, reason="there is no Java: ./dev setup installs it")


@pytest.fixture
def jar():
    """The Flight SQL JDBC driver."""
    done = subprocess.run([ROOT / "scripts" / "fetch.sh", "--path", "org.apache.arrow:flight-sql-jdbc-driver"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return next(pathlib.Path(done.stdout.strip()).glob("*.jar"))


class Door:
    """A server with a database of its own, `folder`/a.db."""

    def __init__(self, rh, *options, auth=("--no-auth",), db="a.db", listen="127.0.0.1:0", env=None):
        self.rh = rh
        self.log_path = rh.folder / "serve.log"
        self.log_file = open(self.log_path, "ab")
        self.process = subprocess.Popen(
            [rh.path, "serve", "--db", db, "--flight", listen, *auth, *map(str, options)], cwd=rh.folder, stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=self.log_file, text=True, env=dict(os.environ, LC_ALL="C.UTF-8", **(env or {})))
        line = self.process.stdout.readline()
        found = re.match(r"Flight SQL on (grpc(\+tls)?)://.*:(\d+)\n", line)
        assert found, (line, self.log())
        self.scheme, self.port = found.group(1), int(found.group(3))
        self.uri = f"{self.scheme}://127.0.0.1:{self.port}"

    def log(self):
        return self.log_path.read_text()

    def client(self, **options):
        return flight.FlightClient(self.uri, **options)

    def memory(self):
        """Resident bytes."""
        return int(re.search(r"VmRSS:\s+(\d+)", open(f"/proc/{self.process.pid}/status").read()).group(1)) << 10

    def files(self):
        return len(os.listdir(f"/proc/{self.process.pid}/fd"))

    def threads(self):
        return len(os.listdir(f"/proc/{self.process.pid}/task"))

    def stop(self, code=0, sig=signal.SIGTERM):
        if self.process.poll() is None:
            self.process.send_signal(sig)
        try:
            assert self.process.wait(timeout=60) == code, self.log()
        finally:
            self.kill()

    def kill(self):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        self.process.stdout.close()
        self.log_file.close()


@contextlib.contextmanager
def door(rh, *options, schema="CREATE TABLE t (id INTEGER PRIMARY KEY, name TEXT, v REAL)", **more):
    if schema:
        rh.run("exec", "--db", "a.db", schema)
    made = Door(rh, *options, **more)
    try:
        yield made
        made.stop()
    finally:
        made.kill()


# ---- Messages -------------------------------------------------------------------------------------------------------

def varint(number):
    out = b""
    while number >= 0x80:
        out += bytes([number & 0x7F | 0x80])
        number >>= 7
    return out + bytes([number])


def field(number, value):
    if isinstance(value, str):
        value = value.encode()
    if isinstance(value, int):
        return varint(number << 3) + varint(value & (1 << 64) - 1)
    return varint(number << 3 | 2) + varint(len(value)) + value


def message(**fields):
    """message(f1="a", f2=3): fields by number, None left out."""
    return b"".join(field(int(name[1:]), value) for name, value in fields.items() if value is not None)


def any_of(name, **fields):
    return message(f1=f"type.googleapis.com/arrow.flight.protocol.sql.{name}", f2=message(**fields))


def parse(data):
    """{number: [values]}."""
    found, at = {}, 0

    def take():
        nonlocal at
        value = shift = 0
        while True:
            byte = data[at]
            at += 1
            value |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                return value

    while at < len(data):
        key = take()
        if key & 7 == 0:
            value = take()
        elif key & 7 == 1:
            value, at = struct.unpack_from("<Q", data, at)[0], at + 8
        else:
            size = take()
            value, at = bytes(data[at:at + size]), at + size
        found.setdefault(key >> 3, []).append(value)
    return found


def result_of(data):
    """The message in an Any."""
    return parse(parse(data).get(2, [b""])[0])


class Sql:
    """Flight SQL by hand, over a pyarrow client."""

    def __init__(self, client, options=None):
        self.client, self.options = client, options or flight.FlightCallOptions(timeout=60)

    def info(self, name, **fields):
        return self.client.get_flight_info(flight.FlightDescriptor.for_command(any_of(name, **fields)), self.options)

    def get(self, name, **fields):
        return self.read(self.info(name, **fields))

    def read(self, info):
        return self.client.do_get(info.endpoints[0].ticket, self.options).read_all()

    def query(self, sql, transaction=None):
        return self.get("CommandStatementQuery", f1=sql, f2=transaction)

    def action(self, kind, body=b""):
        return [bytes(one.body) for one in self.client.do_action(flight.Action(kind, body), self.options)]

    def sql_action(self, kind, **fields):
        return [result_of(one) for one in self.action(kind, any_of(f"Action{kind}Request", **fields))]

    def put(self, name, table=None, **fields):
        descriptor = flight.FlightDescriptor.for_command(any_of(name, **fields))
        writer, reader = self.client.do_put(descriptor, table.schema if table is not None else pa.schema([]), self.options)
        if table is not None:
            writer.write_table(table)
        writer.done_writing()
        answer = reader.read()
        writer.close()
        return parse(bytes(answer)) if answer is not None else {}

    def update(self, sql, transaction=None):
        return self.put("CommandStatementUpdate", f1=sql, f2=transaction).get(1, [0])[0]

    def begin(self):
        return self.sql_action("BeginTransaction")[0][1][0]

    def end(self, transaction, commit):
        self.sql_action("EndTransaction", f1=transaction, f2=1 if commit else 2)


def bearer(token, timeout=60):
    return flight.FlightCallOptions(headers=[(b"authorization", b"Bearer " + token.encode())], timeout=timeout)
