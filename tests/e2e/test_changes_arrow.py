"""The change feed as Arrow batches, read by pyarrow."""

import pyarrow
import pyarrow.ipc

META = ["_rhei_operation", "_rhei_seq", "_rhei_time"]


def batch(change):
    """The batch's own table, and what its schema says of it."""
    reader = pyarrow.ipc.open_stream(change.ipc)
    table = reader.read_all()
    table.validate(full=True)
    assert table.schema.metadata == {b"rhei.table": change.table.encode(), b"rhei.table_number": str(change.number).encode()}
    assert table.schema.names == [*META, *change.columns, "_rhei_before"]
    return table


def take(engine):
    """Everything up to the next commit: what isn't a row, and the batches by table."""
    others, batches = [], {}
    while (change := engine.changes_arrow()) is not None and change.kind != "commit":
        if change.kind == "batch":
            batches.setdefault(change.table, []).append(batch(change))
        else:
            assert change.ipc == b""
            others.append(change)
    return others, batches, change


def test_a8_batches_are_of_tables_within_whole_transactions(path, open_engine):
    engine = open_engine()
    engine.execute("CREATE TABLE orders (id INTEGER PRIMARY KEY, note TEXT, amount REAL, raw BLOB)")
    engine.execute("CREATE TABLE names (name TEXT PRIMARY KEY, age INTEGER) WITHOUT ROWID")
    engine.changes_open("arrow")
    others, batches, commit = take(engine)
    assert {change.table for change in others} == {"orders", "names"} and batches == {}
    engine.script("INSERT INTO orders VALUES (1, 'é', 1.5, x'00ff'); INSERT INTO names VALUES ('Ada', 36); "
                  "INSERT INTO orders VALUES (2, NULL, 2.5, NULL); UPDATE names SET age = 37; DELETE FROM orders WHERE id = 1")
    others, batches, commit = take(engine)
    assert others == [] and engine.changes_arrow() is None
    orders, = batches["orders"]
    rows = orders.drop_columns(META[1:] + ["_rhei_before"]).to_pylist()
    assert rows[:2] == [{"_rhei_operation": "I", "id": 1, "note": "é", "amount": 1.5, "raw": b"\x00\xff"},
                        {"_rhei_operation": "I", "id": 2, "note": None, "amount": 2.5, "raw": None}]
    assert rows[2] == {"_rhei_operation": "D", "id": 1, "note": None, "amount": None, "raw": None}
    names, = batches["names"]
    assert names.column("name").to_pylist() == ["Ada", "Ada"] and names.column("age").to_pylist() == [36, 37]
    assert sorted(orders.column("_rhei_seq").to_pylist() + names.column("_rhei_seq").to_pylist()) == [1, 2, 3, 4, 5]
    assert commit.position == 5
    assert [str(type) for type in orders.schema.types[:-1]] == ["string", "int64", "int64", "int64", "string", "double", "binary"]
    assert pyarrow.types.is_struct(orders.schema.types[-1])
    engine.changes_acknowledge(commit.position)


def test_a8_a_copy_kept_by_batches_is_the_table(path, open_engine, rng):
    """Keys are inserted, changed, moved and deleted at random; the batches put in the order of their positions make the same table."""
    engine = open_engine()
    engine.execute("CREATE TABLE t (id INTEGER PRIMARY KEY, v, w)")
    engine.changes_open("copy")
    take(engine)
    copy, seen = {}, 0
    for _ in range(30):
        for _ in range(rng.randrange(1, 40)):
            key, other = rng.randrange(50), rng.randrange(50)
            value = rng.choice([None, 1, 2.5, "text", b"blob"])
            engine.execute(*rng.choice([("INSERT OR REPLACE INTO t VALUES (?, ?, ?)", key, value, other),
                                        ("UPDATE t SET v = ? WHERE id = ?", value, key),
                                        ("UPDATE OR REPLACE t SET id = ? WHERE id = ?", other, key),
                                        ("DELETE FROM t WHERE id = ?", key)]))
        while (found := take(engine))[2] is not None:
            others, batches, commit = found
            assert others == []
            for table in batches.get("t", []):
                for row in table.to_pylist():
                    assert row["_rhei_seq"] >= seen
                    seen = row["_rhei_seq"]
                    copy.pop(row["id"], None)
                    if row["_rhei_operation"] != "D":
                        copy[row["id"]] = (row["v"], row["w"])
            engine.changes_acknowledge(commit.position)
        assert copy == {row[0]: row[1:] for row in engine.query("SELECT id, v, w FROM t").rows}
