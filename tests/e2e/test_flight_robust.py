"""The network door beside clients that don't read, don't send, go away, or send what is none."""

import os
import random
import signal
import socket
import subprocess
import sys
import textwrap
import threading
import time

import adbc_driver_flightsql.dbapi as dbapi
import pyarrow as pa
import pyarrow.flight as flight
import pytest

from flight_door import Sql, any_of, door, message, needs_door
from rh_program import rh  # noqa: F401 (a fixture)

pytestmark = needs_door
ERROR = pa.lib.ArrowException
FILL = "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n WHERE x < {}) INSERT INTO t SELECT x, hex(randomblob(100)), x / 2.0 FROM n"
ENDLESS = "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n WHERE x < 1000000000000) SELECT x, hex(randomblob(100)) AS s FROM n"


def wait_until(true, seconds=60):
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "it didn't come"
        time.sleep(0.05)


def steady(at):
    """Until a second passes without memory that grows."""
    seen = [0]

    def is_steady():
        seen.append(at.memory())
        time.sleep(1)
        return seen[-1] - seen[-2] < 4 << 20

    wait_until(is_steady)


def child(at, text):
    """A client in a process of its own, which can be killed."""
    program = "import sys, time, pyarrow as pa, pyarrow.flight as flight\nsys.path.insert(0, %r)\nfrom flight_door import *\nsql = Sql(flight.FlightClient(%r))\n%s" % (
        os.path.dirname(__file__), at.uri, textwrap.dedent(text))
    return subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True)


@pytest.mark.parametrize("said,options,variables", [(900, ["--max-connections", 20], {"RHEI_FLIGHT_MAX_CONNECTIONS": "800"}),
                                                    (900, [], {"RHEI_FLIGHT_MAX_CONNECTIONS": "20"}), (20, [], {})], ids=["line", "environment", "file"])
def test_d4_connections_beyond_the_limit_are_ended(rh, said, options, variables):
    (rh.folder / "rhei.toml").write_text(f"[engine]\nflight_max_connections = {said}\n")
    with door(rh, "--config", "rhei.toml", *options, env=variables) as at:
        sql = Sql(at.client())
        assert sql.query("SELECT 1 AS one").column("one").to_pylist() == [1]
        alone = at.files()
        hello = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\0\0\0\4\0\0\0\0\0"  # and never a call
        held = []
        for _ in range(1000):
            held.append(socket.create_connection(("127.0.0.1", at.port), timeout=60))
            held[-1].sendall(hello)
        wait_until(lambda: "connections: there are more than 20" in at.log() and at.files() <= alone + 19)
        assert sql.query("SELECT 2 AS two").column("two").to_pylist() == [2]  # who was there first stays
        open_still = 0
        for one in held:
            one.setblocking(False)
            try:
                while data := one.recv(4096):
                    assert data
            except BlockingIOError:
                open_still += 1
            except ConnectionError:
                pass
            one.close()
        assert open_still == 19
        wait_until(lambda: at.files() <= alone)
        assert Sql(at.client()).query("SELECT 3 AS three").num_rows == 1


def test_d4_slow_readers_cost_no_thread_and_no_memory_and_hold_up_nobody(rh):
    with door(rh) as at:
        sql = Sql(at.client())
        sql.update(FILL.format(50000))
        before = at.memory()
        clients = [at.client() for _ in range(10)]
        infos = [sql.info("CommandStatementQuery", f1=ENDLESS) for _ in range(100)]
        readers = [clients[i % 10].do_get(info.endpoints[0].ticket) for i, info in enumerate(infos)]
        for reader in readers:
            assert reader.read_chunk().data.num_rows > 0
        steady(at)  # what the network holds of each answer is filled
        held, threads = at.memory(), at.threads()
        time.sleep(2)
        assert at.memory() - held < 32 << 20, "it grows while nobody reads"
        assert held - before < 100 * (8 << 20), (held - before) >> 20
        started = time.monotonic()
        for _ in range(20):
            assert sql.query("SELECT count(*) AS n FROM t").column(0).to_pylist() == [50000]
            sql.update("UPDATE t SET v = v + 1 WHERE id = 1")
        assert time.monotonic() - started < 20
        assert at.threads() <= threads + 3
        for reader in readers:
            reader.cancel()
        del readers, clients
        wait_until(lambda: at.log().count("call=DoGet/CommandStatementQuery status=CANCELLED") >= 100)
        sql.update("DELETE FROM t WHERE id > 10")
        assert sql.query("SELECT count(*) AS n FROM t").column(0).to_pylist() == [10]


@pytest.mark.parametrize("phase", ["reading", "between", "transaction", "prepared"])
def test_d4_a_client_that_is_killed_leaves_nothing(rh, phase):
    texts = {
        "reading": f"reader = sql.client.do_get(sql.info('CommandStatementQuery', f1={ENDLESS!r}).endpoints[0].ticket); reader.read_chunk()",
        "between": f"info = sql.info('CommandStatementQuery', f1={ENDLESS!r})",
        "transaction": "t = sql.begin(); sql.update(\"INSERT INTO t VALUES (7, 'lost', 0)\", t)",
        "prepared": "[sql.sql_action('CreatePreparedStatement', f1='SELECT ?') for _ in range(50)]",
    }
    with door(rh, "--transaction-idle", 1500) as at:
        sql = Sql(at.client())
        assert sql.query("SELECT 1 AS x").num_rows == 1
        files = at.files()
        for _ in range(3):
            client = child(at, texts[phase] + "\nprint('there', flush=True)\ntime.sleep(600)")
            assert client.stdout.readline() == "there\n"
            client.kill()
            client.wait()
            client.stdout.close()
        wait_until(lambda: at.files() <= files + 1)
        if phase == "transaction":
            wait_until(lambda: "was rolled back: nobody used it" in at.log())
        sql.update("INSERT INTO t VALUES (8, 'kept', 0)")
        assert sql.query("SELECT id FROM t").column(0).to_pylist() == [8]


@pytest.mark.parametrize("size", [10, 100000, 3000000])
def test_d4_an_upload_that_is_cut_changes_nothing(rh, size):
    """Below and above what is gathered before the first row is written."""
    text = f"""
        table = pa.table({{"id": range({size}), "name": ["n"] * {size}}})
        descriptor = flight.FlightDescriptor.for_command(any_of("CommandStatementIngest", f1=message(f1=1, f2=2), f2="t"))
        writer, reader = sql.client.do_put(descriptor, table.schema)
        writer.write_table(table, max_chunksize=50000)
        print("there", flush=True)
        time.sleep(600)
    """
    with door(rh) as at:
        sql = Sql(at.client())
        for sig in (signal.SIGKILL, signal.SIGTERM):
            client = child(at, text)
            assert client.stdout.readline() == "there\n"
            time.sleep(0.3)
            client.send_signal(sig)
            client.wait()
            client.stdout.close()
        wait_until(lambda: at.log().count("call=DoPut/CommandStatementIngest") == 2)
        assert at.log().count("call=DoPut/CommandStatementIngest status=CANCELLED") == 2, at.log()
        assert sql.query("SELECT count(*) AS n FROM t").column(0).to_pylist() == [0]
        assert sql.put("CommandStatementIngest", pa.table({"id": [1]}), f1=message(f1=2, f2=2), f2="t")[1] == [1]


def test_d4_a_message_that_is_too_large_is_refused(rh):
    with door(rh) as at:
        sql = Sql(at.client())
        with pytest.raises(ERROR, match="larger than max|RESOURCE_EXHAUSTED|resource exhausted|[Mm]essage"):
            sql.put("CommandStatementIngest", pa.table({"b": [b"x" * (80 << 20)]}), f1=message(f1=1, f2=2), f2="big")
        with pytest.raises(ERROR):
            sql.query("SELECT '" + "x" * (70 << 20) + "'")
        assert sql.query("SELECT 1 AS x").num_rows == 1
        options = flight.FlightCallOptions(headers=[(b"x-rhei-route", b"a" * 100000)], timeout=20)
        with pytest.raises(ERROR):
            Sql(at.client(), options).query("SELECT 1")
        assert sql.query("SELECT 1 AS x").num_rows == 1


def test_d4_bytes_that_are_no_http2_end_their_connection_alone(rh):
    rng = random.Random(4)
    preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
    with door(rh) as at:
        sql = Sql(at.client())
        for number in range(200):
            with socket.create_connection(("127.0.0.1", at.port), timeout=10) as raw:
                start = preface if number % 2 else b""
                if number % 4 == 3:  # frames of any kind
                    start += b"".join(rng.randrange(0, 40).to_bytes(3, "big") + rng.randbytes(2) + rng.randrange(5).to_bytes(4, "big") + rng.randbytes(rng.randrange(40))
                                      for _ in range(rng.randrange(20)))
                try:
                    raw.sendall(start + rng.randbytes(rng.randrange(500)))
                    if number % 3 == 0:
                        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
                except OSError:
                    pass
        with socket.create_connection(("127.0.0.1", at.port), timeout=10) as raw:  # streams that are reset as soon as they are opened
            raw.sendall(preface + b"\0\0\0\4\0\0\0\0\0")
            try:
                for stream in range(1, 4001, 2):
                    raw.sendall(b"\0\0\1\1\4" + stream.to_bytes(4, "big") + b"\x82" + b"\0\0\4\3\0" + stream.to_bytes(4, "big") + b"\0\0\0\10")
            except OSError:
                pass
        assert sql.query("SELECT 1 AS x").num_rows == 1


def frame(kind, flags, stream, body=b""):
    return len(body).to_bytes(3, "big") + bytes([kind, flags]) + stream.to_bytes(4, "big") + body


def test_d4_a_connection_that_floods_holds_nothing_and_the_others_go_on(rh):
    """Pings without end, for which it is ended; settings, and headers of one stream, of which there are many megabytes."""
    preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + frame(4, 0, 0)
    header = b"\x00\x01x\x7f\x03" + b"y" * 130  # a literal, not indexed
    floods = {"pings": (b"", frame(6, 0, 0, b"12345678")), "settings": (b"", frame(4, 0, 0)), "headers": (frame(1, 0, 1, header), frame(9, 0, 1, header))}
    with door(rh) as at:
        sql = Sql(at.client())
        sql.query("SELECT 1")
        files, memory = at.files(), at.memory()
        for name, (first, flood) in floods.items():
            with socket.create_connection(("127.0.0.1", at.port), timeout=60) as raw:
                try:
                    raw.sendall(preface + first)
                    for _ in range(30):  # nobody reads what it answers
                        raw.sendall(flood * 1000)
                    while name == "pings" and raw.recv(1 << 16) != b"":
                        pass
                except ConnectionError:
                    pass
                assert sql.query("SELECT 1 AS x").num_rows == 1, name
                assert at.memory() - memory < 64 << 20, name
        wait_until(lambda: at.files() <= files + 1)


def test_d4_any_bytes_in_commands_tickets_and_actions_are_refused(rh):
    rng = random.Random(int(os.environ.get("RHEI_SEED") or random.SystemRandom().randrange(1 << 31)))
    names = ["CommandStatementQuery", "CommandPreparedStatementQuery", "CommandGetTables", "CommandGetSqlInfo", "CommandGetXdbcTypeInfo", "CommandGetDbSchemas",
             "CommandGetPrimaryKeys", "CommandGetCrossReference", "CommandStatementUpdate", "CommandStatementIngest", "CommandPreparedStatementUpdate"]
    actions = ["CreatePreparedStatement", "ClosePreparedStatement", "BeginTransaction", "EndTransaction", "BeginSavepoint", "EndSavepoint", "CancelQuery",
               "CancelFlightInfo", "SetSessionOptions", "GetSessionOptions", "CloseSession"]

    def bytes_of():
        body = bytearray(any_of(rng.choice(names), **{f"f{n}": rng.choice([b"t", rng.randbytes(20), rng.randrange(1 << 40)]) for n in rng.sample(range(1, 8), 3)}))
        for _ in range(rng.randrange(4)):
            body[rng.randrange(len(body))] = rng.randrange(256)
        return bytes(body[:rng.randrange(len(body) + 1)]) if rng.random() < 0.3 else bytes(body)

    with door(rh) as at:
        client, sql = at.client(), Sql(at.client(), flight.FlightCallOptions(timeout=30))
        for _ in range(400):
            body = bytes_of()
            kind = rng.choice(actions)
            for call in (lambda: sql.client.get_flight_info(flight.FlightDescriptor.for_command(body), sql.options),
                         lambda: sql.client.do_get(flight.Ticket(body), sql.options).read_all(),
                         lambda: sql.action(kind, body.replace(b"CommandStatementQuery", f"Action{kind}Request".encode()))):
                try:
                    call()
                except ERROR as error:
                    assert "UNAVAILABLE" not in str(error) and "INTERNAL" not in str(error), error
        assert Sql(client).query("SELECT 1 AS x").num_rows == 1


def test_d4_many_connections_come_and_go(rh):
    with door(rh) as at:
        sql = Sql(at.client())
        sql.query("SELECT 1")
        files = at.files()
        sockets = []
        for _ in range(1000):
            raw = socket.create_connection(("127.0.0.1", at.port), timeout=30)
            raw.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\4\0\0\0\0\0")
            sockets.append(raw)
        assert sql.query("SELECT 1 AS x").num_rows == 1
        for raw in sockets:
            raw.close()
        wait_until(lambda: at.files() <= files + 2)


def test_d4_calls_at_once_wait_for_nobody_else(rh):
    """Thirty-two clients, reading and writing, while one holds the writer for a while."""
    with door(rh) as at:
        wrong = []

        def work(number):
            try:
                with dbapi.connect(at.uri, autocommit=True) as connection, connection.cursor() as cursor:
                    for i in range(10):
                        cursor.execute(f"INSERT INTO t VALUES ({number * 100 + i}, 'w', 0)")
                        cursor.fetchall()
                        cursor.execute("SELECT count(*) FROM t WHERE id / 100 = ?", [number])
                        assert cursor.fetchall() == [(i + 1,)]
            except Exception as error:  # noqa: BLE001
                wrong.append(repr(error))

        sql = Sql(at.client())
        transaction = sql.begin()
        sql.update("INSERT INTO t VALUES (100000, 'first', 0)", transaction)
        threads = [threading.Thread(target=work, args=(number,)) for number in range(32)]
        for thread in threads:
            thread.start()
        time.sleep(0.5)
        sql.end(transaction, True)
        for thread in threads:
            thread.join(60)
        assert wrong == []
        assert sql.query("SELECT count(*) AS n FROM t").column(0).to_pylist() == [321]


def test_d4_a_server_that_stops_finishes_what_runs_and_cancels_what_does_not_end(rh):
    with door(rh, "--drain", 3000) as at:
        sql, other = Sql(at.client()), Sql(at.client())
        sql.update(FILL.format(200000))
        transaction = sql.begin()
        sql.update("INSERT INTO t VALUES (-1, 'uncommitted', 0)", transaction)
        ending = sql.client.do_get(sql.info("CommandStatementQuery", f1="SELECT * FROM t").endpoints[0].ticket)
        ending.read_chunk()
        endless = other.client.do_get(other.info("CommandStatementQuery", f1=ENDLESS).endpoints[0].ticket)
        endless.read_chunk()
        at.process.send_signal(signal.SIGTERM)
        rows = 0
        try:
            while True:
                rows += ending.read_chunk().data.num_rows
        except StopIteration:
            pass
        assert rows > 100000
        with pytest.raises(ERROR):
            while True:
                endless.read_chunk()
        assert at.process.wait(timeout=15) == 0, at.log()
    assert rh.run("query", "--db", "a.db", "--format", "csv", "SELECT count(*) FROM t").stdout.split()[1] == "200000"


def test_d4_a_server_that_is_ended_as_soon_as_it_listens_ends_well(rh):
    for number in range(8):
        with door(rh, schema="CREATE TABLE IF NOT EXISTS t (id INTEGER PRIMARY KEY)" if number == 0 else None):
            pass


def test_d4_memory_and_descriptors_stay_flat(rh):
    with door(rh) as at:
        sql = Sql(at.client())
        sql.update(FILL.format(2000))

        def round_of():
            for _ in range(150):
                sql.query("SELECT * FROM t")
                handle = sql.sql_action("CreatePreparedStatement", f1="SELECT * FROM t WHERE id = ?")[0][1][0]
                sql.put("CommandPreparedStatementQuery", pa.table({"id": [5]}), f1=handle)
                sql.get("CommandPreparedStatementQuery", f1=handle)
                sql.sql_action("ClosePreparedStatement", f1=handle)
                with pytest.raises(ERROR):
                    sql.query("SELECT nope")
                transaction = sql.begin()
                sql.update("UPDATE t SET v = 0 WHERE id = 1", transaction)
                sql.end(transaction, False)
                sql.get("CommandGetTables", f5=1)

        round_of()
        memory, files, threads = at.memory(), at.files(), at.threads()
        round_of()
        round_of()
        assert at.memory() - memory < 24 << 20, (at.memory() - memory) >> 20
        assert at.files() <= files + 2 and at.threads() <= threads + 4
