"""Who may come in at the network door, what a reader may not do, and what is told when something is wrong."""

import re
import socket
import subprocess
import time

import adbc_driver_flightsql.dbapi as dbapi
import pyarrow as pa
import pyarrow.flight as flight
import pytest

from certificates import Authority
from flight_door import Sql, any_of, bearer, door, message, needs_door
from rh_program import BUILD, rh  # noqa: F401 (a fixture)
from tmux_terminal import terminal  # noqa: F401

pytestmark = needs_door
ERROR = pa.lib.ArrowException


def write(rh, name, text, mode=0o600):
    path = rh.folder / name
    path.write_text(text)
    path.chmod(mode)
    return path


def users(rh, **passwords):
    """A file of users; a word behind the password is one of the line."""
    lines = []
    for name, (password, words) in passwords.items():
        line = rh.run("serve", "--make-user", name, input=password + "\n").stdout.strip()
        assert line.startswith(f"{name}:$argon2id$") and password not in line
        lines.append(line + (f":{words}" if words else ""))
    return write(rh, "users", "# who may come in\n\n" + "\n".join(lines) + "\n")


def test_d3_a_password_that_is_typed_is_not_shown(terminal):  # noqa: F811
    make = f"'{BUILD}/tools/rh/rh' serve --make-user ada; stty -a"
    for end, told in (("Enter", "ada:$argon2id$"), ("C-c", "rh: cancelled")):
        one = terminal(make, width=200)
        one.wait("password of ada (not shown):")
        one.type("correct-horse")
        one.keys(end)
        screen = one.wait((told, "iexten", " echo "))
        assert "horse" not in screen and "-echo " not in screen


def refused(rh, *options, words, code=1):
    rh.run("exec", "--db", "a.db", "CREATE TABLE IF NOT EXISTS t (id INTEGER PRIMARY KEY)")
    done = rh.run("serve", "--db", "a.db", *options, code=code)
    assert done.stdout == ""
    for word in words:
        assert word in done.stderr, done.stderr
    return done.stderr


def test_d3_it_does_not_start_where_it_could_be_open(rh):
    ca = Authority(rh.folder, "ca")
    certificate, key = ca.issue("server", "IP:127.0.0.1")
    token = write(rh, "token", "long enough\n".replace(" ", "-"))
    listen = ("--flight", "127.0.0.1:0")
    refused(rh, *listen, words=["neither a token nor a user", "--token-file, --users-file", "--no-auth"])
    refused(rh, "--flight", "0.0.0.0:0", "--no-auth", words=["from other machines", "TLS"])
    refused(rh, "--flight", "0.0.0.0:0", "--token-file", token, words=["certificate is missing", "--tls-cert, --tls-key"])
    refused(rh, "--flight", "[::]:0", "--no-auth", "--tls-cert", certificate, "--tls-key", key, words=["credentials are missing"])
    refused(rh, "--flight", "127.0.0.1.example.org:0", "--no-auth", words=["from other machines"])
    refused(rh, *listen, "--token-file", token, "--no-auth", words=["either there are a token or users"])
    refused(rh, *listen, "--token-file", write(rh, "empty", " \n"), words=["is empty"])
    refused(rh, *listen, "--token-file", write(rh, "short", "abc\n"), words=["at least 8"])
    refused(rh, *listen, "--token-file", "gone", words=["gone", "No such file"])
    refused(rh, *listen, "--users-file", write(rh, "nobody", "# none\n"), words=["no user"])
    secret = "s3cr3t-password"
    assert secret not in refused(rh, *listen, "--users-file", write(rh, "plain", f"ada:{secret}\n"), words=["line 1", "argon2id"])
    refused(rh, *listen, "--token-file", token, "--tls-cert", certificate, words=["the key is missing", "--tls-key"])
    refused(rh, *listen, "--token-file", token, "--tls-cert", "gone.crt", "--tls-key", key, words=["gone.crt", "can't be read"])
    refused(rh, *listen, "--token-file", token, "--tls-cert", write(rh, "bad.crt", "no PEM"), "--tls-key", key, words=["no PEM file"])
    other = ca.issue("other", "IP:127.0.0.1")[1]
    refused(rh, *listen, "--token-file", token, "--tls-cert", certificate, "--tls-key", other, words=["don't belong together"])
    for address in ("127.0.0.1", ":1", "127.0.0.1:x", "127.0.0.1:70000", "unix:/tmp/x", ""):
        refused(rh, "--flight", address, "--no-auth", words=["HOST:PORT"])
    for option in (["--no-auth"], ["--token-file", token], ["--users-file", "gone"], ["--tls-cert", certificate], ["--tls-client-ca", "gone"]):
        refused(rh, *option, words=[f"{option[0]} is for Flight SQL, which needs an address: --flight"])  # without any it is a service without Flight
    refused(rh, "--flight", "127.0.0.1:0", "--no-auth", "--drain", "soon", code=2, words=["--drain"])
    assert not (rh.folder / "new.db").exists()
    assert rh.run("serve", "--db", "new.db", *listen, "--no-auth", code=1).stderr and not (rh.folder / "new.db").exists()


def test_d5_a_port_that_is_taken_is_told(rh):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        refused(rh, "--flight", f"127.0.0.1:{taken.getsockname()[1]}", "--no-auth", words=["port is taken", "CANT_OPEN"])
    rh.run("exec", "--db", "b.db", "CREATE TABLE t (id INTEGER PRIMARY KEY)")
    with door(rh, db="b.db", schema=None) as at:  # of another database: a second server of one is refused for that
        refused(rh, "--flight", f"127.0.0.1:{at.port}", "--no-auth", words=["port is taken"])


def test_d3_only_who_is_known_comes_in(rh):
    token = "a-token-of-some-length"
    path = users(rh, ada=("correct horse", ""), bob=("battery staple", "read_only"))
    with door(rh, auth=("--users-file", path, "--token-file", write(rh, "token", token + "\n"))) as at:
        client = at.client()
        sql = Sql(client, bearer(token))
        sql.update("INSERT INTO t VALUES (1, 'a', 0)")
        pair = client.authenticate_basic_token("ada", "correct horse")
        logged_in = Sql(client, flight.FlightCallOptions(headers=[pair], timeout=60))
        assert logged_in.query("SELECT name FROM t").column(0).to_pylist() == ["a"]
        for name, password in (("ada", "wrong"), ("ada", ""), ("eve", "correct horse"), ("", ""), ("(token)", token), ("bob", "correct horse")):
            with pytest.raises(flight.FlightUnauthenticatedError, match="name or password is wrong"):
                client.authenticate_basic_token(name, password)
        with pytest.raises(flight.FlightUnauthenticatedError, match="takes name and password"):
            client.authenticate_basic_token("ada\0eve", "correct horse")
        changed = pair[1][:-2] + bytes([pair[1][-2] ^ 1]) + pair[1][-1:]
        for header in (None, b"", b"Bearer ", b"Bearer x", b"Bearer " + token[:-1].encode(), b"Bearer " + token.encode() + b"x", token.encode(),
                       b"Basic " + token.encode(), changed, b"Bearer " + b"A" * 5000):
            options = flight.FlightCallOptions(headers=[(b"authorization", header)] if header is not None else [], timeout=30)
            with pytest.raises(flight.FlightUnauthenticatedError):
                Sql(client, options).query("SELECT 1")
            with pytest.raises(flight.FlightUnauthenticatedError):
                Sql(client, options).update("DELETE FROM t")
        assert sql.query("SELECT count(*) AS n FROM t").column(0).to_pylist() == [1]
        with dbapi.connect(at.uri, db_kwargs={"username": "ada", "password": "correct horse"}, autocommit=True) as connection:
            with connection.cursor() as cursor:
                cursor.execute("SELECT 1")
                assert cursor.fetchall() == [(1,)]
        log = at.log()
        assert 'user="ada"' in log and 'user="(token)"' in log and "wrong credentials" in log and "wrong name or password" in log
        for secret in (token, "correct horse", "battery staple", pair[1].decode().split()[1]):
            assert secret not in log
    # a token of one server is none of another's
    with door(rh, auth=("--users-file", path), schema=None) as at:
        with pytest.raises(flight.FlightUnauthenticatedError):
            Sql(at.client(), flight.FlightCallOptions(headers=[pair])).query("SELECT 1")


def test_d3_settings_of_the_file_are_as_good(rh):
    write(rh, "rhei.toml", '[engine]\noltp_path = "a.db"\nflight_listen = "127.0.0.1:0"\nflight_auth_token = "of-the-file-1"\n')
    rh.run("exec", "--config", "rhei.toml", "CREATE TABLE t (id INTEGER PRIMARY KEY)")
    process = rh.start("serve", "--config", "rhei.toml")
    try:
        port = int(process.stdout.readline().rsplit(":", 1)[1])
        client = flight.FlightClient(f"grpc://127.0.0.1:{port}")
        assert Sql(client, bearer("of-the-file-1")).query("SELECT 1 AS x").column(0).to_pylist() == [1]
        with pytest.raises(flight.FlightUnauthenticatedError):
            Sql(client).query("SELECT 1")
        process.terminate()
        output, errors = process.communicate(timeout=60)
        assert process.returncode == 0 and "of-the-file-1" not in errors + output
    finally:
        process.kill()


def test_d3_tickets_and_handles_are_their_users_own(rh):
    path = users(rh, ada=("correct horse", ""), bob=("battery staple", ""))
    with door(rh, auth=("--users-file", path)) as at:
        client = at.client()
        ada, bob = (Sql(client, flight.FlightCallOptions(headers=[client.authenticate_basic_token(name, password)], timeout=60))
                    for name, password in (("ada", "correct horse"), ("bob", "battery staple")))
        info = ada.info("CommandStatementQuery", f1="SELECT 1 AS x")
        ticket = info.endpoints[0].ticket.ticket
        assert b"SELECT" not in ticket
        for wrong in (ticket[:-1], ticket[:30] + bytes([ticket[30] ^ 1]) + ticket[31:], b"", b"x" * 100, ticket + b"x"):
            with pytest.raises(ERROR, match="ticket can't be used"):
                client.do_get(flight.Ticket(wrong), ada.options).read_all()
        with pytest.raises(ERROR, match="ticket can't be used"):
            bob.read(info)
        with pytest.raises(ERROR, match="no such query of this user"):
            bob.action("CancelFlightInfo", message(f1=info.serialize()))
        assert ada.read(info).num_rows == 1
        handle = ada.sql_action("CreatePreparedStatement", f1="SELECT 2")[0][1][0]
        transaction = ada.begin()
        ada.update("INSERT INTO t VALUES (1, 'a', 0)", transaction)
        for use in (lambda: bob.get("CommandPreparedStatementQuery", f1=handle), lambda: bob.update("DELETE FROM t", transaction),
                    lambda: bob.end(transaction, True), lambda: bob.sql_action("BeginSavepoint", f1=transaction, f2="x"),
                    lambda: ada.get("CommandPreparedStatementQuery", f1=transaction), lambda: ada.update("DELETE FROM t", handle)):
            with pytest.raises(ERROR, match="no such"):
                use()
        bob.sql_action("ClosePreparedStatement", f1=handle)
        assert ada.get("CommandPreparedStatementQuery", f1=handle).num_rows == 1
        ada.end(transaction, True)
        assert bob.query("SELECT count(*) AS n FROM t").column(0).to_pylist() == [1]


WRITES = ["INSERT INTO t VALUES (9, 'w', 0)", "INSERT INTO t VALUES (9, 'w', 0) RETURNING id", "UPDATE t SET v = 9", "DELETE FROM t", "DROP TABLE t",
          "CREATE TABLE w (a)", "ALTER TABLE t ADD COLUMN w", "WITH x AS (SELECT 1) DELETE FROM t", "REPLACE INTO t VALUES (1, 'w', 0)", "PRAGMA user_version = 7",
          "PRAGMA journal_mode = DELETE", "VACUUM", "REINDEX", "/* SELECT */ DELETE FROM t", "EXPLAIN SELECT 1; DELETE FROM t", "SELECT 1; DELETE FROM t"]


@pytest.mark.parametrize("whole", [False, True])
def test_d2_who_may_only_read_cannot_write(rh, whole):
    """Neither a user who may not nor a door that may not; by no call and no text."""
    path = users(rh, bob=("battery staple", "" if whole else "read_only"))
    rh.run("exec", "--db", "a.db", "CREATE TABLE t (id INTEGER PRIMARY KEY, name TEXT, v REAL); INSERT INTO t VALUES (1, 'a', 0.5)")
    with door(rh, *(["--read-only"] if whole else []), auth=("--users-file", path), schema=None) as at:
        client = at.client()
        bob = Sql(client, flight.FlightCallOptions(headers=[client.authenticate_basic_token("bob", "battery staple")], timeout=60))
        for text in WRITES:
            ways = [lambda: bob.query(text), lambda: bob.update(text), lambda: bob.query(text, bob.begin()), lambda: bob.update(text, bob.begin()),
                    lambda: bob.get("CommandPreparedStatementQuery", f1=bob.sql_action("CreatePreparedStatement", f1=text)[0][1][0]),
                    lambda: bob.put("CommandPreparedStatementUpdate", f1=bob.sql_action("CreatePreparedStatement", f1=text)[0][1][0])]
            for number, way in enumerate(ways):
                try:
                    way()
                except ERROR as error:
                    assert re.search(r"READ_ONLY|\[SQL |TRANSACTION|BUSY", str(error)), (text, error)
                else:
                    assert whole and text in ("VACUUM", "REINDEX", "PRAGMA journal_mode = DELETE"), (text, number)
        for mode in ((1, 1), (1, 2), (1, 3), (2, 2)):
            with pytest.raises(ERROR, match="READ_ONLY"):
                bob.put("CommandStatementIngest", pa.table({"id": [5]}), f1=message(f1=mode[0], f2=mode[1]), f2="t")
        found = bob.query("SELECT * FROM t").to_pylist()
        assert found == [{"id": 1, "name": "a", "v": 0.5}]
        assert bob.query("PRAGMA user_version").column(0).to_pylist() == [0]
    assert rh.run("query", "--db", "a.db", "--format", "csv", "SELECT count(*) FROM sqlite_schema WHERE name NOT LIKE '\\_rhei%' ESCAPE '\\'").stdout.split()[1] == "1"


def test_d2_no_text_reads_or_writes_a_file_of_the_server(rh):
    write(rh, "secret.txt", "the secret\n")
    secret, made = rh.folder / "secret.txt", rh.folder / "made"
    with door(rh) as at:
        sql = Sql(at.client())
        sql.update("INSERT INTO t VALUES (1, 'a', 0)")
        for text in (f"SELECT * FROM read_csv('{secret}')", f"SELECT * FROM '{secret}'", f"SELECT readfile('{secret}')", f"SELECT writefile('{made}', 'x')",
                     f"COPY t TO '{made}'", f"COPY t FROM '{secret}'", f"SELECT load_extension('{secret}')", f"SELECT * FROM read_text('{secret}')",
                     f"EXPORT DATABASE '{made}'", "INSTALL httpfs", "SET memory_limit = '1GB'", "SELECT * FROM glob('/*')", f"FROM read_blob('{secret}')",
                     f"VACUUM INTO '{made}'", f"ATTACH '{made}' AS other", f"ATTACH '{secret}' AS other",
                     "ATTACH ':memory:' AS other", "ATTACH '' AS other", "DETACH other"):
            for way in (sql.query, sql.update):
                with pytest.raises(ERROR):
                    way(text)
        assert not made.exists()


def test_d3_tls_with_and_without_certificates_of_clients(rh):
    ca, strangers = Authority(rh.folder, "ca"), Authority(rh.folder, "strangers")
    certificate, key = ca.issue("server", "IP:127.0.0.1")
    token = write(rh, "token", "of-some-length\n")
    tls = ("--tls-cert", certificate, "--tls-key", key)
    with door(rh, *tls, auth=("--token-file", token), listen="0.0.0.0:0") as at:
        assert at.scheme == "grpc+tls"
        roots = ca.path.read_bytes()
        assert Sql(at.client(tls_root_certs=roots), bearer("of-some-length")).query("SELECT 1 AS x").num_rows == 1
        with pytest.raises(ERROR):
            Sql(at.client(tls_root_certs=strangers.path.read_bytes()), bearer("of-some-length", 5)).query("SELECT 1")
        with pytest.raises(ERROR):
            Sql(flight.FlightClient(f"grpc://127.0.0.1:{at.port}"), bearer("of-some-length", 5)).query("SELECT 1")
    with door(rh, *tls, "--tls-client-ca", ca.path, auth=("--token-file", token), schema=None) as at:
        own = ca.issue("client")
        foreign = strangers.issue("client")

        def client(pair):
            more = {} if pair is None else {"cert_chain": pair[0].read_bytes(), "private_key": pair[1].read_bytes()}
            return Sql(at.client(tls_root_certs=roots, **more), bearer("of-some-length", 5))

        assert client(own).query("SELECT 1 AS x").num_rows == 1
        for pair in (None, foreign):
            with pytest.raises(ERROR):
                client(pair).query("SELECT 1")


def test_d4_limits_of_rows_and_time_are_kept(rh):
    path = users(rh, ada=("correct horse", "rows=10,seconds=1"))
    with door(rh, "--max-rows", 1000, auth=("--users-file", path)) as at:
        client = at.client()
        ada = Sql(client, flight.FlightCallOptions(headers=[client.authenticate_basic_token("ada", "correct horse")], timeout=60))
        rows = "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n WHERE x < {}) SELECT {} FROM n"
        assert ada.query(rows.format(10, "x")).num_rows == 10
        with pytest.raises(ERROR, match="more rows than the 10"):
            ada.query(rows.format(11, "x"))
        with pytest.raises(ERROR, match="more rows than the 10.*nothing of the statement was kept"):
            ada.query(f"INSERT INTO t (name) {rows.format(11, 'x')} RETURNING id")
        assert ada.query("SELECT count(*) AS n FROM t").column(0).to_pylist() == [0]
        assert ada.query(f"INSERT INTO t (name) {rows.format(10, 'x')} RETURNING id").num_rows == 10
        started = time.monotonic()
        with pytest.raises(ERROR, match="TIMEOUT"):
            ada.query(rows.format(10 ** 12, "count(*)"))
        assert time.monotonic() - started < 20


@pytest.mark.parametrize("name,fields,words", [
    ("CommandStatementQuery", {"f1": "SELEC 1"}, "syntax error \\[SQL 42"),
    ("CommandStatementQuery", {"f1": "SELECT * FROM gone"}, "no such table: gone \\[SQL 42"),
    ("CommandStatementQuery", {"f1": b"SELECT '\xff'"}, "isn't UTF-8"),
    ("CommandStatementQuery", {"f1": b"SELECT 1\x00"}, "isn't UTF-8, or has a NUL"),
    ("CommandStatementQuery", {"f1": "SELECT ?"}, "INVALID|SQL"),
    ("CommandStatementQuery", {"f1": "BEGIN"}, "TRANSACTION"),
    ("CommandStatementQuery", {"f1": "SELECT 1", "f2": b"nonsense"}, "no such transaction"),
    ("CommandStatementQuery", {"f1": 7}, "its bytes are no such message"),
    ("CommandPreparedStatementQuery", {"f1": b""}, "no such prepared statement"),
    ("CommandStatementSubstraitPlan", {"f1": b""}, "no rows to get by CommandStatementSubstraitPlan"),
    ("CommandNobodyKnows", {}, "CommandNobodyKnows"),
])
def test_d5_what_is_wrong_is_told_in_the_users_words(rh, name, fields, words):
    with door(rh) as at:
        with pytest.raises(ERROR, match=words):
            Sql(at.client()).get(name, **fields)
        assert Sql(at.client()).query("SELECT 1 AS x").num_rows == 1


def test_d5_commands_of_others_and_unknown_calls(rh):
    with door(rh) as at:
        client, sql = at.client(), Sql(at.client())
        for command in (b"SELECT 1", b"", b"\xff\xff", message(f1="type.googleapis.com/other.Command", f2=b"")):
            with pytest.raises(ERROR, match="no command of Flight SQL|its bytes are no such message"):
                client.get_flight_info(flight.FlightDescriptor.for_command(command))
        with pytest.raises(ERROR, match="not by a path"):
            client.get_flight_info(flight.FlightDescriptor.for_path("a", "b"))
        with pytest.raises(ERROR, match='no action "Dance"'):
            sql.action("Dance")
        with pytest.raises(ERROR, match="takes ActionBeginTransactionRequest, not ActionBeginSavepointRequest"):
            sql.action("BeginTransaction", any_of("ActionBeginSavepointRequest"))
        with pytest.raises(ERROR, match="isn't said how to end it"):
            sql.sql_action("EndTransaction", f1=sql.begin())
        assert list(client.list_flights()) == []
        with pytest.raises(ERROR, match="DoExchange isn't offered"):
            writer, reader = client.do_exchange(flight.FlightDescriptor.for_command(b"x"))
            writer.done_writing()
            reader.read_all()
        with pytest.raises(ERROR, match="nothing to put by CommandStatementQuery"):
            sql.put("CommandStatementQuery", f1="SELECT 1")
        for definition, words in ((message(f1=0, f2=2), "isn't offered"), (message(f1=2, f2=1), "isn't offered")):
            with pytest.raises(ERROR, match=words):
                sql.put("CommandStatementIngest", pa.table({"id": [1]}), f1=definition, f2="t")
        for fields, words in (({"f2": "t", "f3": "elsewhere"}, "schema main alone"), ({"f2": "t", "f5": 1}, "temporary"), ({"f2": ""}, "name of a table"),
                              ({"f2": "gone", "f1": message(f1=2, f2=2)}, "no table \"gone\"")):
            with pytest.raises(ERROR, match=words):
                sql.put("CommandStatementIngest", pa.table({"id": [1]}), **fields)
        with pytest.raises(ERROR, match='no column "nope"'):
            sql.put("CommandStatementIngest", pa.table({"nope": [1]}), f2="t")
        with pytest.raises(ERROR, match="row 2.*UNIQUE|UNIQUE"):
            sql.put("CommandStatementIngest", pa.table({"id": [1, 1]}), f2="t")
        assert sql.query("SELECT count(*) AS n FROM t").column(0).to_pylist() == [0]


def wait_for(true, seconds=60):
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "it didn't come"
        time.sleep(0.05)


def test_d3_a_certificate_is_changed_while_the_server_runs(rh):
    """And one that can't be used is told and left, while the one before goes on."""
    first, second = Authority(rh.folder, "first"), Authority(rh.folder, "second")
    certificate, key = rh.folder / "server.crt", rh.folder / "server.key"

    def put(pair):
        for source, target in zip(pair, (certificate, key)):
            write(rh, "new", source if isinstance(source, str) else source.read_text()).replace(target)

    def takes(at, authority):
        try:
            return Sql(at.client(tls_root_certs=authority.path.read_bytes()), bearer("of-some-length", 20)).query("SELECT 1 AS x").num_rows == 1
        except ERROR:
            return False

    put(first.issue("server", "IP:127.0.0.1"))
    token = write(rh, "token", "of-some-length\n")
    with door(rh, "--tls-cert", certificate, "--tls-key", key, auth=("--token-file", token)) as at:
        old = Sql(at.client(tls_root_certs=first.path.read_bytes()), bearer("of-some-length"))
        assert old.query("SELECT 1 AS x").num_rows == 1 and not takes(at, second)
        put(second.issue("server", "IP:127.0.0.1"))
        wait_for(lambda: "connections from now on get the new certificate" in at.log())
        assert takes(at, second) and not takes(at, first)
        assert old.query("SELECT 1 AS x").num_rows == 1  # a connection goes on with what it began with
        put((certificate, first.issue("other")[1]))
        wait_for(lambda: "the one before goes on: the certificate or its key is none that can be used, or they don't belong together" in at.log())
        assert takes(at, second)
        certificate.unlink()
        wait_for(lambda: "can't be read: No such file" in at.log())
        assert takes(at, second)


def test_d3_a_secret_that_everybody_can_read_is_told(rh):
    path = users(rh, ada=("correct horse", ""))
    with door(rh, auth=("--users-file", path)) as at:
        assert "can be read by everybody" not in at.log()
    path.chmod(0o644)
    token = write(rh, "token", "of-some-length\n", 0o604)
    with door(rh, auth=("--users-file", path, "--token-file", token), schema=None) as at:
        for file in (path, token):
            assert f"{file} can be read by everybody on this machine: chmod 600" in at.log()


class Trailers(flight.ClientMiddlewareFactory):
    """Keeps the headers of the last call, those of its end among them."""

    def start_call(self, info):
        factory = self

        class Keeps(flight.ClientMiddleware):
            def received_headers(self, headers):
                factory.seen.update(headers)

        self.seen = {}
        return Keeps()


def test_d5_headers_are_told_and_a_slip_in_one_is_refused(rh):
    trailers = Trailers()
    with door(rh, auth=("--token-file", write(rh, "token", "of-some-length\n"))) as at:
        client = at.client(middleware=[trailers])

        def fails(headers, match):
            options = flight.FlightCallOptions(headers=headers, timeout=30)
            with pytest.raises(ERROR, match=match):
                client.get_flight_info(flight.FlightDescriptor.for_command(any_of("CommandStatementQuery", f1="SELECT gone")), options)
            return {name: values[0] for name, values in trailers.seen.items() if name.startswith("x-rhei-")}

        known = (b"authorization", b"Bearer of-some-length")
        assert fails([known], "no such column: gone") == {"x-rhei-status": "SQL", "x-rhei-sqlstate": "42000", "x-rhei-sql-offset": "7"}
        assert fails([], "wants to know who asks") == {"x-rhei-sqlstate": "28000"}
        for name in ("x-rhei-fresh", "x-rhei-routes", "x-rhei-"):
            told = fails([known, (name.encode(), b"latest")], f'no header "{name}": they are x-rhei-freshness' if name != "x-rhei-" else "x-rhei-freshness")
            assert told == {"x-rhei-status": "INVALID", "x-rhei-sqlstate": told["x-rhei-sqlstate"]}


def test_d5_a_machine_without_the_library_is_told(rh, build):
    """And nothing but rh serve needs it."""
    rh.run("exec", "--db", "a.db", "CREATE TABLE t (a)", env={"RHEI_FLIGHT": "/nowhere.so"})
    for path, words in (("/nowhere.so", "/nowhere.so"), (build / "src" / "librhei.so", "another one")):
        done = rh.run("serve", "--db", "a.db", "--flight", "127.0.0.1:0", "--no-auth", env={"RHEI_FLIGHT": str(path)}, code=1)
        assert "gRPC and libsodium" in done.stderr and words in done.stderr
    needed = subprocess.run(["ldd", rh.path], capture_output=True, text=True).stdout
    assert "librhei.so" in needed and "grpc" not in needed and "sodium" not in needed
