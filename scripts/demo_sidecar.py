"""The demo of a sidecar: a PostgreSQL server in a folder of its own, pgbench writing to it, and rhei_demo_sidecar following.
`./dev demo --sidecar` calls this with RHEI_BUILD (a build).

    demo_sidecar.py [--seconds N] [--scale N] [--rate N]
"""

import argparse
import os
import pathlib
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests" / "e2e"))
import postgres_server  # noqa: E402

# What an administrator does for Rhei, as the guide has it; the history has a key, as every table needs that is followed.
PREPARE = """
ALTER TABLE pgbench_history ADD COLUMN id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY;
CREATE ROLE rhei LOGIN REPLICATION;
GRANT USAGE ON SCHEMA public TO rhei;
GRANT SELECT ON ALL TABLES IN SCHEMA public TO rhei;
CREATE PUBLICATION rhei FOR TABLE pgbench_accounts, pgbench_tellers, pgbench_branches, pgbench_history;
"""
SUMS = """
SELECT (SELECT sum(abalance) FROM pgbench_accounts), (SELECT sum(tbalance) FROM pgbench_tellers),
    (SELECT sum(bbalance) FROM pgbench_branches), (SELECT coalesce(sum(delta), 0) FROM pgbench_history),
    (SELECT count(*) FROM pgbench_history);
"""


def pgbench(server, *arguments):
    return subprocess.Popen([str(postgres_server.DEBIAN / "pgbench"), "-h", "127.0.0.1", "-p", str(server.port), "-U", "postgres",
                             *arguments, "postgres"], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                            text=True, env={"PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8"})


def run_pgbench(server, *arguments):
    load = pgbench(server, *arguments)
    words = load.communicate()[0]
    if load.returncode != 0:
        raise SystemExit(f"demo: pgbench failed: {words}")


def server_sums(server):
    """The five sums and the microseconds that the server took for them, in one line."""
    lines = server.sql("\\timing on\n" + SUMS).splitlines()
    milliseconds = float(lines[1].split()[1])
    return " ".join([*lines[0].split("\t"), str(int(milliseconds * 1000))])


def tell(server, program, seconds, scale, rate):
    config = server.folder / "sidecar.toml"
    config.write_text(f'[sidecar]\nname = "bank"\nsource_type = "postgres"\nmode = "logical"\n'
                      f'source_path = "host=127.0.0.1 port={server.port} user=rhei dbname=postgres"\n')
    print(f"Somebody's database: PostgreSQL {server.version}, {scale * 100000:,} accounts of pgbench, four clients writing for "
          f"{seconds} seconds, {rate:,} transactions in each.\npgbench's history gets a key, as any table needs that is followed row by row; then a role that reads, and a publication. That is all:\n{PREPARE}", flush=True)
    load = pgbench(server, "-n", "-c", "4", "-T", str(seconds), "-R", str(rate))
    try:
        demo = subprocess.Popen([program, config], stdin=subprocess.PIPE, text=True)
        words = load.communicate()[0]
        if load.returncode != 0:
            demo.kill()
            raise SystemExit(f"demo: pgbench failed: {words}")
        try:
            demo.communicate(server_sums(server) + "\n")
        except BrokenPipeError:
            pass  # it has said why it ended
        return demo.wait()
    finally:
        load.kill()
        load.wait()


def main():
    parser = argparse.ArgumentParser(prog="./dev demo --sidecar", description="A PostgreSQL database, followed from the side.")
    parser.add_argument("--seconds", type=int, default=10, help="how long pgbench writes (default 10)")
    parser.add_argument("--scale", type=int, default=10, help="hundred thousands of accounts (default 10)")
    parser.add_argument("--rate", type=int, default=1000, help="transactions a second (default 1,000)")
    options = parser.parse_args()
    if min(options.seconds, options.scale, options.rate) < 1:
        parser.error("--seconds, --scale and --rate begin at 1")
    program = pathlib.Path(os.environ.get("RHEI_BUILD", ROOT / "build")) / "tools" / "demo" / "rhei_demo_sidecar"
    if not program.exists():
        raise SystemExit("demo: there is no built demo: run ./dev demo --sidecar")
    print("Starting a PostgreSQL server and filling it ...", flush=True)
    started = time.monotonic()
    with postgres_server.PostgresServer(15) as server:
        run_pgbench(server, "-i", "-q", "-s", str(options.scale))
        server.sql(PREPARE)
        print(f"... took {time.monotonic() - started:.1f} s.\n", flush=True)
        return tell(server, str(program), options.seconds, options.scale, options.rate)


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
