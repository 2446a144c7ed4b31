"""The ADBC driver's statements: the cases of the public validation suite for them, written anew, and what Rhei adds."""

import datetime
import decimal
import gc
import itertools
import os
import pathlib
import threading
import time

import adbc_driver_manager
import pyarrow
import pytest
from adbc_driver_manager._reader import AdbcRecordBatchReader

pytestmark = pytest.mark.usefixtures("adbc")


@pytest.fixture
def door(adbc, build):
    with adbc.opened(build) as connection:
        yield connection


@pytest.fixture
def statement(door):
    with adbc_driver_manager.AdbcStatement(door) as made:
        yield made


def table(*names, **columns):
    return pyarrow.table(columns)


# ---- Rows that are taken in. ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind, values, expected", [
    (pyarrow.bool_(), [True, False, None], [1, 0, None]),
    (pyarrow.int8(), [-128, 127, None], None),
    (pyarrow.int16(), [-32768, 32767, None], None),
    (pyarrow.int32(), [-2**31, 2**31 - 1, None], None),
    (pyarrow.int64(), [-2**63, 2**63 - 1, None], None),
    (pyarrow.uint8(), [0, 255, None], None),
    (pyarrow.uint16(), [0, 65535, None], None),
    (pyarrow.uint32(), [0, 2**32 - 1, None], None),
    (pyarrow.uint64(), [0, 2**63 - 1, None], None),
    (pyarrow.float32(), [-1.5, 0.25, None], None),
    (pyarrow.float64(), [1.7976931348623157e308, 5e-324, None], None),
    (pyarrow.string(), ["", "δοκιμή", "a\0b", None], None),
    (pyarrow.large_string(), ["", "x", None], None),
    (pyarrow.string_view(), ["", "longer than twelve bytes", None], None),
    (pyarrow.binary(), [b"", b"\0\1", None], None),
    (pyarrow.large_binary(), [b"", b"x", None], None),
    (pyarrow.binary_view(), [b"", b"longer than twelve bytes", None], None),
    (pyarrow.binary(4), [b"abcd", b"\0\0\0\0", None], None),
    (pyarrow.date32(), [datetime.date(2024, 2, 29), None], ["2024-02-29", None]),
    (pyarrow.timestamp("us"), [datetime.datetime(2024, 2, 29, 12, 30, 0, 500000), None], ["2024-02-29 12:30:00.5", None]),
    (pyarrow.timestamp("s", "UTC"), [datetime.datetime(2024, 2, 29, 12, 30), None], ["2024-02-29 12:30:00+00:00", None]),
    (pyarrow.decimal128(10, 2), [decimal.Decimal("1.10"), None], ["1.10", None]),
    (pyarrow.dictionary(pyarrow.int8(), pyarrow.string()), ["a", "b", "a", None], None),
    (pyarrow.list_(pyarrow.int32()), [[1, 2], [], None], ["[1,2]", "[]", None]),
    (pyarrow.struct([("x", pyarrow.int32())]), [{"x": 1}, None], ['{"x":1}', None]),
    (pyarrow.int32(), [], None),
], ids=lambda part: str(part)[:24] if isinstance(part, pyarrow.DataType) else "")
def test_types_come_back(adbc, door, kind, values, expected):
    given = pyarrow.table({"v": pyarrow.array(values, kind)})
    assert adbc.ingest(door, "t", given) == len(values)
    assert [row[0] for row in adbc.rows(door, "SELECT v FROM t ORDER BY rowid")] == (values if expected is None else expected)


def test_names_are_quoted(adbc, door):
    name = 'a "table"; DROP -- \'x\''
    adbc.ingest(door, name, pyarrow.table({'col"umn': [1], "": [2], "SELECT": [3]}))
    assert adbc.rows(door, 'SELECT * FROM "a ""table""; DROP -- \'x\'"') == [(1, 2, 3)]


def test_modes(adbc, door):
    one, two = pyarrow.table({"x": [1]}), pyarrow.table({"x": [2, 3]})
    assert adbc.failure(adbc.ingest, door, "t", one, "append")[0] == "NOT_FOUND"
    assert adbc.ingest(door, "t", one, "create") == 1
    assert adbc.failure(adbc.ingest, door, "t", one, "create")[0] == "ALREADY_EXISTS"
    assert adbc.ingest(door, "t", two, "append") == 2
    assert adbc.ingest(door, "t", two, "create_append") == 2
    assert adbc.rows(door, "SELECT x FROM t ORDER BY x") == [(1,), (2,), (2,), (3,), (3,)]
    assert adbc.ingest(door, "t", pyarrow.table({"y": ["new"]}), "replace") == 1
    assert adbc.rows(door, "SELECT * FROM t") == [("new",)]
    assert adbc.ingest(door, "made", one, "create_append") == 1
    assert adbc.ingest(door, "made", two, "create_append") == 2


def test_what_does_not_fit_is_refused_whole(adbc, door, statement):
    adbc.update(door, "CREATE TABLE t (x INTEGER PRIMARY KEY)")
    for mode in ["append", "create_append"]:
        assert adbc.failure(adbc.ingest, door, "t", pyarrow.table({"z": [1]}), mode)[0] == "ALREADY_EXISTS"
    name, state, words = adbc.failure(adbc.ingest, door, "t", pyarrow.table({"x": [1, 2, 1]}), "append")
    assert (name, state) == ("INTEGRITY", "23505") and "row 3" in words
    assert adbc.rows(door, "SELECT count(*) FROM t") == [(0,)]
    statement.set_options(**{"adbc.ingest.target_table": "t"})
    assert adbc.failure(statement.execute_update)[0] == "INVALID_STATE"
    name, _, words = adbc.failure(statement.set_options, **{"adbc.ingest.mode": "adbc.ingest.mode.guess"})
    assert name == "INVALID_ARGUMENT" and "adbc.ingest.mode.create_append and rhei.ingest.mode.upsert are" in words, words


def test_a_primary_key_is_left_to_the_table(adbc, door):
    adbc.update(door, "CREATE TABLE t (id INTEGER PRIMARY KEY, x)")
    adbc.ingest(door, "t", pyarrow.table({"x": [31, 32]}), "append")
    adbc.ingest(door, "t", pyarrow.table({"id": [10], "x": [33]}), "append")
    assert adbc.rows(door, "SELECT * FROM t ORDER BY id") == [(1, 31), (2, 32), (10, 33)]
    adbc.ingest(door, "t", pyarrow.table({"id": [10, 11], "x": [0, 1]}), "append", **{"adbc.ingest.mode": "rhei.ingest.mode.upsert"})
    assert adbc.rows(door, "SELECT x FROM t WHERE id >= 10 ORDER BY id") == [(0,), (1,)]


def test_catalog_and_schema_are_chosen(adbc, door):
    one = pyarrow.table({"x": [1]})
    adbc.ingest(door, "t", one, **{"adbc.ingest.target_db_schema": "main", "adbc.ingest.target_catalog": ""})
    adbc.ingest(door, "temporary", one, **{"adbc.ingest.target_db_schema": "temp"})
    assert adbc.rows(door, "SELECT x FROM main.t UNION ALL SELECT x FROM temp.temporary") == [(1,), (1,)]
    assert adbc.failure(adbc.ingest, door, "u", one, **{"adbc.ingest.target_catalog": "x"})[0] == "NOT_FOUND"
    assert adbc.failure(adbc.ingest, door, "u", one, **{"adbc.ingest.target_db_schema": "app"})[0] == "NOT_IMPLEMENTED"
    assert adbc.failure(adbc.ingest, door, "u", one, **{
        "adbc.ingest.temporary": "true", "adbc.ingest.target_db_schema": "main"})[0] == "INVALID_STATE"


@pytest.mark.parametrize("autocommit", [True, False])
def test_temporary_tables(adbc, door, autocommit):
    door.set_autocommit(autocommit)
    temporary = {"adbc.ingest.temporary": "true"}
    adbc.ingest(door, "scratch", pyarrow.table({"x": [1]}), **temporary)
    adbc.ingest(door, "scratch", pyarrow.table({"x": [2]}), "append", **temporary)
    if not autocommit:
        door.commit()
    assert adbc.rows(door, "SELECT x FROM scratch ORDER BY x") == [(1,), (2,)]
    adbc.ingest(door, "scratch", pyarrow.table({"y": [3]}), "replace", **temporary)
    assert adbc.rows(door, "SELECT y FROM scratch") == [(3,)]
    assert adbc.rows(door, "SELECT count(*) FROM sqlite_schema WHERE name = 'scratch'") == [(0,)]
    assert adbc.failure(adbc.ingest, door, "scratch", pyarrow.table({"y": [3]}), "create", **temporary)[0] == "ALREADY_EXISTS"


def test_a_stream_of_many_batches_is_taken_in(adbc, door, statement):
    batches = [pyarrow.record_batch({"x": list(range(i * 1000, i * 1000 + 1000)), "s": [f"row {i}"] * 1000}) for i in range(40)]
    statement.set_options(**{"adbc.ingest.target_table": "t"})
    statement.bind_stream(pyarrow.Table.from_batches(batches).to_reader())
    assert statement.execute_update() == 40000
    assert adbc.rows(door, "SELECT count(*), sum(x), count(DISTINCT s) FROM t") == [(40000, sum(range(40000)), 40)]


def test_another_connection_sees_what_was_taken_in(adbc, build, path):
    with adbc_driver_manager.AdbcDatabase(driver=str(adbc.library(build)), uri=str(path)) as database:
        with adbc_driver_manager.AdbcConnection(database) as first, adbc_driver_manager.AdbcConnection(database) as second:
            adbc.ingest(first, "t", pyarrow.table({"x": [1]}))
            adbc.ingest(second, "t", pyarrow.table({"x": [2]}), "append")
            assert adbc.rows(first, "SELECT sum(x) FROM t") == [(3,)] == adbc.rows(second, "SELECT sum(x) FROM t")


# ---- Prepared, and with parameters. -----------------------------------------------------------------------------------------


def test_parameters_are_described(adbc, door, statement):
    statement.set_sql_query("SELECT ?1, :name, ?")
    statement.prepare()
    schema = adbc.schema(statement.get_parameter_schema())
    assert schema.names == ["?1", ":name", "?3"] and set(schema.types) == {pyarrow.null()}


def test_prepare_without_a_text_is_refused(adbc, statement):
    for call in [statement.prepare, statement.execute_query, statement.execute_update, statement.execute_schema, statement.get_parameter_schema]:
        assert adbc.failure(call)[0] == "INVALID_STATE"


def test_a_wrong_number_of_parameters_is_refused(adbc, door, statement):
    adbc.update(door, "CREATE TABLE t (x)")
    for sql in ["SELECT ?", "INSERT INTO t VALUES (?)"]:
        statement.set_sql_query(sql)
        statement.prepare()
        for bound in [pyarrow.table({"a": [1], "b": [2]}), pyarrow.table({"a": [1, 2], "b": [2, 3]})]:
            adbc.bind(statement, bound)
            name, _, words = adbc.failure(statement.execute_query)
            assert name == "INVALID_ARGUMENT" and "1 parameters" in words
        assert adbc.failure(statement.execute_query)[0] == "INVALID_ARGUMENT"  # nothing is bound any more


def test_a_prepared_question_runs_again_and_again(adbc, door, statement):
    statement.set_sql_query("SELECT 1")
    statement.prepare()
    for _ in range(3):
        assert adbc.read(statement.execute_query()[0]).to_pylist() == [{"1": 1}]
    statement.set_sql_query("SELECT ? AS a, ? AS b")
    statement.prepare()
    for _ in range(3):
        adbc.bind(statement, pyarrow.table({"0": [42, -42, None], "1": ["", None, "bar"]}))
        assert adbc.read(statement.execute_query()[0]).to_pylist() == [
            {"a": 42, "b": ""}, {"a": -42, "b": None}, {"a": None, "b": "bar"}]


def test_a_prepared_write_runs_for_each_row(adbc, door, statement):
    adbc.update(door, "CREATE TABLE t (x)")
    statement.set_sql_query("INSERT INTO t VALUES (?)")
    statement.prepare()
    adbc.bind(statement, pyarrow.table({"x": list(range(2500))}))
    assert statement.execute_update() == 2500
    statement.bind(pyarrow.record_batch({"x": [None]}))
    assert statement.execute_update() == 1
    assert statement.get_option_int("rhei.last_insert_rowid") == 2501
    assert adbc.rows(door, "SELECT count(*), sum(x) FROM t") == [(2501, sum(range(2500)))]
    statement.set_sql_query("INSERT INTO t SELECT 7")
    statement.prepare()
    assert [statement.execute_update() for _ in range(2)] == [1, 1]


def test_every_class_is_bound(adbc, door):
    values = {"i": 2**63 - 1, "r": 0.1, "s": "text\0with", "b": b"\0\xff", "n": None}
    bound = pyarrow.table({name: [value] for name, value in values.items()})
    assert adbc.rows(door, "SELECT ? AS i, ? AS r, ? AS s, ? AS b, ? AS n, typeof(?1), typeof(?2), typeof(?3), typeof(?4), typeof(?5)", bound) == [
        tuple(values.values()) + ("integer", "real", "text", "blob", "null")]


def test_many_questions_have_one_schema(adbc, door):
    adbc.update(door, "CREATE TABLE t (k INTEGER PRIMARY KEY, v TEXT)")
    adbc.update(door, "INSERT INTO t VALUES (?, ?)", pyarrow.table({"k": list(range(3000)), "v": [f"v{k}" for k in range(3000)]}))
    keys = pyarrow.table({"k": [1, 5000, 2, 2]})
    assert adbc.rows(door, "SELECT k, v FROM t WHERE k = ?", keys) == [(1, "v1"), (2, "v2"), (2, "v2")]
    nothing = adbc.query(door, "SELECT k, v FROM t WHERE k = ?", pyarrow.table({"k": pyarrow.array([], pyarrow.int64())}))
    assert nothing.num_rows == 0 and nothing.schema.types == [pyarrow.int64(), pyarrow.string()]
    assert adbc.query(door, "SELECT k FROM t WHERE k < ?", pyarrow.table({"k": [3000] * 40})).num_rows == 120000


def test_returning_gives_rows_once(adbc, door):
    adbc.update(door, "CREATE TABLE t (id INTEGER PRIMARY KEY, x)")
    assert adbc.rows(door, "INSERT INTO t (x) VALUES (?) RETURNING id, x", pyarrow.table({"x": [5]})) == [(1, 5)]
    assert adbc.rows(door, "SELECT count(*) FROM t") == [(1,)]
    assert adbc.rows(door, "INSERT INTO t (x) VALUES (?) RETURNING id, x", pyarrow.table({"x": [6, 7]})) == [(2, 6), (3, 7)]
    assert adbc.rows(door, "SELECT count(*) FROM t") == [(3,)]
    adbc.update(door, "CREATE UNIQUE INDEX one ON t (x)")
    assert adbc.failure(adbc.rows, door, "INSERT INTO t (x) VALUES (?) RETURNING id", pyarrow.table({"x": [8, 5]}))[0] == "INTEGRITY"
    assert adbc.rows(door, "SELECT count(*) FROM t") == [(3,)]


# ---- Questions. -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("sql, kind, value", [("SELECT 42", pyarrow.int64(), 42), ("SELECT 1.5", pyarrow.float64(), 1.5),
                                              ("SELECT 'SaShiSuSeSo'", pyarrow.string(), "SaShiSuSeSo"), ("SELECT x'00'", pyarrow.binary(), b"\0")])
def test_questions_and_their_schemas(adbc, door, statement, sql, kind, value):
    for text in [sql, sql + ";", sql + ";;;", sql + " ; -- the end", "/* first */ " + sql]:
        answer = adbc.query(door, text)
        assert answer.column(0).to_pylist() == [value] and answer.schema.types == [kind]
    statement.set_sql_query(sql)
    assert adbc.schema(statement.execute_schema()).types == [kind]


def test_an_empty_answer_has_its_schema(adbc, door):
    adbc.update(door, "CREATE TABLE t (i INTEGER, r REAL, s TEXT, b BLOB)")
    answer = adbc.query(door, "SELECT * FROM t WHERE 1 = 0")
    assert answer.num_rows == 0 and answer.schema.types == [pyarrow.int64(), pyarrow.float64(), pyarrow.string(), pyarrow.binary()]
    for text in ["", " ", "-- nothing", ";"]:
        assert adbc.query(door, text).num_columns == 0


def test_d5_wrong_texts_say_what_and_where(adbc, door, statement):
    for sql in ["SELEC 1", "SELECT * FROM none", "SELECT", "SELECT 1; SELECT 2"]:
        calls = [statement.prepare, statement.execute_query, statement.execute_schema]
        for call in calls + ([] if ";" in sql else [statement.execute_update]):
            statement.set_sql_query(sql)
            name, state, _ = adbc.failure(call)
            assert (name, state[:2]) == ("INVALID_ARGUMENT", "42"), sql
    statement.set_sql_query("SELECT 1,\nFROM nowhere")
    with pytest.raises(adbc_driver_manager.ProgrammingError) as caught:
        statement.prepare()
    details = dict((key if isinstance(key, str) else key.decode(), value) for key, value in caught.value.details)
    assert details["rhei.status"] == b"SQL" and int(details["rhei.sql_offset"]) == 10 and int(details["rhei.engine_code"]) == 1


def test_counts_of_changed_rows(adbc, door, statement):
    adbc.update(door, "CREATE TABLE t (x)")
    assert adbc.update(door, "INSERT INTO t VALUES (1), (2), (3)") == 3
    assert adbc.update(door, "DELETE FROM t WHERE x > 1") == 2
    statement.set_sql_query("UPDATE t SET x = 9")
    stream, count = statement.execute_query()  # as a stream it has no columns
    assert adbc.read(stream).num_columns == 0 and count == 1
    statement.set_sql_query("SELECT * FROM t")
    assert statement.execute_query()[1] == -1
    assert statement.execute_update() == -1


def test_d4_fetching_after_a_statement_without_rows_finds_none(adbc, build):
    """At the end of a stream the driver manager asks for its error; this one isn't the driver's own."""
    with adbc.dbapi(build) as connection, connection.cursor() as cursor:
        for text in ["CREATE TABLE t (x)"] + ["INSERT INTO t VALUES (1)"] * 50:
            cursor.execute(text)
            assert cursor.fetchall() == []
        cursor.execute("SELECT count(*) FROM t")
        assert cursor.fetchall() == [(50,)]


def test_q4_several_statements_are_run_whole_or_not_at_all(adbc, build, door):
    script = "CREATE TABLE t (x); -- a comment; with a semicolon\nINSERT INTO t VALUES (1), (';'); INSERT INTO t VALUES (3)"
    assert adbc.update(door, script) == 3
    name, _, words = adbc.failure(adbc.update, door, "INSERT INTO t VALUES (4); INSERT INTO none VALUES (5)")
    assert name == "INVALID_ARGUMENT" and "statement 2" in words
    assert adbc.rows(door, "SELECT count(*) FROM t") == [(3,)]
    words = adbc.failure(adbc.query, door, "SELECT 1; SELECT 2")[2]
    assert "another one starts at byte 10; a script is run where no rows are asked for (as by executescript() of DB-API)" in words
    with adbc.dbapi(build) as connection, connection.cursor() as cursor:
        cursor.executescript("CREATE TABLE t (x); INSERT INTO t VALUES (1)")
        connection.rollback()
        cursor.executescript("CREATE TABLE t (x); INSERT INTO t VALUES (1)")
        connection.commit()
        cursor.execute("SELECT * FROM t")
        assert cursor.fetchall() == [(1,)]
    door.set_options(**{"adbc.connection.readonly": "true"})
    assert adbc.failure(adbc.update, door, "SELECT 1; INSERT INTO t VALUES (4)")[0] == "UNAUTHORIZED"


def until_built(ask):
    """It is built in the background."""
    deadline = time.monotonic() + 60
    while True:
        try:
            return ask()
        except adbc_driver_manager.ProgrammingError:
            assert time.monotonic() < deadline


def test_routes_and_freshness_are_asked_for(adbc, build):
    with adbc.opened(build, **{"rhei.prefer_olap": "true"}) as door:
        adbc.update(door, "CREATE TABLE t (x INTEGER)")
        adbc.update(door, "INSERT INTO t VALUES (?)", pyarrow.table({"x": list(range(5000))}))

        def asked(**options):
            with adbc_driver_manager.AdbcStatement(door) as statement:
                statement.set_sql_query("SELECT x % 7 AS k, count(*) FROM t GROUP BY k ORDER BY k")
                statement.set_options(**options)
                answer = adbc.read(statement.execute_query()[0])
                assert sum(answer.column(1).to_pylist()) == 5000
                return answer.schema.metadata[b"rhei.route"]

        assert asked(**{"rhei.route": "oltp"}) == b"oltp"
        assert until_built(lambda: asked(**{"rhei.route": "olap", "rhei.freshness": "latest"})) == b"olap"
        assert asked(**{"rhei.freshness": "latest"}) == b"olap"
        with adbc_driver_manager.AdbcStatement(door) as statement:
            statement.set_options(**{"rhei.strings": "view"})
            statement.set_sql_query("SELECT 'a longer text than twelve' AS s FROM t LIMIT 1")
            assert adbc.read(statement.execute_query()[0]).schema.types == [pyarrow.string_view()]


def test_statements_in_the_column_stores_own_words_have_parameters(adbc, build):
    with adbc.opened(build, **{"rhei.prefer_olap": "true"}) as door:
        adbc.update(door, "CREATE TABLE t (id INTEGER PRIMARY KEY, s TEXT)")
        adbc.update(door, "INSERT INTO t VALUES (?, ?)", pyarrow.table({"id": [1, 2, 3], "s": ["a", "b", "c"]}))
        own = "FROM t SELECT s WHERE id > ? AND id < ? ORDER BY id"
        assert until_built(lambda: adbc.rows(door, "FROM t SELECT count(*)")) == [(3,)]
        assert adbc.rows(door, own, pyarrow.table({"low": [0], "high": [3]})) == [("a",), ("b",)]
        assert adbc.rows(door, own, pyarrow.table({"low": [0, 2], "high": [2, 4]})) == [("a",), ("c",)]  # asked for each row
        with adbc_driver_manager.AdbcStatement(door) as statement:
            statement.set_sql_query("SELECT s FROM t QUALIFY row_number() OVER (ORDER BY id DESC) = $1")
            statement.prepare()
            assert adbc.schema(statement.get_parameter_schema()).names == ["$1"]
        with pytest.raises(adbc_driver_manager.ProgrammingError, match="has 2 parameters"):
            adbc.rows(door, own, pyarrow.table({"low": [0]}))


def test_dialects_of_the_column_store_and_explain_are_answered(adbc, door):
    adbc.update(door, "CREATE TABLE t (x INTEGER)")
    assert dict(adbc.rows(door, "EXPLAIN ROUTE SELECT * FROM t"))["route"] in ("oltp", "olap")
    adbc.update(door, "PRAGMA user_version = 7")
    assert adbc.rows(door, "PRAGMA user_version") == [(7,)]


# ---- Answers among themselves. ----------------------------------------------------------------------------------------------


SERIES = "WITH RECURSIVE n(x) AS (SELECT {0} UNION ALL SELECT x + 1 FROM n WHERE x < {1}) SELECT x FROM n"


def reader(statement):
    handle, _ = statement.execute_query()
    return pyarrow.RecordBatchReader._import_from_c(handle.address)


def test_answers_do_not_disturb_one_another(adbc, door):
    with adbc_driver_manager.AdbcStatement(door) as first, adbc_driver_manager.AdbcStatement(door) as second:
        first.set_sql_query(SERIES.format(1, 200000))
        second.set_sql_query(SERIES.format(1001, 201000))
        one, two = reader(first), reader(second)
        assert one.read_next_batch().column(0)[0].as_py() == 1
        assert two.read_next_batch().column(0)[0].as_py() == 1001
        assert sum(batch.num_rows for batch in one) + sum(batch.num_rows for batch in two) > 200000


def test_an_answer_outlives_the_next_one_of_its_statement(adbc, door, statement):
    statement.set_sql_query(SERIES.format(1, 200000))
    before = reader(statement)
    after = reader(statement)
    assert after.read_all().num_rows == 200000 == before.read_all().num_rows


def test_an_answer_outlives_statement_and_connection(adbc, build):
    with adbc_driver_manager.AdbcDatabase(driver=str(adbc.library(build)), uri=":memory:") as database:
        with adbc_driver_manager.AdbcConnection(database) as door:
            with adbc_driver_manager.AdbcStatement(door) as statement:
                statement.set_sql_query(SERIES.format(1, 200000))
                answer = reader(statement)
                # the manager's objects refuse to be closed before their children; the driver's don't
                first = answer.read_next_batch()
    assert first.num_rows + answer.read_all().num_rows == 200000


def test_batches_keep_the_database(adbc, build, path):
    with adbc.opened(build, path, **{"rhei.prefer_olap": "true"}) as door:
        adbc.ingest(door, "t", pyarrow.table({"x": list(range(100000)), "s": [f"text {x}" for x in range(100000)]}))
        with adbc_driver_manager.AdbcStatement(door) as statement:
            statement.set_options(**{"rhei.strings": "view"})
            statement.set_sql_query("SELECT x, s FROM t")
            answer = adbc.read(statement.execute_query()[0])
    column = answer.column(1)
    del answer
    assert column[99999].as_py() == "text 99999" and len(set(column.to_pylist())) == 100000


def open_files(path):
    return [link for link in (pathlib.Path("/proc/self/fd") / name for name in os.listdir("/proc/self/fd"))
            if link.is_symlink() and os.readlink(link).startswith(str(path))]


def test_the_database_closes_with_its_last_batch(adbc, build, path):
    with adbc.opened(build, path) as door:
        adbc.ingest(door, "t", pyarrow.table({"x": [1, 2, 3]}))
        kept = adbc.query(door, "SELECT x FROM t").column(0).chunk(0)
    assert open_files(path)
    assert kept.to_pylist() == [1, 2, 3]
    del kept
    gc.collect()
    assert open_files(path) == []


def test_nothing_is_read_ahead_without_need(adbc, door, statement):
    """A question without an end is answered as far as it is asked."""
    statement.set_sql_query("WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n) SELECT CAST(x AS INTEGER) AS x, random() FROM n")
    answer = reader(statement)
    assert answer.read_next_batch().num_rows > 0
    answer.close()


# ---- Transactions. ----------------------------------------------------------------------------------------------------------


@pytest.fixture
def pair(adbc, build, path):
    with adbc_driver_manager.AdbcDatabase(driver=str(adbc.library(build)), uri=str(path), **{"rhei.busy_timeout_ms": "200"}) as database:
        with adbc_driver_manager.AdbcConnection(database) as writer, adbc_driver_manager.AdbcConnection(database) as other:
            adbc.update(writer, "CREATE TABLE t (x)")
            writer.set_autocommit(False)
            yield writer, other


def test_own_writes_are_seen_by_oneself_alone(adbc, pair):
    writer, other = pair
    adbc.update(writer, "INSERT INTO t VALUES (1)")
    adbc.ingest(writer, "t", pyarrow.table({"x": [2, 3]}), "append")
    adbc.ingest(writer, "made", pyarrow.table({"x": [4]}))
    assert adbc.rows(writer, "SELECT sum(x) FROM t") == [(6,)] and adbc.rows(other, "SELECT count(*) FROM t") == [(0,)]
    assert adbc.failure(adbc.rows, other, "SELECT * FROM made")[0] == "INVALID_ARGUMENT"
    writer.commit()
    assert adbc.rows(other, "SELECT sum(x) FROM t") == [(6,)] and adbc.rows(other, "SELECT x FROM made") == [(4,)]


def test_a_rollback_takes_back_everything(adbc, pair):
    writer, other = pair
    adbc.update(writer, "INSERT INTO t VALUES (1)")
    adbc.ingest(writer, "made", pyarrow.table({"x": [4]}))
    writer.rollback()
    assert adbc.rows(writer, "SELECT count(*) FROM t") == [(0,)]
    assert adbc.failure(adbc.rows, writer, "SELECT * FROM made")[0] == "INVALID_ARGUMENT"


def test_a_failure_leaves_the_transaction_as_it_was(adbc, pair):
    writer, other = pair
    adbc.update(writer, "CREATE UNIQUE INDEX one ON t (x)")
    adbc.update(writer, "INSERT INTO t VALUES (1)")
    for call in [lambda: adbc.update(writer, "INSERT INTO t VALUES (2), (1)"), lambda: adbc.ingest(writer, "t", pyarrow.table({"x": [3, 1]}), "append"),
                 lambda: adbc.update(writer, "INSERT INTO t VALUES (?)", pyarrow.table({"x": [4, 1]}))]:
        assert adbc.failure(call)[0] == "INTEGRITY"
    writer.commit()
    assert adbc.rows(other, "SELECT x FROM t") == [(1,)]


def test_questions_hold_up_nobody(adbc, pair):
    """A transaction begins with its first write: who only asks makes no writer wait, and sees what others commit."""
    reads, other = pair
    assert adbc.rows(reads, "SELECT count(*) FROM t") == [(0,)]
    adbc.update(other, "INSERT INTO t VALUES (1)")
    assert adbc.rows(reads, "SELECT count(*) FROM t") == [(1,)]
    reads.rollback()
    reads.set_options(**{"adbc.connection.transaction.isolation_level": "adbc.connection.transaction.isolation.serializable"})
    assert adbc.rows(reads, "SELECT count(*) FROM t") == [(1,)]  # and with a stricter level it begins here
    assert adbc.failure(adbc.update, other, "INSERT INTO t VALUES (2)")[0] == "IO"
    reads.commit()
    adbc.update(other, "INSERT INTO t VALUES (2)")


def test_an_answer_of_a_transaction_survives_what_comes_next(adbc, pair):
    writer, other = pair
    adbc.update(writer, "INSERT INTO t " + SERIES.format(1, 150000))
    with adbc_driver_manager.AdbcStatement(writer) as statement:
        statement.set_sql_query("SELECT x FROM t ORDER BY x")
        answer = reader(statement)
        assert answer.read_next_batch().column(0)[0].as_py() == 1
        assert adbc.update(writer, "DELETE FROM t") == 150000
        writer.commit()
        rest = answer.read_all().column(0).to_pylist()
    assert rest[-1] == 150000 and len(rest) == rest[-1] - rest[0] + 1


def test_q7_any_order_of_statements_is_what_a_list_would_be(adbc, pair, rng):
    """Writes, rows taken in, failures, commits and rollbacks, against two lists: what is committed, and what the writer sees."""
    writer, other = pair
    adbc.update(writer, "CREATE TABLE u (x INTEGER PRIMARY KEY)")
    writer.commit()
    committed, own, autocommit, following = [], [], False, itertools.count(1)

    def written():
        nonlocal committed
        if autocommit:
            committed = list(own)

    for _ in range(250):
        step = rng.choice(["insert", "many", "ingest", "wrong", "delete", "commit", "rollback", "toggle", "look", "look"])
        values = [next(following) for _ in range(rng.choice([1, 3, 1200]))]
        if step == "insert":
            adbc.update(writer, f"INSERT INTO u VALUES ({values[0]})")
            own.append(values[0])
            written()
        elif step in ("many", "ingest"):
            if step == "many":
                adbc.update(writer, "INSERT INTO u VALUES (?)", pyarrow.table({"x": values}))
            else:
                adbc.ingest(writer, "u", pyarrow.table({"x": values}), "append")
            own += values
            written()
        elif step == "wrong" and own:
            table = pyarrow.table({"x": values + [rng.choice(own)]})
            call = rng.choice([lambda: adbc.ingest(writer, "u", table, "append"), lambda: adbc.update(writer, "INSERT INTO u VALUES (?)", table)])
            assert adbc.failure(call)[0] == "INTEGRITY"
        elif step == "delete" and own:
            gone = own.pop(rng.randrange(len(own)))
            assert adbc.update(writer, f"DELETE FROM u WHERE x = {gone}") == 1
            written()
        elif step == "commit" and not autocommit:
            writer.commit()
            committed = list(own)
        elif step == "rollback" and not autocommit:
            writer.rollback()
            own = list(committed)
        elif step == "toggle":
            autocommit = not autocommit
            writer.set_autocommit(autocommit)
            if autocommit:  # which commits
                committed = list(own)
        else:
            assert adbc.rows(writer, "SELECT count(*) AS n, total(x) AS s FROM u") == [(len(own), sum(own))]
            assert adbc.rows(other, "SELECT count(*) AS n, total(x) AS s FROM u") == [(len(committed), sum(committed))]


def test_transactions_by_text(adbc, door):
    adbc.update(door, "CREATE TABLE t (x)")
    for end, count in [("ROLLBACK", 0), ("COMMIT", 1)]:
        adbc.update(door, "BEGIN")
        adbc.update(door, "INSERT INTO t VALUES (1)")
        adbc.update(door, end)
        assert adbc.rows(door, "SELECT count(*) FROM t") == [(count,)]
    assert adbc.failure(adbc.update, door, "COMMIT")[0] == "INVALID_STATE"
    door.set_autocommit(False)
    for sql in ["SAVEPOINT a", "INSERT INTO t VALUES (2)", "RELEASE a"]:
        adbc.update(door, sql)
    door.rollback()
    assert adbc.rows(door, "SELECT count(*) FROM t") == [(1,)]


# ---- Ends. ------------------------------------------------------------------------------------------------------------------


ENDLESS = "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n) SELECT count(*) FROM n"


@pytest.mark.parametrize("who", ["statement", "connection"])
@pytest.mark.parametrize("autocommit", [True, False])
def test_q5_another_thread_cancels(adbc, door, statement, who, autocommit):
    door.set_autocommit(autocommit)
    if not autocommit:
        adbc.update(door, "CREATE TABLE t (x)")
    threading.Timer(0.3, {"statement": statement, "connection": door}[who].cancel).start()
    statement.set_sql_query(ENDLESS)
    started = time.monotonic()
    assert adbc.failure(lambda: adbc.read(statement.execute_query()[0]))[:2] == ("CANCELLED", "57014")
    assert time.monotonic() - started < 60
    statement.set_sql_query("SELECT 1")
    assert adbc.read(statement.execute_query()[0]).num_rows == 1


@pytest.mark.parametrize("how", ["statement", "rows", "time"])
def test_q5_a_wait_for_another_writer_is_ended(adbc, build, path, how):
    with adbc_driver_manager.AdbcDatabase(driver=str(adbc.library(build)), uri=str(path), **{"rhei.busy_timeout_ms": "120000"}) as database:
        with adbc_driver_manager.AdbcConnection(database) as holds, adbc_driver_manager.AdbcConnection(database) as waits:
            adbc.update(holds, "CREATE TABLE t (x)")
            holds.set_autocommit(False)
            adbc.update(holds, "INSERT INTO t VALUES (1)")
            waits.set_autocommit(False)
            if how == "time":
                waits.set_options(**{"rhei.timeout_ms": 200})
            else:
                threading.Timer(0.3, waits.cancel).start()
            call = adbc.ingest if how == "rows" else adbc.update
            arguments = ("t", pyarrow.table({"x": [2]}), "append") if how == "rows" else ("INSERT INTO t VALUES (2)",)
            assert adbc.failure(call, waits, *arguments)[0] == ("TIMEOUT" if how == "time" else "CANCELLED")
            holds.commit()
            waits.set_options(**{"rhei.timeout_ms": 0})
            assert adbc.rows(waits, "SELECT x FROM t") == [(1,)]


def test_q5_an_answer_is_cancelled_while_it_is_read(adbc, door, statement):
    statement.set_sql_query("WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n) SELECT CAST(x AS INTEGER) AS x, random() FROM n")
    handle, _ = statement.execute_query()
    answer = AdbcRecordBatchReader._import_from_c(handle.address)  # which asks the driver for the error of a stream
    answer.read_next_batch()
    statement.cancel()
    with pytest.raises(adbc_driver_manager.OperationalError) as caught:
        while True:
            answer.read_next_batch()
    assert caught.value.sqlstate == "57014" and caught.value.status_code == adbc_driver_manager.AdbcStatusCode.CANCELLED
    answer.close()


def test_q5_time_is_limited(adbc, door, statement):
    statement.set_options(**{"rhei.timeout_ms": 200})
    statement.set_sql_query(ENDLESS)
    assert adbc.failure(lambda: adbc.read(statement.execute_query()[0]))[0] == "TIMEOUT"


def test_cancelling_nothing_is_no_failure(door, statement):
    door.cancel()
    statement.cancel()
