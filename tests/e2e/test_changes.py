"""The change feed by rh changes: consumers of their own, whole transactions, kill -9, what is lost, Debezium's envelope."""

import json
import signal
import sqlite3
import subprocess
import threading

import pytest

from rh_program import rh, sqlite3_shell  # noqa: F401 (fixtures)

ACCOUNTS = 10


def made(rh, *sql):
    rh.run("exec", "--capture", "; ".join(sql or ["CREATE TABLE t (id INTEGER PRIMARY KEY, x)"]))


def lines(text):
    return [json.loads(line) for line in text.splitlines()]


def read(rh, consumer, *more):
    return lines(rh.run("changes", "--consumer", consumer, *more).stdout)


def rows(events):
    return [event for event in events if event["kind"] in ("insert", "update", "delete")]


def log_rows(rh):
    with sqlite3.connect(rh.folder / "rhei.db", timeout=60) as db:
        return db.execute("SELECT count(*) FROM _rhei_cdc_log").fetchone()[0]


def log_end(rh):
    with sqlite3.connect(rh.folder / "rhei.db", timeout=60) as db:
        return db.execute("SELECT max(seq) FROM _rhei_cdc_log").fetchone()[0]


class Copy:
    """What a consumer makes of its lines: tables by key, changed at commits, each position once."""

    def __init__(self):
        self.tables, self.done, self.waiting, self.sums = {}, 0, [], []

    def take(self, event):
        if event["kind"] in ("insert", "update", "delete"):
            self.waiting.append(event)
        elif event["kind"] == "commit":
            for change in self.waiting:
                if change["position"] <= self.done:
                    continue
                table = self.tables.setdefault(change["table"], {})
                key = tuple(change["key"].values())
                table.pop(key, None)
                if change["kind"] != "delete":
                    table[key] = change["row"]
            self.done, self.waiting = max(self.done, event["position"]), []
        else:
            assert event["kind"] == "table", event

    def cut(self):
        self.waiting = []


def test_a8_a_consumer_goes_on_where_it_was(rh, sqlite3_shell):
    made(rh)
    assert [event["kind"] for event in read(rh, "a")] == ["table", "commit"]
    rh.run("exec", "INSERT INTO t VALUES (1, 'a'), (2, 1.5), (3, x'00'); UPDATE t SET x = 7 WHERE id = 1; DELETE FROM t WHERE id = 2")
    sqlite3_shell.run("rhei.db", "UPDATE t SET id = 9 WHERE id = 3")
    events = read(rh, "a")
    assert [(e["kind"], e["position"], e["key"]["id"], e.get("row", {}).get("x")) for e in rows(events)] == [
        ("insert", 1, 1, "a"), ("insert", 2, 2, 1.5), ("insert", 3, 3, {"base64": "AA=="}), ("update", 4, 1, 7),
        ("delete", 5, 2, None), ("delete", 6, 3, None), ("update", 7, 9, {"base64": "AA=="})]
    assert events[-1]["kind"] == "commit" and events[-1]["position"] == 7
    assert rows(read(rh, "a")) == []
    assert len(rows(lines(rh.run("changes", "--oldest").stdout))) == 7


def test_a8_the_log_waits_for_the_slowest_consumer_and_for_no_dropped_one(rh):
    made(rh)
    read(rh, "fast")
    read(rh, "slow")
    for i in range(5):
        rh.run("exec", f"INSERT INTO t VALUES ({i}, {i})")
        rh.run("sync")  # an engine that applies and prunes
        assert [e["key"]["id"] for e in rows(read(rh, "fast"))] == [i]
    assert [e["key"]["id"] for e in rows(read(rh, "slow"))] == [0, 1, 2, 3, 4]
    rh.run("exec", "INSERT INTO t VALUES (5, 5), (6, 6)")
    rh.run("sync")
    assert log_rows(rh) >= 2
    for consumer in ("fast", "slow"):
        assert rh.run("changes", "--consumer", consumer, "--drop").stdout == ""
    rh.run("exec", "INSERT INTO t VALUES (7, 7)")
    rh.run("sync")
    assert log_rows(rh) == 1


def test_a8_an_expired_consumer_pins_nothing_and_is_told_what_it_lost(rh):
    made(rh)
    read(rh, "late")
    with sqlite3.connect(rh.folder / "rhei.db", timeout=60) as db:
        db.execute("UPDATE _rhei_consumers SET seen_ms = seen_ms - keep_ms - 1")
    rh.run("exec", "INSERT INTO t VALUES (1, 1), (2, 2), (3, 3)")
    rh.run("sync")
    assert log_rows(rh) == 1
    events = read(rh, "late")
    assert [e["table"] for e in events if e["kind"] == "lost"] == [None]
    rh.run("exec", "INSERT INTO t VALUES (4, 4)")
    assert [e["key"]["id"] for e in rows(read(rh, "late"))] == [4]


def test_a8_log_rows_taken_out_by_hand_are_told_as_lost(rh):
    made(rh)
    read(rh, "a")
    rh.run("exec", "INSERT INTO t VALUES (1, 1), (2, 2), (3, 3)")
    with sqlite3.connect(rh.folder / "rhei.db", timeout=60) as db:
        db.execute("DELETE FROM _rhei_cdc_log WHERE seq = 2")
    events = read(rh, "a")
    assert [e["kind"] for e in events[-2:]] == ["lost", "commit"] and events[-2]["table"] is None


BY_HAND = {
    "the newest row": "DELETE FROM _rhei_cdc_log WHERE seq = (SELECT max(seq) FROM _rhei_cdc_log)",
    "the newest rows": "DELETE FROM _rhei_cdc_log WHERE seq > (SELECT max(seq) - 2 FROM _rhei_cdc_log)",
    "all rows": "DELETE FROM _rhei_cdc_log",
    "all rows, twice": "DELETE FROM _rhei_cdc_log; DELETE FROM _rhei_cdc_log",
    "another value": "UPDATE _rhei_cdc_log SET c2 = 'other' WHERE seq = (SELECT max(seq) FROM _rhei_cdc_log)",
}


@pytest.mark.parametrize("behind", (0, 3))
@pytest.mark.parametrize("harm", BY_HAND)
def test_a8_whatever_is_done_to_the_log_by_hand_no_consumer_misses_it(harm, behind, rh, sqlite3_shell):
    """Whether it was behind or not; and what comes later is told as ever, under numbers that were never given before."""
    made(rh)
    rh.run("exec", "INSERT INTO t VALUES (1, 1), (2, 2), (3, 3)")
    read(rh, "a")
    for i in range(4, 4 + behind):
        rh.run("exec", f"INSERT INTO t VALUES ({i}, {i})")
    end = log_end(rh)
    sqlite3_shell.run("rhei.db", BY_HAND[harm])
    told = read(rh, "a")
    assert [(e["kind"], e.get("table")) for e in told[-2:]] == [("lost", None), ("commit", None)], told
    assert told[-1]["position"] > end
    rh.run("exec", "INSERT INTO t VALUES (100, 100)")
    events = read(rh, "a")
    assert [e["kind"] for e in events if e["kind"] not in ("table", "commit")] == ["insert"] and rows(events)[0]["position"] > end


def test_a8_changes_of_a_table_that_was_altered_meanwhile_are_lost_for_it_alone(rh):
    made(rh, "CREATE TABLE t (id INTEGER PRIMARY KEY, x)", "CREATE TABLE u (id INTEGER PRIMARY KEY, x)")
    read(rh, "a")
    rh.run("exec", "INSERT INTO t VALUES (1, 1); INSERT INTO u VALUES (1, 1)")
    rh.run("exec", "ALTER TABLE t ADD COLUMN y DEFAULT 5")
    rh.run("exec", "INSERT INTO t VALUES (2, 2, 2)")
    events = read(rh, "a")
    assert [e["table"] for e in events if e["kind"] == "lost"] == ["t"]
    assert [(e["table"], e["row"]) for e in rows(events)] == [("u", {"id": 1, "x": 1}), ("t", {"id": 2, "x": 2, "y": 2})]
    assert {"kind": "table", "table": "t", "number": 3, "columns": ["id", "x", "y"], "key": ["id"]} in events


def test_a8_a_consumer_that_comes_back_is_told_which_tables_are_gone(rh):
    made(rh, "CREATE TABLE t (id INTEGER PRIMARY KEY, x)", 'CREATE TABLE "a name 3 of it" (id INTEGER PRIMARY KEY)', "CREATE TABLE u (id)")
    read(rh, "a")
    rh.run("exec", 'DROP TABLE t; DROP TABLE "a name 3 of it"; CREATE TABLE v (id)')
    assert rh.run("changes").stdout.count("gone") == 0  # who is new never knew them
    events = read(rh, "a")
    assert {e["table"] for e in events if e["kind"] == "gone"} == {"t", "a name 3 of it"}
    assert {e["table"] for e in events if e["kind"] == "table"} == {"u", "v"}
    assert [e["kind"] for e in read(rh, "a")] == ["table", "table", "commit"]  # once
    rh.run("changes", "--consumer", "a", "--drop")
    rh.run("exec", "DROP TABLE u")
    assert [e["kind"] for e in read(rh, "a")] == ["table", "commit"]  # another one of that name knows nothing


def test_a_name_that_is_new_is_said_with_those_that_there_are(rh):
    made(rh)
    assert rh.run("changes", "--consumer", "search").stderr == \
        'rh: consumer "search" is new: it begins with what is committed from now on\n'
    assert rh.run("changes", "--consumer", "search").stderr == ""
    assert 'consumer "serch" is new' in (said := rh.run("changes", "--consumer", "serch", "--oldest").stderr)
    assert 'the oldest change of the log; there are "search"' in said
    said = rh.run("changes", "--consumer", "saerch", "--drop", code=1).stderr
    assert 'there is no consumer "saerch": there are "search", "serch"' in said and "NOT_FOUND" in said
    assert "rh changes writes json and debezium" in rh.run("changes", "--format", "xml", code=2).stderr


@pytest.mark.parametrize("arguments, said", [
    (["--consumer", "nobody", "--drop"], 'there is no consumer "nobody"'),
    (["--consumer", ""], "1 to 200 bytes"),
    (["--consumer", "n" * 201], "1 to 200 bytes"),
])
def test_a8_a_name_that_cant_be_is_refused(rh, arguments, said):
    made(rh)
    assert said in rh.run("changes", *arguments, code=1).stderr


@pytest.mark.parametrize("arguments", [["--drop"], ["--format", "csv"], ["--consumer", "a", "--drop", "--follow"]])
def test_wrong_use_of_changes(rh, arguments):
    made(rh)
    rh.run("changes", *arguments, code=2)


def test_a_file_without_capture_has_no_feed(rh, sqlite3_shell):
    sqlite3_shell.run("rhei.db", "CREATE TABLE t (id INTEGER PRIMARY KEY)")
    assert "captures no changes" in rh.run("changes", "--consumer", "a", code=1).stderr


class Bank(threading.Thread):
    """Moves money by Python's SQLite: the sum of all accounts is 0 after each transaction."""

    def __init__(self, path, transfers):
        super().__init__(daemon=True)
        self.path, self.transfers, self.failure = path, transfers, None

    def run(self):
        try:
            db = sqlite3.connect(self.path, isolation_level=None, timeout=60)
            for i in range(self.transfers):
                db.execute("BEGIN IMMEDIATE")
                db.execute("UPDATE t SET x = x - ? WHERE id = ?", (i, i % ACCOUNTS))
                db.execute("UPDATE t SET x = x + ? WHERE id = ?", (i, (i * 7 + 3) % ACCOUNTS))
                db.execute("COMMIT")
            db.close()
        except sqlite3.Error as failure:
            self.failure = failure


def test_a8_kill_9_at_any_time_loses_nothing_and_halves_no_transaction(rh):
    made(rh, "CREATE TABLE t (id INTEGER PRIMARY KEY, x)")
    read(rh, "a")
    rh.run("exec", "INSERT INTO t VALUES " + ", ".join(f"({i}, 0)" for i in range(ACCOUNTS)))
    bank, copy, kills = Bank(rh.folder / "rhei.db", 600), Copy(), 0
    bank.start()
    while bank.is_alive() or kills < 12:
        kills += 1
        rh.run("exec", "UPDATE t SET x = x - 1 WHERE id = 0; UPDATE t SET x = x + 1 WHERE id = 1")
        process = rh.start("changes", "--consumer", "a", "--follow")
        told = [process.stdout.readline() for _ in range(1 + kills % 4)]  # table, two rows and a commit are there at least
        process.send_signal(signal.SIGKILL)
        told += process.stdout.readlines()
        process.communicate(timeout=60)
        for line in told:
            if not line.endswith("\n"):  # cut by the kill
                break
            event = json.loads(line)
            copy.take(event)
            if event["kind"] == "commit":
                assert sum(row["x"] for row in copy.tables.get("t", {}).values()) == 0
        copy.cut()
    bank.join(60)
    assert bank.failure is None
    for event in read(rh, "a"):
        copy.take(event)
    assert copy.done == log_end(rh)
    with sqlite3.connect(rh.folder / "rhei.db", timeout=60) as db:
        assert {(i,): {"id": i, "x": x} for i, x in db.execute("SELECT id, x FROM t")} == copy.tables["t"]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a8_follow_tells_of_commits_of_another_process_and_ends_by_a_signal(rh, number):
    made(rh)
    process = rh.start("changes", "--consumer", "a", "--follow")
    try:
        assert json.loads(process.stdout.readline())["kind"] == "table"
        assert json.loads(process.stdout.readline())["kind"] == "commit"
        with sqlite3.connect(rh.folder / "rhei.db", timeout=60) as db:
            db.execute("INSERT INTO t VALUES (1, 'x')")
        assert json.loads(process.stdout.readline())["row"] == {"id": 1, "x": "x"}
        assert json.loads(process.stdout.readline())["kind"] == "commit"
        process.send_signal(number)
        assert process.wait(60) == 0  # that is how --follow ends
        assert "cancelled" not in process.stderr.read() and process.stdout.read() == ""
    finally:
        process.kill()
        process.communicate()
    assert rows(read(rh, "a")) == []


def test_a8_follow_waits_for_a_writer_that_holds_back_a_changed_schema(rh):
    made(rh)
    process = rh.start("changes", "--consumer", "a", "--follow")
    try:
        assert json.loads(process.stdout.readline())["kind"] == "table"
        assert json.loads(process.stdout.readline())["kind"] == "commit"
        with sqlite3.connect(rh.folder / "rhei.db", timeout=60, isolation_level=None) as db:
            db.execute("ALTER TABLE t ADD COLUMN y")
            db.execute("BEGIN IMMEDIATE")  # nobody can see to the new column now
            db.execute("INSERT INTO t VALUES (1, 'x', 'y')")
            with pytest.raises(subprocess.TimeoutExpired):
                process.wait(2)
            db.execute("COMMIT")
            # what the old triggers logged, or new ones if the follower was there between the two statements
            while (told := json.loads(process.stdout.readline()))["kind"] != "commit" or told["position"] < 1:
                pass
            db.execute("INSERT INTO t VALUES (2, 'x', 'y')")
        assert json.loads(process.stdout.readline())["row"] == {"id": 2, "x": "x", "y": "y"}
    finally:
        process.kill()
        process.communicate()


def test_a8_a_signal_while_lines_are_written_is_told_too(rh):
    """The output doesn't fit into a pipe, so the signal comes before its end, whoever is slow."""
    made(rh)
    read(rh, "a")
    rh.run("exec", "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 20000) "
                   "INSERT INTO t SELECT i, 'text number ' || i FROM n")
    process = rh.start("changes", "--consumer", "a")
    try:
        assert json.loads(process.stdout.readline())["kind"] == "table"
        process.send_signal(signal.SIGINT)
        lines = process.stdout.read().splitlines()
        assert process.wait(60) == 1
        assert "cancelled" in process.stderr.read()
    finally:
        process.kill()
        process.communicate()
    assert len(lines) < 20000
    assert len(rows(read(rh, "a"))) == 20000  # nothing was acknowledged


def test_a8_debezium_lines_are_envelopes(rh):
    made(rh)
    read(rh, "a")
    rh.run("exec", "INSERT INTO t VALUES (1, 'a'); UPDATE t SET x = 2; DELETE FROM t")
    envelopes = read(rh, "a", "--format", "debezium")
    assert [(e["op"], e["before"], e["after"]) for e in envelopes] == [
        ("c", None, {"id": 1, "x": "a"}), ("u", None, {"id": 1, "x": 2}), ("d", {"id": 1}, None)]
    for envelope in envelopes:  # the fields of io.debezium.data.Envelope, and those that every connector's source has
        assert set(envelope) == {"before", "after", "source", "op", "ts_ms", "transaction"}
        source = envelope["source"]
        for field in ("version", "connector", "name", "db", "table", "snapshot", "sequence"):
            assert isinstance(source[field], str), field
        assert isinstance(source["ts_ms"], int) and isinstance(envelope["ts_ms"], int)
        assert 0 < source["ts_ms"] <= envelope["ts_ms"] + 1000
        assert json.loads(source["sequence"]) == [str(source["position"])]
    assert [e["source"]["position"] for e in envelopes] == [1, 2, 3]


def test_a5_debezium_names_the_database_that_the_settings_name(rh):
    (rh.folder / "k").mkdir()
    rh.run("exec", "--db", "k/d.db", "--capture", "CREATE TABLE t (id INTEGER PRIMARY KEY); INSERT INTO t VALUES (1)")
    (rh.folder / "k.toml").write_text('[engine]\noltp_path = "k/d.db"\n')
    for named in (("--db", "k/d.db"), ("--config", "k.toml")):
        told = rh.run("changes", *named, "--oldest", "--format", "debezium").stdout.splitlines()
        assert [json.loads(line)["source"]["db"] for line in told] == ["k/d.db"]


def test_the_guides_commands_print_what_it_says(rh, tmp_path):
    made(rh, "CREATE TABLE orders (id INTEGER PRIMARY KEY, amount REAL)")
    read(rh, "search")
    rh.run("exec", "INSERT INTO orders VALUES (1, 9.5), (2, 20.0); UPDATE orders SET amount = 10.0 WHERE id = 1")
    assert [(e["kind"], e.get("row")) for e in read(rh, "search")] == [
        ("table", None), ("insert", {"id": 1, "amount": 9.5}), ("insert", {"id": 2, "amount": 20.0}),
        ("update", {"id": 1, "amount": 10.0}), ("commit", None)]
    assert [e["kind"] for e in read(rh, "search")] == ["table", "commit"]


@pytest.mark.parametrize("rest", ["nothing more", "more"])
def test_a8_the_oldest_change_begins_a_whole_transaction(rest, rh):
    """Pruning leaves the last row of what it took; that alone is no transaction."""
    (rh.folder / "rhei.toml").write_text('[engine]\noltp_path = "rhei.db"\nolap_path = "mirror"\n')
    settings = ("--config", "rhei.toml")
    rh.run("exec", "--capture", "CREATE TABLE t (id INTEGER PRIMARY KEY, a)", *settings)
    rh.run("sync", *settings)
    rh.run("exec", "INSERT INTO t VALUES (1, 1), (2, 2), (3, 3)", *settings)
    rh.run("sync", *settings)
    rh.run("exec", "UPDATE t SET a = 10 WHERE id = 1; UPDATE t SET a = 20 WHERE id = 2; UPDATE t SET a = 30 WHERE id = 3", *settings)
    rh.run("sync", *settings)
    rh.run("sync", *settings)
    with sqlite3.connect(rh.folder / "rhei.db") as file:
        assert file.execute("SELECT count(*) FROM _rhei_cdc_log").fetchone()[0] < 6  # pruned
    if rest == "more":
        rh.run("exec", "INSERT INTO t VALUES (4, 4), (5, 5)", *settings)
    told = [json.loads(line) for line in rh.run("changes", "--consumer", "c", "--oldest", *settings).stdout.splitlines()]
    assert [(event["kind"], event["key"]["id"]) for event in told if event["kind"] in ("insert", "update")] == ([("insert", 4), ("insert", 5)] if rest == "more" else [])
