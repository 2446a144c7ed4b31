"""The network door beside pyarrow's own C++ Flight server over the same rows, in one run, rounds interleaved: server CPU for each query (of /proc) and p50, each
the median of the rounds with the least and the most of them. There are two peers: one holds the answers ready, the other computes them with Arrow's own
engine (which has no window). Beside them Rhei in process (by ADBC) and by TLS, and what it takes in. Run it with the tests' Python:

    $(scripts/venv.sh) bench/bench_flight.py [BUILD] [--seconds 1] [--rounds 5] [--only WORD]
"""

import argparse
import contextlib
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests" / "e2e"))

import adbc_driver_manager.dbapi as dbapi  # noqa: E402
import pyarrow as pa  # noqa: E402
import pyarrow.compute as pc  # noqa: E402
import pyarrow.flight as flight  # noqa: E402

ROWS = 100000
FILL = (f"WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n WHERE x < {ROWS}) "
        "INSERT INTO t SELECT x, x / 3.0, printf('name-%06d', x) FROM n")
QUERIES = {
    "one row by key": "SELECT id, v, name FROM t WHERE id = 4711",
    "scan of 100 k rows": "SELECT id, v, name FROM t",
    "filter": "SELECT id, v FROM t WHERE v < 1000",
    "GROUP BY": "SELECT id % 100 AS g, count(*) AS n, sum(v) AS s FROM t GROUP BY g",
    "top 10": "SELECT id, v FROM t ORDER BY v DESC LIMIT 10",
    "window": "SELECT id, sum(v) OVER (ORDER BY id ROWS 10 PRECEDING) AS s FROM t",
}


def computed(table):
    """What Arrow computes of the rows for each query, by its number; the window is left out."""
    field = pc.field
    return {
        "0": lambda: table.filter(field("id") == 4711),
        "1": lambda: table,
        "2": lambda: table.filter(field("v") < 1000).select(["id", "v"]),
        "3": lambda: table.append_column("g", pc.subtract(table["id"], pc.multiply(pc.divide(table["id"], 100), 100))).group_by("g").aggregate(
            [("id", "count"), ("v", "sum")]),
        "4": lambda: table.take(pc.select_k_unstable(table, 10, [("v", "descending")])).select(["id", "v"]),
    }


def serve_peer():
    """The peer, in a process of its own: gets the answers as Arrow streams on standard input's files. A command that begins with c is computed."""
    answers = {name: pa.ipc.open_stream(open(path, "rb")).read_all() for name, path in (word.split("=", 1) for word in sys.argv[2:])}
    makers = computed(answers["1"].combine_chunks())

    class Peer(flight.FlightServerBase):
        def get_flight_info(self, context, descriptor):
            name = descriptor.command.decode()
            return flight.FlightInfo(answers[name.lstrip("c")].schema, descriptor, [flight.FlightEndpoint(descriptor.command, [])], -1, -1)

        def do_get(self, context, ticket):
            name = ticket.ticket.decode()
            return flight.RecordBatchStream(makers[name[1:]]() if name[0] == "c" else answers[name])

    peer = Peer("grpc://127.0.0.1:0")
    print(peer.port, flush=True)
    peer.serve()


def cpu_seconds(pid):
    fields = open(f"/proc/{pid}/stat").read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def measure(ask, pid, seconds):
    times, before, end = [], cpu_seconds(pid), time.perf_counter() + seconds
    while time.perf_counter() < end:
        started = time.perf_counter()
        ask()
        times.append(time.perf_counter() - started)
    return {"ms": statistics.median(times) * 1000, "cpu": (cpu_seconds(pid) - before) / len(times) * 1000}


def by_flight(client, command):
    descriptor = flight.FlightDescriptor.for_command(command)
    return lambda: client.do_get(client.get_flight_info(descriptor).endpoints[0].ticket).read_all()


def built(client, command):
    """The answer, once the column store is there to give it."""
    for _ in range(200):
        table = by_flight(client, command)()
        if table.schema.metadata[b"rhei.rule"] != b"not-ready":
            break
        time.sleep(0.05)
    return table


def in_process(cursor, sql):
    def ask():
        cursor.execute(sql)
        cursor.fetch_arrow_table()
    return ask


def taken_in(client, table, pid):
    """Rows a second of an ingest, and server CPU for a million of them."""
    from flight_door import any_of, message
    descriptor = flight.FlightDescriptor.for_command(any_of("CommandStatementIngest", f1=message(f1=1, f2=3), f2="taken_in"))
    started, before = time.perf_counter(), cpu_seconds(pid)
    writer, reader = client.do_put(descriptor, table.schema)
    writer.write_table(table)
    writer.done_writing()
    reader.read()
    writer.close()
    return table.num_rows / (time.perf_counter() - started), (cpu_seconds(pid) - before) / table.num_rows * 1e6


@contextlib.contextmanager
def server(rh, db, *options):
    process = subprocess.Popen([rh, "serve", "--db", db, "--flight", "127.0.0.1:0", *options], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    try:
        yield int(process.stdout.readline().rsplit(":", 1)[1]), process.pid
    finally:
        process.terminate()
        process.wait()


def shown(rounds, key):
    values = [one[key] for one in rounds]
    return f"{statistics.median(values):8.3f} [{min(values):.3f}..{max(values):.3f}]"


def mid(rounds, key):
    return statistics.median(one[key] for one in rounds)


def main():
    from certificates import Authority
    from flight_door import any_of
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("build", nargs="?", default=ROOT / "build", type=pathlib.Path)
    parser.add_argument("--seconds", type=float, default=1)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--only", default="", help="queries whose name has this word")
    words = parser.parse_args()
    build = words.build.resolve()
    rh = build / "tools" / "rh" / "rh"
    with tempfile.TemporaryDirectory() as folder, contextlib.ExitStack() as stack:
        os.chdir(folder)
        for db in ("a.db", "tls.db"):  # a database has one server
            subprocess.run([rh, "exec", "--db", db, "CREATE TABLE t (id INTEGER PRIMARY KEY, v REAL, name TEXT) STRICT; " + FILL], check=True)
        certificate, key = Authority(pathlib.Path(folder), "ca").issue("server", "IP:127.0.0.1")
        port, pid = stack.enter_context(server(rh, "a.db", "--no-auth"))
        own = flight.FlightClient(f"grpc://127.0.0.1:{port}")
        files, commands = [], [any_of("CommandStatementQuery", f1=sql) for sql in QUERIES.values()]
        for number, command in enumerate(commands):
            table = built(own, command)
            with pa.ipc.new_stream(f"{number}.arrow", table.schema) as writer:
                writer.write_table(table)
            files.append(f"{number}={number}.arrow")
        peer = stack.enter_context(subprocess.Popen([sys.executable, __file__, "--peer", *files], stdout=subprocess.PIPE, text=True))
        stack.callback(peer.terminate)
        other = flight.FlightClient(f"grpc://127.0.0.1:{peer.stdout.readline().strip()}")
        tls_port, tls_pid = stack.enter_context(server(rh, "tls.db", "--no-auth", "--tls-cert", certificate, "--tls-key", key))
        by_tls = flight.FlightClient(f"grpc+tls://127.0.0.1:{tls_port}", tls_root_certs=pathlib.Path("ca.crt").read_bytes())
        for command in commands:
            built(by_tls, command)
        local = stack.enter_context(dbapi.connect(driver=str(next((build / "src").rglob("librhei_adbc.so"))), db_kwargs={"uri": "a.db"}, autocommit=True))
        cursor = stack.enter_context(local.cursor())
        for number, (name, sql) in enumerate(QUERIES.items()):
            if words.only not in name:
                continue
            who = {"Rhei": (by_flight(own, commands[number]), pid), "Rhei by TLS": (by_flight(by_tls, commands[number]), tls_pid),
                   "Rhei in process": (in_process(cursor, sql), os.getpid()), "pyarrow, ready": (by_flight(other, str(number).encode()), peer.pid)}
            if name != "window":
                who["pyarrow, computes"] = (by_flight(other, f"c{number}".encode()), peer.pid)
            rounds = {one: [] for one in who}
            for ask, _ in who.values():
                ask()
            for _ in range(words.rounds):
                for one, (ask, of) in who.items():
                    rounds[one].append(measure(ask, of, words.seconds))
            print(f"{name}: {sql}")
            for one, found in rounds.items():
                print(f"  {one:18} p50 ms {shown(found, 'ms'):32} CPU ms {shown(found, 'cpu')}")
            for one in who:
                if one.startswith("pyarrow"):
                    print(f"  Rhei / {one:18} p50 {mid(rounds['Rhei'], 'ms') / mid(rounds[one], 'ms'):6.2f}   CPU {mid(rounds['Rhei'], 'cpu') / mid(rounds[one], 'cpu'):6.2f}")
            print(f"  by network / in process   p50 {mid(rounds['Rhei'], 'ms') / mid(rounds['Rhei in process'], 'ms'):6.2f}", flush=True)
        if words.only in "ingest":
            table = pa.table({"id": range(ROWS), "v": [i / 3.0 for i in range(ROWS)], "name": [f"name-{i:06}" for i in range(ROWS)]})
            found = [dict(zip(("rate", "cpu"), taken_in(own, table, pid))) for _ in range(words.rounds)]
            print(f"ingest of {ROWS} rows: rows/s {shown(found, 'rate')}, CPU s of a million {shown(found, 'cpu')}")


if __name__ == "__main__":
    serve_peer() if sys.argv[1:2] == ["--peer"] else main()
