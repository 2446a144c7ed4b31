"""The network door with clients that nobody here wrote: pyarrow.flight and ADBC's Flight SQL driver."""

import datetime
import decimal
import re
import urllib.request

import adbc_driver_flightsql
import adbc_driver_flightsql.dbapi as dbapi
import adbc_driver_manager
import pyarrow as pa
import pyarrow.flight as flight
import pytest

from flight_door import Sql, any_of, door, message, needs_door, parse
from rh_program import rh  # noqa: F401 (a fixture)

pytestmark = needs_door

ERROR = pa.lib.ArrowException  # of whatever class the status makes it
MANY = "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n WHERE x < {}) "


def rows(cursor, sql, parameters=None):
    cursor.execute(sql, parameters)
    return cursor.fetchall()


def until_built(ask):
    """What is asked of a table that the column store may still be at work on."""
    for _ in range(100):
        try:
            return ask()
        except (ERROR, dbapi.Error) as error:
            assert "OLAP_UNAVAILABLE" in str(error)
    raise AssertionError("the column store doesn't answer")


def test_d1_a_dbapi_connection_asks_writes_and_takes_in(rh):
    with door(rh) as at, dbapi.connect(at.uri, autocommit=True) as connection, connection.cursor() as cursor:
        assert rows(cursor, "INSERT INTO t VALUES (1, 'Ada', 1.5), (2, NULL, -0.5) RETURNING id") == [(1,), (2,)]
        assert rows(cursor, "SELECT * FROM t WHERE id = ?", [2]) == [(2, None, -0.5)]
        assert rows(cursor, "SELECT sum(v), count(*) FROM t") == [(1.0, 2)]
        cursor.executemany("INSERT INTO t VALUES (?, ?, ?)", [(3, "c", 3.0), (4, "d", 4.0)])
        assert cursor.rowcount == 2
        assert cursor.adbc_ingest("made", pa.table({"a": range(100000), "b": [f"n{i}" for i in range(100000)]}), mode="create") == 100000
        assert rows(cursor, "SELECT count(*), sum(a), max(b) FROM made") == [(100000, 4999950000, "n99999")]
        cursor.execute("SELECT a, b FROM made WHERE 0")
        nothing = cursor.fetch_arrow_table()
        assert nothing.num_rows == 0 and nothing.schema.names == ["a", "b"] and nothing.schema.types == [pa.int64(), pa.string()]
        cursor.execute("SELECT a, b FROM made ORDER BY a")
        assert cursor.fetch_arrow_table().column("b")[70000].as_py() == "n70000"


@pytest.mark.parametrize("mode", ["create", "append", "replace", "create_append"])
def test_d1_an_ingest_makes_of_a_table_what_its_mode_says(rh, mode):
    with door(rh) as at, dbapi.connect(at.uri, autocommit=True) as connection, connection.cursor() as cursor:
        new = pa.table({"id": [10, 11], "name": ["x", None], "v": [0.5, 1.5]})
        cursor.execute("INSERT INTO t VALUES (1, 'old', 0)")
        cursor.fetchall()
        if mode == "create":
            with pytest.raises(adbc_driver_manager.Error, match='a table "t" already'):
                cursor.adbc_ingest("t", new, mode=mode)
            assert cursor.adbc_ingest("u", new, mode=mode) == 2
        else:
            assert cursor.adbc_ingest("t", new, mode=mode) == 2
            assert rows(cursor, "SELECT count(*) FROM t") == [(2 if mode == "replace" else 3,)]


def test_d1_a_transaction_of_dbapi_is_one(rh):
    with door(rh) as at, dbapi.connect(at.uri) as connection, dbapi.connect(at.uri, autocommit=True) as other:
        with connection.cursor() as cursor, other.cursor() as outside:
            cursor.execute("INSERT INTO t VALUES (1, 'mine', 0)")
            cursor.fetchall()
            assert rows(cursor, "SELECT count(*) FROM t") == [(1,)] and rows(outside, "SELECT count(*) FROM t") == [(0,)]
            connection.rollback()
            assert rows(cursor, "SELECT count(*) FROM t") == [(0,)]
            cursor.execute("INSERT INTO t VALUES (2, 'mine', 0)")
            cursor.fetchall()
            connection.commit()
            assert rows(outside, "SELECT id FROM t") == [(2,)]


def test_d1_queries_of_an_open_transaction_have_the_column_store(rh):
    """Until it writes: a DB-API connection has one open all the time."""
    with door(rh) as at, dbapi.connect(at.uri) as connection, connection.cursor() as cursor:
        sql = Sql(at.client())
        sql.update(MANY.format(20000) + "INSERT INTO t SELECT x, 'name ' || x, x / 2.0 FROM n")
        asked = flight.FlightCallOptions(headers=[(b"x-rhei-route", b"olap")], timeout=60)
        transaction = sql.begin()
        found = until_built(lambda: Sql(at.client(), asked).query("SELECT sum(id) AS s FROM t", transaction))
        assert found.column("s").to_pylist() == [200010000] and found.schema.metadata[b"rhei.route"] == b"olap"
        sql.update("DELETE FROM t WHERE id > 10", transaction)
        assert sql.query("SELECT count(*) AS n FROM t", transaction).schema.metadata[b"rhei.route"] == b"oltp"
        with pytest.raises(ERROR, match="OLAP_UNAVAILABLE"):
            Sql(at.client(), asked).query("SELECT sum(id) FROM t", transaction)
        sql.end(transaction, False)
        assert rows(cursor, "SELECT count(*) FROM t") == [(20000,)]


def test_d1_savepoints_and_ingest_within_a_transaction(rh):
    with door(rh) as at:
        sql = Sql(at.client())
        transaction = sql.begin()
        sql.update("INSERT INTO t VALUES (1, 'a', 0)", transaction)
        first = sql.sql_action("BeginSavepoint", f1=transaction, f2="first")[0][1][0]
        assert sql.put("CommandStatementIngest", pa.table({"id": [2, 3]}), f1=message(f1=2, f2=2), f2="t", f6=transaction)[1] == [2]
        second = sql.sql_action("BeginSavepoint", f1=transaction, f2="second")[0][1][0]
        sql.update("DELETE FROM t", transaction)
        assert sql.query("SELECT count(*) AS n FROM t", transaction).column("n").to_pylist() == [0]
        sql.sql_action("EndSavepoint", f1=second, f2=2)
        assert sql.query("SELECT count(*) AS n FROM t", transaction).column("n").to_pylist() == [3]
        sql.sql_action("EndSavepoint", f1=second, f2=1)
        with pytest.raises(ERROR, match="no such savepoint"):
            sql.sql_action("EndSavepoint", f1=second, f2=1)
        sql.sql_action("EndSavepoint", f1=first, f2=2)
        sql.end(transaction, True)
        assert sql.query("SELECT id FROM t").column("id").to_pylist() == [1]
        with pytest.raises(ERROR, match="no such transaction"):
            sql.update("DELETE FROM t", transaction)


def test_d1_a_transaction_that_was_rolled_back_runs_nothing_more(rh):
    with door(rh, schema="CREATE TABLE t (id INTEGER PRIMARY KEY ON CONFLICT ROLLBACK)") as at:
        sql = Sql(at.client())
        transaction = sql.begin()
        sql.update("INSERT INTO t VALUES (1)", transaction)
        with pytest.raises(ERROR, match="CONSTRAINT 23505"):
            sql.update("INSERT INTO t VALUES (1)", transaction)
        with pytest.raises(ERROR, match="rolled back by an error before"):
            sql.update("INSERT INTO t VALUES (2)", transaction)
        with pytest.raises(ERROR, match="nothing was committed"):
            sql.end(transaction, True)
        assert sql.query("SELECT count(*) AS n FROM t").column("n").to_pylist() == [0]


def test_d1_values_keep_what_they_are(rh):
    text = "CREATE TABLE v (id INTEGER PRIMARY KEY, a, b BLOB)"
    with door(rh, schema=text) as at, dbapi.connect(at.uri, autocommit=True) as connection, connection.cursor() as cursor:
        values = [2 ** 63 - 1, -2 ** 63, 0.1, "\u00e4\U0001f600", b"\x00\xff", None]
        for number, value in enumerate(values):
            cursor.executemany("INSERT INTO v VALUES (?, ?, ?)", pa.table({"1": [number], "2": [value], "3": [b"x" * number]}))
        cursor.execute("SELECT a FROM v ORDER BY id")
        column = cursor.fetch_arrow_table().column("a")
        assert pa.types.is_union(column.type) and column.to_pylist() == values
        for value, shown in ((decimal.Decimal("1.50"), "1.50"), (datetime.date(2024, 2, 29), "2024-02-29"), (True, 1)):
            cursor.executemany("INSERT OR REPLACE INTO v VALUES (99, ?, NULL)", pa.table({"1": [value]}))
            assert rows(cursor, "SELECT a FROM v WHERE id = 99") == [(shown,)]


def test_d1_a_prepared_statement_tells_its_schemas(rh):
    with door(rh) as at, dbapi.connect(at.uri, autocommit=True) as connection, connection.cursor() as cursor:
        cursor.adbc_prepare("SELECT id FROM t WHERE name = :name OR id = ?")
        sql = Sql(at.client())
        answer = sql.sql_action("CreatePreparedStatement", f1="SELECT id, v FROM t WHERE name = :name OR id = ?")[0]
        handle, dataset, parameters = answer[1][0], answer[2][0], answer[3][0]
        assert pa.ipc.read_schema(pa.py_buffer(dataset)).names == ["id", "v"]
        schema = pa.ipc.read_schema(pa.py_buffer(parameters))
        assert schema.names == [":name", "2"] and schema.types == [pa.string(), pa.int64()]
        sql.update("INSERT INTO t VALUES (1, 'a', 0), (2, 'b', 0), (3, 'c', 0)")
        for name, number, found in (("a", 3, [1, 3]), ("z", 2, [2])):
            sql.put("CommandPreparedStatementQuery", pa.table({"name": [name], "id": [number]}), f1=handle)
            assert sql.get("CommandPreparedStatementQuery", f1=handle).column("id").to_pylist() == found
        info = sql.info("CommandPreparedStatementQuery", f1=handle)
        sql.put("CommandPreparedStatementQuery", pa.table({"name": ["b"], "id": [0]}), f1=handle)
        with pytest.raises(ERROR, match="other parameters were bound"):
            sql.read(info)
        with pytest.raises(ERROR, match="the statement has 2 parameters, 1 value was given"):
            sql.put("CommandPreparedStatementQuery", pa.table({"name": ["b"]}), f1=handle)
        sql.put("CommandPreparedStatementQuery", pa.table({"name": ["b", "c"], "id": [0, 0]}), f1=handle)
        with pytest.raises(ERROR, match="2 rows of parameters are bound"):
            sql.get("CommandPreparedStatementQuery", f1=handle)
        sql.sql_action("ClosePreparedStatement", f1=handle)
        with pytest.raises(ERROR, match="no such prepared statement"):
            sql.info("CommandPreparedStatementQuery", f1=handle)


def test_d1_statements_in_the_column_stores_own_words_have_parameters(rh):
    with door(rh) as at, dbapi.connect(at.uri, autocommit=True) as connection, connection.cursor() as cursor:
        sql = Sql(at.client())
        sql.update("INSERT INTO t VALUES (1, 'a', 0.5), (2, 'b', 1.5), (3, 'c', 2.5)")
        own = "FROM t SELECT name WHERE id > ? AND v < ? ORDER BY id"
        until_built(lambda: rows(cursor, "FROM t SELECT count(*)"))
        assert rows(cursor, own, [1, 2.0]) == [("b",)]
        assert rows(cursor, "SELECT id FROM t QUALIFY row_number() OVER (ORDER BY v DESC) = ?", [1]) == [(3,)]
        answer = sql.sql_action("CreatePreparedStatement", f1=own)[0]
        assert pa.ipc.read_schema(pa.py_buffer(answer[3][0])).names == ["1", "2"]
        for low, found in ((0, ["a", "b"]), (1, ["b"])):
            sql.put("CommandPreparedStatementQuery", pa.table({"id": [low], "v": [2.0]}), f1=answer[1][0])
            assert sql.get("CommandPreparedStatementQuery", f1=answer[1][0]).column("name").to_pylist() == found
        with pytest.raises(ERROR, match="the statement has 2 parameters, 1 value was given"):
            sql.put("CommandPreparedStatementQuery", pa.table({"id": [0]}), f1=answer[1][0])


def test_d1_what_is_bound_keeps_its_type_whatever_was_told(rh):
    with door(rh, schema="CREATE TABLE loose (a INTEGER, b)") as at:
        sql = Sql(at.client())
        handle = sql.sql_action("CreatePreparedStatement", f1="INSERT INTO loose (b, a) VALUES (?, ?)")[0][1][0]
        kinds = pa.array([0, 1, 2, 3], pa.int8())
        union = pa.UnionArray.from_dense(kinds, pa.array([0] * 4, pa.int32()), [pa.array([7]), pa.array([1.5]), pa.array(["x"]), pa.array([b"\x00"])])
        sql.put("CommandPreparedStatementUpdate", pa.table({"b": union, "a": pa.array([None, 2, 3, None], pa.int16())}), f1=handle)
        sql.put("CommandPreparedStatementUpdate", pa.table({"b": pa.array(["v"], pa.large_string()), "a": pa.array([b"b"])}), f1=handle)
        assert sql.query("SELECT typeof(b) || ' ' || typeof(a) AS kinds FROM loose").column("kinds").to_pylist() == [
            "integer null", "real integer", "text integer", "blob null", "text blob"]


def test_d5_advice_is_for_who_is_at_the_other_end(rh):
    with door(rh) as at:
        sql = Sql(at.client())
        for ask in (sql.query, sql.update, lambda text: sql.sql_action("CreatePreparedStatement", f1=text)):
            with pytest.raises(ERROR, match="another one starts at byte 10; send them one by one, in a transaction where they belong together"):
                ask("SELECT 1; SELECT 2")
        with pytest.raises(ERROR, match="begun and ended by the driver"):
            sql.update("BEGIN")
        with pytest.raises(ERROR, match="begun and ended by the driver"):
            sql.query("COMMIT")


def test_d4_what_is_refused_is_counted_once(rh):
    with door(rh, "--metrics", "127.0.0.1:0") as at:
        metrics = re.match(r"Metrics on (http://\S+)\n", at.process.stdout.readline()).group(1)
        sql = Sql(at.client())

        def errors():
            with urllib.request.urlopen(metrics, timeout=30) as answer:
                return float(re.search(r"^rhei_errors_total (\S+)$", answer.read().decode(), re.M).group(1))

        refused = [lambda: sql.query("SELECT nope"), lambda: sql.query("SELECT * FROM gone"), lambda: sql.query("BEGIN"),
                   lambda: sql.sql_action("CreatePreparedStatement", f1="SELEC 1"), lambda: sql.update("INSERT INTO gone VALUES (1)"),
                   lambda: sql.query("SELECT 1; SELECT 2"), lambda: sql.query("PRAGMA user_version = 7")]
        before = errors()
        for ask in refused:
            with pytest.raises(ERROR):
                ask()
            before += 1
            assert errors() == before
        sql.query("EXPLAIN ROUTE SELECT 1")
        sql.sql_action("CreatePreparedStatement", f1="SELECT * FROM t WHERE id = ?")
        assert errors() == before
        transaction = sql.begin()
        for wrote in (False, True):  # it has no session of the engine's before its first write
            if wrote:
                sql.update("INSERT INTO t VALUES (1, 'a', 0)", transaction)
            texts = ["SELECT nope", "SELECT * FROM gone", "BEGIN", "COMMIT", "SAVEPOINT s", "SELECT 1; SELECT 2"]
            for text in texts if wrote else [*texts, "PRAGMA user_version = 7"]:  # which that session may set
                for ask in (lambda: sql.query(text, transaction), lambda: sql.sql_action("CreatePreparedStatement", f1=text, f2=transaction)):
                    with pytest.raises(ERROR):
                        ask()
                    before += 1
                    assert errors() == before, text
            for text in ("INSERT INTO gone VALUES (1)", "BEGIN", "COMMIT", "ROLLBACK", "SAVEPOINT s"):
                with pytest.raises(ERROR):
                    sql.update(text, transaction)
                before += 1
                assert errors() == before, text
        sql.end(transaction, False)  # which no text ended before
        assert sql.query("SELECT count(*) AS n FROM t").column("n").to_pylist() == [0] and errors() == before


def test_d1_a_write_that_is_fetched_runs_once(rh):
    with door(rh) as at:
        sql = Sql(at.client())
        info = sql.info("CommandStatementQuery", f1="INSERT INTO t VALUES (1, 'a', 0)")
        assert sql.query("SELECT count(*) AS n FROM t").column("n").to_pylist() == [0]
        sql.read(info)
        for _ in range(2):
            with pytest.raises(ERROR, match="ran already"):
                sql.read(info)
        assert sql.query("SELECT count(*) AS n FROM t").column("n").to_pylist() == [1]
        again = sql.info("CommandStatementQuery", f1="SELECT id FROM t")  # a read may be fetched again
        assert sql.read(again) == sql.read(again)


def test_d1_metadata_is_complete(rh):
    text = ("CREATE TABLE parent (a INTEGER, b TEXT NOT NULL, PRIMARY KEY (a, b)) STRICT, WITHOUT ROWID; "
            "CREATE TABLE child (id INTEGER PRIMARY KEY, x INTEGER, y TEXT, FOREIGN KEY (x, y) REFERENCES parent ON DELETE CASCADE ON UPDATE SET NULL); "
            "CREATE TABLE other (p INTEGER REFERENCES child (id)); CREATE VIEW seen AS SELECT a FROM parent; CREATE VIEW broken AS SELECT * FROM gone")
    with door(rh, schema=text) as at, dbapi.connect(at.uri, autocommit=True) as connection:
        sql = Sql(at.client())
        assert sql.get("CommandGetCatalogs").to_pydict() == {"catalog_name": [""]}
        assert sql.get("CommandGetDbSchemas").to_pydict() == {"catalog_name": [""], "db_schema_name": ["main"]}
        assert sql.get("CommandGetDbSchemas", f2="x%").num_rows == 0
        assert sql.get("CommandGetTableTypes").column(0).to_pylist()[:2] == ["TABLE", "VIEW"]
        assert sql.get("CommandGetTables").column("table_name").to_pylist() == ["broken", "child", "other", "parent", "seen"]
        assert sql.get("CommandGetTables", f3="%re%").column("table_name").to_pylist() == ["parent"]
        views = sql.get("CommandGetTables", f4="VIEW", f5=1)
        assert views.column("table_name").to_pylist() == ["broken", "seen"]
        assert sql.get("CommandGetTables", f1="nowhere").num_rows == 0
        schema = pa.ipc.read_schema(pa.py_buffer(sql.get("CommandGetTables", f3="parent", f5=1).column("table_schema")[0].as_py()))
        assert schema.types == [pa.int64(), pa.string()] and [one.nullable for one in schema] == [False, False]
        assert schema.field("b").metadata[b"ARROW:FLIGHT:SQL:TYPE_NAME"] == b"TEXT"
        keys = sql.get("CommandGetPrimaryKeys", f3="parent")
        assert keys.column("column_name").to_pylist() == ["a", "b"] and keys.column("key_sequence").to_pylist() == [1, 2]
        imported = sql.get("CommandGetImportedKeys", f3="child").to_pylist()
        assert [(one["pk_table_name"], one["pk_column_name"], one["fk_column_name"], one["update_rule"], one["delete_rule"]) for one in imported] == [
            ("parent", "a", "x", 2, 0), ("parent", "b", "y", 2, 0)]
        assert sql.get("CommandGetExportedKeys", f3="parent").to_pylist() == imported
        assert sql.get("CommandGetCrossReference", f3="parent", f6="child").to_pylist() == imported
        assert sql.get("CommandGetCrossReference", f3="parent", f6="other").num_rows == 0
        types = sql.get("CommandGetXdbcTypeInfo")
        assert types.column("type_name").to_pylist() == ["BLOB", "INTEGER", "REAL", "TEXT"]
        assert sql.get("CommandGetXdbcTypeInfo", f1=12).column("type_name").to_pylist() == ["TEXT"]
        found = dict(zip(*sql.get("CommandGetSqlInfo").to_pydict().values()))
        assert found[0] == "Rhei" and found[8] == 2 and found[3] is False and "GLOB" in found[508]
        assert dict(zip(*sql.get("CommandGetSqlInfo", f1=b"\x00\x01").to_pydict().values())).keys() == {0, 1}
        with pytest.raises(ERROR, match="SQL info 7777"):
            sql.get("CommandGetSqlInfo", f1=7777)
        every = connection.adbc_get_objects(depth="all").read_all().to_pylist()[0]["catalog_db_schemas"][0]
        assert {one["table_name"]: len(one["table_columns"]) for one in every["db_schema_tables"]} == {
            "broken": 0, "child": 3, "other": 1, "parent": 2, "seen": 1}
        assert connection.adbc_get_table_schema("parent").names == ["a", "b"]
        assert connection.adbc_get_info()["vendor_name"] == "Rhei"


def test_d1_schemas_are_told_before_and_by_get_schema(rh):
    with door(rh, schema="CREATE TABLE s (id INTEGER PRIMARY KEY, n INTEGER NOT NULL) STRICT; CREATE TABLE loose (a)") as at:
        sql = Sql(at.client())
        assert sql.info("CommandStatementQuery", f1="SELECT id, n FROM s").schema.types == [pa.int64(), pa.int64()]
        sql.update("INSERT INTO loose VALUES ('text')")
        told = sql.client.get_schema(flight.FlightDescriptor.for_command(any_of("CommandStatementQuery", f1="SELECT a FROM loose"))).schema
        assert told.names == ["a"]
        assert sql.query("SELECT a FROM loose").schema.types == [pa.string()]
        assert sql.client.get_schema(flight.FlightDescriptor.for_command(any_of("CommandGetCatalogs"))).schema.names == ["catalog_name"]


@pytest.mark.parametrize("codec", ["lz4", "zstd"])
def test_d1_bodies_are_compressed_where_that_is_wished(rh, codec):
    text = "CREATE TABLE t (a INTEGER, b TEXT)"
    with door(rh, schema=text) as at, dbapi.connect(
            at.uri, autocommit=True, db_kwargs={adbc_driver_flightsql.DatabaseOptions.RPC_CALL_HEADER_PREFIX.value + "x-rhei-compression": codec}) as connection:
        Sql(at.client()).update(MANY.format(100000) + "INSERT INTO t SELECT x, 'the same words ' || (x % 10) FROM n")
        with connection.cursor() as cursor:
            cursor.execute("SELECT sum(a), count(b) FROM t")
            assert cursor.fetchall() == [(5000050000, 100000)]
            cursor.execute("SELECT a, b FROM t")
            table = cursor.fetch_arrow_table()
            table.validate(full=True)
            assert table.num_rows == 100000 and table.column("b")[99999].as_py() == "the same words 0"
        wished = flight.FlightCallOptions(headers=[(b"x-rhei-compression", codec.encode())])
        assert Sql(at.client(), wished).query("SELECT a, b FROM t ORDER BY a") == Sql(at.client()).query("SELECT a, b FROM t ORDER BY a")


class Cookies(flight.ClientMiddlewareFactory):
    """As browsers do it."""

    def __init__(self):
        self.jar = {}

    def start_call(self, info):
        return Cookie(self.jar)


class Cookie(flight.ClientMiddleware):
    def __init__(self, jar):
        self.jar = jar

    def sending_headers(self):
        return {"cookie": "; ".join(f"{name}={value}" for name, value in self.jar.items())} if self.jar else {}

    def received_headers(self, headers):
        for value in headers.get("set-cookie", []):
            name, _, rest = value.partition("=")
            if "Max-Age=0" in rest:
                self.jar.pop(name, None)
            else:
                self.jar[name] = rest.split(";")[0]


def session_options(**values):
    return b"".join(message(f1=message(f1=name, f2=message(f1=value))) for name, value in values.items())


def test_d1_a_session_has_options(rh):
    with door(rh) as at:
        cookies = Cookies()
        sql = Sql(at.client(middleware=[cookies]))
        assert sql.action("SetSessionOptions", session_options(route="oltp", freshness="bounded:500", compression="zstd")) == [b""]
        assert sql.query("SELECT count(*) AS n FROM t").schema.metadata[b"rhei.route"] == b"oltp"
        wrong = parse(sql.action("SetSessionOptions", session_options(route="sideways", size="7", freshness="eventual"))[0])[1]
        assert {parse(one)[1][0]: parse(parse(one)[2][0])[1][0] for one in wrong} == {b"route": 2, b"size": 1}
        told = parse(sql.action("GetSessionOptions")[0])[1]
        assert {parse(one)[1][0]: parse(parse(one)[2][0])[1][0] for one in told} == {
            b"route": b"oltp", b"freshness": b"eventual", b"compression": b"zstd"}
        assert parse(sql.action("CloseSession")[0]) == {1: [1]} and cookies.jar == {}
        assert sql.action("GetSessionOptions") == [b""]
        with pytest.raises(ERROR, match='route "sideways" isn\'t auto, oltp or olap'):
            Sql(at.client(), flight.FlightCallOptions(headers=[(b"x-rhei-route", b"sideways")])).query("SELECT 1")


def test_d1_batches_are_capped_by_bytes(rh):
    text = "CREATE TABLE big (id INTEGER PRIMARY KEY, b BLOB, any)"
    with door(rh, schema=text) as at, dbapi.connect(at.uri, autocommit=True) as connection, connection.cursor() as cursor:
        sql = Sql(at.client())
        sql.update(MANY.format(300) + "INSERT INTO big SELECT x, randomblob(200000), iif(x % 2, x, 'text ' || x) FROM n")
        cursor.execute("SELECT * FROM big")  # its Go client refuses 16 MiB
        assert cursor.fetch_arrow_table().num_rows == 300
        sizes = []
        for chunk in sql.client.do_get(sql.info("CommandStatementQuery", f1="SELECT * FROM big").endpoints[0].ticket):
            sizes.append(chunk.data.nbytes)
        assert sum(sizes) > 60000000 and max(sizes) < 4 << 20


def test_d1_a_query_can_be_cancelled(rh):
    endless = MANY.format(10 ** 12) + "SELECT count(*) FROM n"
    with door(rh) as at:
        sql = Sql(at.client())
        info = sql.info("CommandStatementQuery", f1=endless)
        reader = None
        import threading
        failure = []

        def run():
            try:
                sql.read(info)
            except ERROR as error:
                failure.append(str(error))

        thread = threading.Thread(target=run)
        thread.start()
        while "DoGet" not in at.log() and not failure:
            answer = Sql(at.client()).action("CancelFlightInfo", message(f1=info.serialize()))
            assert parse(answer[0]) == {1: [1]}
            thread.join(0.2)
        thread.join(30)
        assert not thread.is_alive() and "CANCELLED" in failure[0], failure
        with pytest.raises(ERROR, match="cancelled"):
            sql.read(info)
        old = sql.info("CommandStatementQuery", f1="SELECT 1")
        assert result_cancel(sql.action("CancelQuery", any_of("ActionCancelQueryRequest", f1=old.serialize())))
        with pytest.raises(ERROR, match="cancelled"):
            sql.read(old)
        del reader


def result_cancel(answers):
    return parse(parse(answers[0])[2][0]) == {1: [1]}
