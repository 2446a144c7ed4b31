"""The Python package as a program sees it: values, answers, sessions, changes, settings and errors. Built, not installed."""

import datetime
import decimal
import gc
import os
import sqlite3
import subprocess
import sys
import threading
import time
import uuid

import pytest

from python_package import rhei  # noqa: F401 (fixture)

pa = pytest.importorskip("pyarrow")


@pytest.fixture
def db(rhei, path):
    with rhei.connect(path) as database:
        database.execute("CREATE TABLE orders (id INTEGER PRIMARY KEY, customer TEXT, amount REAL)")
        database.execute_batch("INSERT INTO orders (customer, amount) VALUES (?, ?)", [("Ada", 9.5), ("Bob", 20.0), ("Ada", 0.25)])
        yield database


VALUES = [
    (None, None), (True, 1), (False, 0), (7, 7), (-2**63, -2**63), (2**63 - 1, 2**63 - 1), (1.5, 1.5), (float("inf"), float("inf")),
    (float("nan"), None), ("", ""), ("né \U0001f600\0x", "né \U0001f600\0x"), (b"", b""), (b"a\0b", b"a\0b"), (bytearray(b"xy"), b"xy"),
    (memoryview(b"abcd")[::2], b"ac"), (datetime.date(2024, 2, 29), "2024-02-29"),
    (datetime.datetime(2024, 2, 29, 12, 30, 0, 500000), "2024-02-29 12:30:00.5"),
    (datetime.datetime(2024, 2, 29, 12, 30, tzinfo=datetime.timezone(datetime.timedelta(hours=2))), "2024-02-29 10:30:00+00:00"),
    (datetime.time(1, 2, 3), "01:02:03"), (decimal.Decimal("1234567890123456789.10"), "1234567890123456789.10"),
    (decimal.Decimal("1E+3"), "1000"), (uuid.UUID(int=5), "00000000-0000-0000-0000-000000000005"),
]


@pytest.mark.parametrize("given, stored", VALUES, ids=[f"{number}-{type(value).__name__}" for number, (value, _) in enumerate(VALUES)])
def test_values_go_in_and_come_out(db, given, stored):
    for answer in (db.query("SELECT ?", (given,)), db.query("SELECT :v", {"v": given}), db.query("SELECT @v", {"@v": given})):
        value = answer.fetchall()[0][0]
        assert (value, type(value)) == (stored, type(stored))
    value, = next(db.rows("SELECT ?", [given]))
    assert (value, type(value)) == (stored, type(stored))
    db.execute("CREATE TABLE kept (v)")
    db.execute_batch("INSERT INTO kept VALUES (?)", [(given,)] * 3)
    assert db.query("SELECT v FROM kept").fetchall() == [(stored,)] * 3


def test_values_that_cannot_be_stored_are_told(rhei, db):
    for value in (2**63, -2**63 - 1, 10**1000):
        with pytest.raises(OverflowError, match="64 bits") as told:
            db.query("SELECT ?", (value,))
        assert isinstance(told.value, rhei.DataError) and told.value.code == "TOO_BIG"
    with pytest.raises(rhei.SurrogateError, match="place 1"):
        db.execute("INSERT INTO orders (customer) VALUES (?)", ("a\ud800",))
    for value in (object(), [1], {}, decimal.Decimal("NaN"), datetime.time(1, tzinfo=datetime.timezone.utc)):
        with pytest.raises(rhei.ValueTypeError):
            db.query("SELECT ?", (value,))
    for params in ("abc", b"abc", 7, {1: 2}):
        with pytest.raises(rhei.InterfaceError):
            db.query("SELECT ?", params)
    with pytest.raises(rhei.InvalidError, match="row 2 has 1"):
        db.execute_batch("INSERT INTO orders VALUES (?, ?, ?)", [(1, 2, 3), (1,)])
    with pytest.raises(rhei.InvalidError):
        db.query("SELECT ?, ?", (1,))
    assert db.query("SELECT count(*) FROM orders").scalar() == 3


def test_scalars_of_numpy_are_numbers(db):
    numpy = pytest.importorskip("numpy")
    given = [numpy.int64(5), numpy.float32(0.5), numpy.bool_(True), numpy.str_("x"), numpy.uint8(200)]
    assert db.query("SELECT ?, ?, ?, ?, ?", given).fetchall() == [(5, 0.5, 1, "x", 200)]


def test_text_that_is_not_utf8_is_bytes(db):
    sql = "SELECT CAST(x'ff61' AS TEXT)"
    assert db.query(sql).fetchall() == list(db.rows(sql)) == [(b"\xffa",)]


def test_columns_of_several_classes_keep_each_value(db):
    db.execute("CREATE TABLE mixed (v)")
    values = [1, 2.5, "x", b"y", None]
    db.execute_batch("INSERT INTO mixed VALUES (?)", [(value,) for value in values])
    result = db.query("SELECT v FROM mixed ORDER BY rowid")
    assert result.columns[0] == ("v", "mixed")
    assert [row[0] for row in result] == values
    assert db.query("SELECT v FROM mixed ORDER BY rowid").arrow().column(0).to_pylist() == values


def test_an_answer_is_read_in_many_ways(rhei, db):
    sql = "SELECT id, customer, amount FROM orders ORDER BY id"
    rows = [(1, "Ada", 9.5), (2, "Bob", 20.0), (3, "Ada", 0.25)]
    result = db.query(sql)
    assert result.column_names == ["id", "customer", "amount"] and [column.type for column in result.columns] == ["integer", "text", "real"]
    assert result.fetchone() == rows[0] and result.fetchmany(1) == rows[1:2] and result.fetchall() == rows[2:]
    assert result.fetchone() is None and result.fetchall() == [] and result.fetchmany(0) == []
    assert list(db.query(sql)) == rows and db.query(sql).dicts()[1]["customer"] == "Bob"
    assert db.query("SELECT 1 WHERE 0").scalar() is None
    table = db.query(sql).arrow()
    assert table.schema.metadata[b"rhei.route"] in (b"oltp", b"olap") and table.to_pydict()["amount"] == [9.5, 20.0, 0.25]
    assert pa.table(db.query(sql)).num_rows == 3
    with db.query(sql).reader() as reader:
        assert reader.read_next_batch().num_rows == 3
    begun = db.query(sql)
    begun.fetchone()
    assert begun.arrow().num_rows == 2 and begun.arrow() is begun.arrow()
    assert begun.df().shape == (2, 3) and begun.pl().shape == (2, 3)
    frame = db.query(sql, views=True).pl()
    assert frame["customer"].to_list() == ["Ada", "Bob", "Ada"]
    assert db.query(sql).df()["amount"].sum() == 29.75


def test_duckdb_takes_an_answer(db):
    duckdb = pytest.importorskip("duckdb")
    reader = db.query("SELECT * FROM orders").reader()  # noqa: F841 (DuckDB finds it by its name)
    assert duckdb.sql("SELECT sum(amount) FROM reader").fetchall() == [(29.75,)]


def test_an_answer_is_read_once(rhei, db):
    result = db.query("SELECT * FROM orders")
    pa.table(result)
    with pytest.raises(rhei.InvalidError, match="read once"):
        result.fetchall()
    with pytest.raises(rhei.InvalidError):
        pa.table(result)
    result.close()
    with pytest.raises(rhei.ClosedError):
        result.fetchone()


def test_batches_outlive_the_database(rhei, path):
    db = rhei.connect(path)
    db.execute("CREATE TABLE t (id INTEGER PRIMARY KEY, v TEXT)")
    db.execute_batch("INSERT INTO t VALUES (?, ?)", ((i, f"text number {i}") for i in range(20000)))
    db.initial_sync()
    result = db.query("SELECT id, v FROM t", route="olap", views=True)
    assert result.route == "olap"
    table = result.arrow()
    column = table.column(1)
    del result, table
    db.close()
    with pytest.raises(rhei.ClosedError):
        db.query("SELECT 1")
    gc.collect()
    assert column[19999].as_py() == "text number 19999"
    del column
    gc.collect()
    rhei.connect(path).close()


def test_what_a_notebook_shows(rhei, db):
    db.execute_batch("INSERT INTO orders (customer) VALUES (?)", [("<b>",)] * 50)
    result = db.query("SELECT id, customer, NULL AS n, x'00' AS b FROM orders")
    shown = result._repr_html_()
    assert shown.count("<tr>") == 21 and "&lt;b&gt;" in shown and "<i>NULL</i>" in shown and "1 bytes" in shown
    assert "the first 20 rows" in shown and "answered by oltp" in shown and "up to date" in shown
    assert len(result.fetchall()) == 53  # showing reads nothing
    result = db.query("SELECT 1 AS a, 2 AS a")
    result.arrow()
    assert "<td>2</td>" in result._repr_html_() and "read already" not in result._repr_html_()
    done = db.query("SELECT 1")
    pa.table(done)
    assert "read already" in done._repr_html_() and "oltp" in repr(done)


def test_route_freshness_and_time_limits(rhei, db):
    db.initial_sync()
    sql = "SELECT customer, sum(amount) FROM orders GROUP BY customer ORDER BY 1"
    for route in ("auto", "oltp", "olap"):
        result = db.query(sql, route=route, freshness="latest")
        assert result.fetchall() == [("Ada", 9.75), ("Bob", 20.0)] and route in ("auto", result.route) and result.age_us >= 0
    assert db.query(sql, freshness="bounded:1000").position <= db.sync_status().log_position
    assert db.explain_route(sql)["route"] in ("oltp", "olap")
    for wrong in ({"route": "fast"}, {"timeout": 0}, {"timeout": -1}):
        with pytest.raises(rhei.InvalidError):
            db.query(sql, **wrong)
    with pytest.raises(rhei.ConfigError, match="latest, bounded:MS"):
        db.query(sql, freshness="soon")
    endless = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n"
    with pytest.raises(TimeoutError) as told:
        db.query(endless, timeout=0.05).fetchall()
    assert isinstance(told.value, rhei.OperationalError) and told.value.code == "TIMEOUT"
    db.execute_batch("INSERT INTO orders (customer) VALUES (?)", [("x",)] * 500)
    for reading in ("arrow", "df", "pl"):  # more rows than there is time for
        with pytest.raises(rhei.TimeoutError):
            getattr(db.query("SELECT a.id FROM orders AS a, orders AS b, orders AS c", route="oltp", timeout=0.3), reading)()


@pytest.mark.skipif(os.environ.get("RHEI_BACKEND") == "datafusion", reason="DuckDB's dialect")
def test_the_column_stores_own_types_are_as_pyarrow_makes_them(db):
    db.initial_sync()
    sql = "SELECT [1, 2] AS l, 1.5::DECIMAL(10, 2) AS d, DATE '2024-02-29' AS x"
    row = ([1, 2], decimal.Decimal("1.50"), datetime.date(2024, 2, 29))
    assert db.olap_query(sql).fetchall() == [row] and db.olap_query(sql).fetchone() == row and list(db.olap_query(sql)) == [row]
    result = db.olap_query(sql)
    assert "2024-02-29" in result._repr_html_() and result.fetchall() == [row] and result.fetchall() == []
    assert len(db.query("SUMMARIZE orders").fetchall()) == 3


def test_d5_text_that_is_no_sql_is_told(rhei, db):
    for text in ("SELECT 'a\0b'", "SELECT '\ud800'", b"SELECT 1", None):
        for call in (db.execute, db.query, db.prepare, db.execute_script, db.rows, db.olap_query):
            with pytest.raises(rhei.Error):
                call(text)
    assert db.query("").fetchall() == [] and db.query("-- nothing").columns == ()


def test_another_thread_cancels(rhei, db):
    flag = rhei.Cancel()
    threading.Timer(0.1, flag.cancel).start()
    with pytest.raises(rhei.CancelledError):
        db.query("WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n", cancel=flag).fetchall()
    flag.clear()
    assert db.query("SELECT 1", cancel=flag).scalar() == 1


def test_calls_release_the_gil(rhei, db):
    counted, stop = [0], threading.Event()

    def count():
        while not stop.is_set():
            counted[0] += 1
            time.sleep(0.001)

    thread = threading.Thread(target=count)
    thread.start()
    with pytest.raises(rhei.TimeoutError):
        db.query("WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n", timeout=0.5).fetchall()
    stop.set()
    thread.join()
    assert counted[0] > 10


def test_many_threads_use_one_handle(db):
    failures = []

    def work(number):
        try:
            for i in range(40):
                db.execute("INSERT INTO orders (customer, amount) VALUES (?, ?)", (f"t{number}", i))
                db.query("SELECT count(*) FROM orders WHERE customer = ?", (f"t{number}",)).fetchall()
        except Exception as error:
            failures.append(error)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(6)]
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]
    assert not failures and db.query("SELECT count(*) FROM orders").scalar() == 243


def test_transactions_commit_and_take_back(rhei, db):
    with db.transaction() as tx:
        tx.execute("INSERT INTO orders VALUES (10, 'Eve', 1)")
        assert tx.query("SELECT count(*) FROM orders").scalar() == 4 and db.query("SELECT count(*) FROM orders").scalar() == 3
    with pytest.raises(KeyError):
        with db.transaction(immediate=True) as tx:
            tx.execute("DELETE FROM orders")
            raise KeyError
    assert db.query("SELECT count(*) FROM orders").scalar() == 4
    with db.transaction() as tx:
        with pytest.raises(rhei.ConstraintError):
            with tx.savepoint():
                tx.execute("DELETE FROM orders WHERE id = 1")
                tx.execute("INSERT INTO orders VALUES (10, 'x', 1)")
        tx.execute_batch("INSERT INTO orders (customer) VALUES (?)", [("a",), ("b",)])
    assert db.query("SELECT count(*) FROM orders").scalar() == 6
    with pytest.raises(rhei.ClosedError):
        tx.execute("SELECT 1")
    with pytest.raises(rhei.TransactionError):
        db.execute("BEGIN")


def test_an_open_answer_is_kept_when_its_session_goes_on(db):
    db.execute_batch("INSERT INTO orders (customer) VALUES (?)", [(str(i),) for i in range(100_000)])
    with db.transaction() as tx:
        first = tx.query("SELECT id FROM orders ORDER BY id")
        assert first.fetchone() == (1,)
        handed = tx.query("SELECT id FROM orders ORDER BY id").reader()
        tx.execute("DELETE FROM orders")
        forgotten = tx.query("SELECT 1 UNION ALL SELECT 2")
        del forgotten
        statement = tx.prepare("SELECT ?")
        assert statement.query((5,)).scalar() == 5
    assert len(first.fetchall()) == 100_002 and handed.read_all().num_rows == 100_003
    assert db.query("SELECT count(*) FROM orders").scalar() == 0


def test_one_thread_at_a_time_uses_a_session(rhei, db):
    session = db.session()
    told = []
    endless = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n"

    def ask():
        try:
            session.query(endless, timeout=1).fetchall()
        except rhei.TimeoutError:
            pass

    thread = threading.Thread(target=ask)
    thread.start()
    while thread.is_alive() and not told:
        try:
            session.query("SELECT 1").fetchall()
        except rhei.InvalidError as error:
            told.append(error)
    thread.join()
    assert told and "another thread" in str(told[0])
    session.close()


def test_prepared_statements(rhei, db):
    with db.prepare("SELECT customer FROM orders WHERE id = :id AND amount > ?2") as statement:
        assert statement.parameter_names == (":id", "?2") and statement.column_names == ("customer",) and statement.is_read_only
        for number, customer in ((1, "Ada"), (2, "Bob")):
            assert statement.query((number, 0)).fetchall() == [(customer,)]
    with pytest.raises(rhei.ClosedError):
        statement.query((1, 0))
    insert = db.prepare("INSERT INTO orders (customer) VALUES (?)")
    assert [insert.execute((name,)).last_insert_rowid for name in "xy"] == [4, 5]
    with pytest.raises(rhei.SQLError) as told:
        db.prepare("SELECT 'é', nope")
    assert told.value.where == 12 and told.value.sqlstate == "42000"


def test_returning_and_what_a_write_did(db):
    written = db.execute("UPDATE orders SET amount = 0 WHERE customer = 'Ada'")
    assert written.changes == 2 and written.position > 0
    assert db.query("INSERT INTO orders (customer) VALUES ('Zoe') RETURNING id, customer").fetchall() == [(4, "Zoe")]
    assert db.execute_script("INSERT INTO orders (customer) VALUES ('a'); DELETE FROM orders WHERE id = 1").changes == 2


@pytest.mark.parametrize("kind", ["pyarrow", "polars", "pandas", "result", "reader"])
def test_ingest_takes_every_kind_of_table(db, kind):
    table = pa.table({"id": [10, 11], "amount": [1.0, None], "customer": ["x", "y"]})
    if kind == "polars":
        table = pytest.importorskip("polars").from_arrow(table)
    elif kind == "pandas":
        table = table.to_pandas()
    elif kind == "result":
        table = db.query("SELECT 10 AS id, 1.0 AS amount, 'x' AS customer UNION ALL SELECT 11, NULL, 'y'")
    elif kind == "reader":
        table = table.to_reader()
    done = db.ingest("orders", table)
    assert done.rows == 2 and db.query("SELECT id, amount FROM orders WHERE id > 9 ORDER BY id").fetchall() == [(10, 1.0), (11, None)]


def test_ingest_modes(rhei, db):
    rows = pa.table({"id": [1, 20], "customer": ["New", "Old"]})
    with pytest.raises(rhei.ConstraintError):
        db.ingest("orders", rows)
    assert db.ingest("orders", rows, mode="upsert").changed == 2
    assert db.ingest("orders", rows, on_conflict="skip").skipped == 2
    assert db.ingest("made", rows, mode="create", key=["id"]).rows == 2
    with pytest.raises(rhei.ExistsError):
        db.ingest("made", rows, mode="create")
    with pytest.raises(rhei.InvalidError, match="append, create"):
        db.ingest("made", rows, mode="insert")
    with pytest.raises(rhei.InvalidError, match="execute_batch"):
        db.ingest("made", [(1, 2)])
    with pytest.raises(KeyError):
        with db.transaction() as tx:
            tx.ingest("made", tx.query("SELECT id + 100 AS id, customer FROM made"))
            assert tx.query("SELECT count(*) FROM made").scalar() == 4
            raise KeyError
    assert db.query("SELECT count(*) FROM made").scalar() == 2


def test_tables_columns_and_sync(rhei, db):
    db.register_table("items", [("id", "int64"), {"name": "price", "type": "decimal(10,2)", "nullable": False}])
    db.add_column("items", "no\"te", "text", default="it's")
    db.execute("INSERT INTO items (id, price) VALUES (1, 2.5)")
    assert db.query("SELECT * FROM items").fetchall() == [(1, 2.5, "it's")]
    db.drop_column("items", "no\"te")
    with pytest.raises(rhei.InvalidError, match="no type"):
        db.add_column("items", "x", "varchar2")
    db.initial_sync(timeout=60)
    db.stop_sync()
    db.execute("INSERT INTO orders (customer) VALUES ('x')")
    report = db.sync_now()
    assert report.position == db.sync_status().position
    db.start_sync()
    assert {table.name: table.state for table in db.tables()}["orders"] == "ready"
    assert db.verify("orders") == 4 and db.repair().tables >= 1
    assert db.info()["settings"]["read_pool_size"] == 4 and any(metric.name.startswith("rhei_") for metric in db.metrics())
    db.unregister_table("orders")
    with pytest.raises(rhei.NotFoundError):
        db.verify("orders")


def test_backup(rhei, db, folder):
    db.backup(folder / "copy")
    with rhei.connect(folder / "copy" / "rhei.db") as copy:
        assert copy.query("SELECT count(*) FROM orders").scalar() == 3


def test_history_is_asked_as_of_a_time(rhei, folder):
    with rhei.connect(folder / "h.db", sync_mode="temporal") as db:
        db.execute("CREATE TABLE t (id INTEGER PRIMARY KEY, v TEXT)")
        db.initial_sync()
        db.execute("INSERT INTO t VALUES (1, 'old')")
        db.sync_now()
        time.sleep(0.02)
        then = datetime.datetime.now(datetime.timezone.utc)
        time.sleep(0.02)
        db.execute("UPDATE t SET v = 'new'")
        db.sync_now()
        assert db.query("SELECT v FROM t", as_of=then).fetchall() == [("old",)]
        assert db.query("SELECT v FROM t").fetchall() == [("new",)]


def test_watch_and_change_feed(rhei, db):
    db.initial_sync()
    with db.watch("orders") as watch, db.changes("search", start="oldest") as changes:
        assert watch.next(0) is None or watch.next(0) is None
        db.execute("INSERT INTO orders (customer) VALUES ('Eve')")
        event = watch.next(30)
        assert event.tables == ("orders",) and not event.all
        told = list(changes)
        assert told[0].kind == "table" and told[0].key_columns == ("id",) and told[-1].kind == "commit"
        assert [change.values["customer"] for change in told if change.kind == "insert"][-1:] == ["Eve"]
        changes.acknowledge(told[-1].position)
        assert [change.kind for change in changes if change.values] == []
        db.execute("DELETE FROM orders WHERE id = 1")
        assert changes.wait(30)
        gone = next(change for change in changes if change.kind == "delete")
        assert gone.key == (1,)
        threading.Timer(0.1, watch.cancel).start()
        with pytest.raises(rhei.CancelledError):
            [event for event in watch]
    with db.changes(start="oldest", arrow=True) as changes:
        batches = [change.batch for change in changes if change.kind == "batch"]
        assert sum(batch.num_rows for batch in batches) >= 1
    db.drop_consumer("search")
    with pytest.raises(rhei.NotFoundError):
        db.drop_consumer("search")


def test_the_application_logs_what_the_engine_says(rhei, folder, caplog):
    (folder / "rhei.toml").write_text('[[tables]]\nname = "later"\n')
    with caplog.at_level("WARNING", logger="rhei"):
        with rhei.connect(folder / "l.db", config_file=folder / "rhei.toml"):
            until = time.monotonic() + 30
            while not caplog.records and time.monotonic() < until:
                time.sleep(0.01)
    assert any("later" in record.getMessage() for record in caplog.records)


SETTINGS = [
    ("frehsness", "latest", "did you mean freshness"), ("threads", "4", "whole number"), ("threads", True, "whole number"),
    ("threads", 5000, "1 to 1024"), ("sync_mode", "fast", "one of destructive"), ("olap_memory_limit", "lots", "number of bytes"),
    ("auto_register", 1, "True or False"), ("freshness", "bounded", "latest, bounded:MS"), ("sync_batch_size", 0, "1 to"),
    ("table_modes", ["t"], "mapping"), ("tables", {"name": "t"}, "list of mappings"), ("tables", ["t"], "tables[0] is a mapping"), ("sidecar", "x", "list of mappings"),
    ("tables", [{"name": "t"}, {"nam": "u"}], "tables[1].nam"), ("tables", [{"name": "t", "ddl": b"x"}], "tables[0].ddl is a text"),
    ("sidecar", {"source_path": "a.db", "mode": "often"}, "sidecar.mode"), ("sidecar", [{"name": "a"}], "sidecar[0]"), ("olap_path", 5, "a path"), ("wal_limit", "10%%", "number of bytes"),
]


@pytest.mark.parametrize("name, value, words", SETTINGS)
def test_d5_a_setting_that_cannot_be_is_told(rhei, folder, name, value, words):
    with pytest.raises(rhei.ConfigError) as told:
        rhei.connect(folder / "s.db", **{name: value})
    assert words in str(told.value) and name in str(told.value)
    assert not (folder / "s.db").exists()


def test_settings_of_files_and_of_later_versions_are_told(rhei, folder):
    for name in ("flight_listen", "metrics_listen", "log_format"):
        with pytest.raises(rhei.UnsupportedError, match=name):
            rhei.connect(folder / "s.db", **{name: "x"})


def test_every_setting_of_the_engine_is_a_keyword(rhei, folder):
    from rhei import _native
    known = {name for section, name, *_, offered in _native.settings() if section == "engine" and offered}
    doors = {name for name in known if name.startswith("flight_") or name in ("metrics_listen", "http_listen", "http_page", "ready_lag_ms", "slow_query_ms", "trace_path")}  # of rh serve
    assert known - doors - set(rhei.Settings.__annotations__) == {"log_format"}
    settings = dict(
        olap_backend="duckdb", olap_memory_limit="50%", olap_syntax=True, sync_mode="mirror", sync_interval_ms=5, sync_batch_size=100,
        prune_after_sync=True, read_pool_size=2, freshness="bounded:50", auto_register=True, synchronous="full", threads=1,
        busy_timeout_ms=100, wal_limit="1MiB", scrub_interval=60, scrub_rate=10, checkpoint_interval_ms=500, history_max_age=60,
        history_max_versions=3, log_level="warn", log_limit_rows=1000, log_limit_bytes="1MiB", log_limit_age=60, log_limit_policy="grow",
        read_only=False, must_exist=False, manual_sync=True, prefer_olap=False, capture_if_present=False, table_modes={"t": "temporal"},
        olap_path=folder / "mirror", olap_format="arrow", config_file=None, rocksdb_cdc_path=None, tables=[{"name": "t"}], sidecar=None)
    assert set(settings) | {"oltp_path"} == set(rhei.Settings.__annotations__)
    with rhei.connect(oltp_path=folder / "all.db", **settings) as db:
        force = db.info()["settings"]
        for name in ("read_pool_size", "threads", "sync_batch_size", "busy_timeout_ms", "log_limit_policy", "synchronous", "freshness"):
            assert force[name] == settings[name], name
    with pytest.raises(rhei.InvalidError, match="the same"):
        rhei.connect(folder / "a.db", oltp_path="b.db")
    with pytest.raises(rhei.CantOpenError):
        rhei.connect(folder / "none.db", must_exist=True)


def test_sections_of_a_file_are_keywords(rhei, folder):
    with sqlite3.connect(folder / "theirs.db") as theirs:
        theirs.executescript("CREATE TABLE orders (id INTEGER PRIMARY KEY, customer TEXT); INSERT INTO orders VALUES (1, 'Ada \x7f\U0001f600'); CREATE TABLE more (x)")
    theirs.close()
    settings = {
        "tables": [{"name": "kept", "ddl": "CREATE TABLE kept (a INTEGER PRIMARY KEY, \"b\nc\" TEXT)", "columns": None},
                   {"name": "made", "columns": [{"name": "id", "type": "int64", "primary_key": True}, {"name": "price", "type": "decimal(10,2)", "nullable": False}]}],
        "sidecar": [{"name": "app", "source_path": folder / "theirs.db", "mode": "snapshot", "enable_local_oltp": True,
                     "delete_detection": {"mode": "full_diff", "every_n_cycles": 2}, "tables": [{"table_name": "orders", "primary_key": ["id"]}]}],
    }
    with rhei.connect(folder / "own.db", **settings) as db:
        db.execute("INSERT INTO made VALUES (1, 2.5)")
        db.execute("INSERT INTO kept VALUES (1, 'x')")
        assert db.query("SELECT o.customer, k.\"b\nc\" FROM app.orders AS o JOIN kept AS k ON k.a = o.id").fetchall() == [("Ada \x7f\U0001f600", "x")]
        assert [table.name for table in db.tables()][:2] == ["kept", "made"]
    with pytest.raises(rhei.ConfigError, match="put them there"):
        rhei.connect(folder / "own.db", config_file=folder / "rhei.toml", tables=[{"name": "t"}])
    with rhei.connect(sidecar={"source_path": folder / "theirs.db", "mode": "snapshot"}) as db:
        assert db.query("SELECT count(*) FROM source.orders").scalar() == 1


def test_an_older_python_is_told(build):
    code = "import sys; sys.version_info = (3, 8, 18, 'final', 0); import rhei"
    done = subprocess.run([sys.executable, "-c", code], env=dict(os.environ, PYTHONPATH=str(build / "python")), capture_output=True, text=True, timeout=60)
    assert done.returncode == 1 and done.stderr.splitlines()[-1] == "ImportError: rhei needs Python 3.9 or later, and this is Python 3.8.18"


def test_d5_advice_names_calls_of_python(rhei, db):
    for call in (db.execute, db.query, db.prepare):
        with pytest.raises(rhei.SQLError, match=r"another one starts at byte 10; run a script with execute_script\(\)"):
            call("SELECT 1; SELECT 2")
    with db.session() as session, pytest.raises(rhei.SQLError, match=r"run a script with execute_script\(\)"):
        session.execute("SELECT 1; SELECT 2")
    with pytest.raises(rhei.TransactionError, match=r"needs a session \(session\(\)\)"):
        db.query("BEGIN")
    with pytest.raises(rhei.SQLError, match="no such table: rhei_tables$"):
        db.query("SELECT * FROM rhei_tables")


def test_there_is_one_exception_for_each_status(rhei):
    import re
    import pathlib
    header = (pathlib.Path(__file__).resolve().parents[2] / "include" / "rhei" / "rhei_types.h").read_text()
    codes = {name for name, number in re.findall(r"^    RHEI_(\w+) = (\d+),", header, re.M) if int(number) >= 10}
    assert codes == set(rhei.errors.BY_CODE)
    for kind in rhei.errors.BY_CODE.values():
        assert issubclass(kind, rhei.Error)
    assert issubclass(rhei.ConstraintError, rhei.IntegrityError) and issubclass(rhei.SQLError, rhei.ProgrammingError)


def test_what_is_used_after_close_is_told(rhei, folder):
    db = rhei.connect(folder / "c.db")
    db.execute("CREATE TABLE t (id INTEGER PRIMARY KEY)")
    parts = [db.session(), db.prepare("SELECT 1"), db.query("SELECT 1"), db.rows("SELECT 1"), db.watch(), db.changes()]
    db.close()
    db.close()
    calls = [lambda: db.execute("SELECT 1"), lambda: db.sync_status(), lambda: parts[0].execute("BEGIN"), lambda: parts[1].query(),
             lambda: parts[2].fetchall(), lambda: next(parts[3]), lambda: parts[4].next(0), lambda: parts[5].next(), lambda: db.watch()]
    for call in calls:
        with pytest.raises(rhei.ClosedError):
            call()
    assert db.closed and parts[0].closed


def finished(db):
    with db.transaction() as transaction:
        transaction.execute("INSERT INTO t VALUES (NULL)")
    return transaction


def taken_back(db):
    with pytest.raises(ZeroDivisionError), db.transaction() as transaction:
        transaction.execute("INSERT INTO t VALUES (NULL)")
        1 / 0
    return transaction


def unfinished(db):
    session = db.session()
    session.begin(immediate=True)
    session.execute("INSERT INTO t VALUES (NULL)")
    return session


def half_read(db):
    session = db.session()
    return session, session.query("SELECT * FROM t")


KEPT = {
    "finished": (finished, None), "taken back": (taken_back, None), "unfinished": (unfinished, lambda s: s.execute("COMMIT")),
    "half read": (half_read, lambda pair: pair[0].begin()), "statement": (lambda db: db.prepare("SELECT 1"), lambda s: s.query()),
    "statement of a session": (lambda db: (lambda s: (s, s.prepare("SELECT 1")))(db.session()), lambda pair: pair[1].query()),
    "watch": (lambda db: db.watch("t"), lambda w: w.next(0)), "feed": (lambda db: db.changes("c", start="oldest"), lambda c: c.next()),
    "rows": (lambda db: db.rows("SELECT * FROM t"), next), "answer": (lambda db: db.query("SELECT * FROM t"), None),
}


@pytest.mark.parametrize("name", KEPT)
def test_d4_close_closes_the_file_whatever_is_kept(rhei, folder, name):
    make, use = KEPT[name]
    path, mirror = folder / "kept.db", folder / "kept.mirror"
    db = rhei.connect(path, olap_path=mirror)
    db.execute_script("CREATE TABLE t (id INTEGER PRIMARY KEY); INSERT INTO t VALUES (1), (2)")
    kept = make(db)
    db.close()
    opened = {os.path.realpath(f"/proc/self/fd/{number}") for number in os.listdir("/proc/self/fd")}
    assert not [file for file in opened if file.startswith(str(folder))]
    with rhei.connect(path, olap_path=mirror) as again:
        assert again.query("SELECT count(*) FROM t").scalar() == (3 if name == "finished" else 2)
    rhei.detach(path)
    if use is not None:
        with pytest.raises(rhei.ClosedError, match="the database is closed"):
            use(kept)


def test_detach(rhei, folder):
    with rhei.connect(folder / "d.db") as db:
        db.execute("CREATE TABLE t (id INTEGER PRIMARY KEY)")
        with pytest.raises(rhei.BusyError):
            rhei.detach(folder / "d.db")
    rhei.detach(folder / "d.db")
    with rhei.connect(folder / "d.db", read_only=True) as db:
        assert db.query("SELECT count(*) FROM sqlite_schema WHERE name LIKE '\\_rhei%' ESCAPE '\\'").scalar() == 0
