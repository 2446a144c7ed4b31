"""C3 for other tools: segments in files, as pyarrow reads them, hold what SQLite holds."""

import pathlib
import sqlite3
import subprocess

import pyarrow
import pyarrow.ipc
import pytest

LETTERS = "abc \u00e4\u00df\u65e5\U0001f3d9"


def text(rng, most):
    return "".join(rng.choices(LETTERS, k=rng.randrange(most)))


def random_row(rng):
    mixed = rng.choice([None, rng.getrandbits(62) - 2**61, rng.uniform(-9, 9), text(rng, 30), rng.randbytes(rng.randrange(30))])
    return (rng.choice([None, rng.getrandbits(62)]), rng.choice([None, rng.random(), float("inf")]), rng.choice([None, text(rng, 40)]),
            rng.randbytes(rng.randrange(40)), mixed, None, text(rng, 5), text(rng, 200))


@pytest.fixture
def segments(build, folder, rng):
    """A table of every class, and its segments in the order in which they were written."""
    path = pathlib.Path(folder) / "a.db"
    database = sqlite3.connect(path)
    database.execute('CREATE TABLE "every class" (i, r, t, b, mixed, empty, bad, wide)')
    database.executemany('INSERT INTO "every class" VALUES (?, ?, ?, ?, ?, ?, ?, ?)', [random_row(rng) for _ in range(70000)])
    database.execute("""UPDATE "every class" SET bad = CAST(x'fffe41' AS TEXT) WHERE rowid % 10 = 0""")
    database.commit()
    subprocess.run([build / "tests" / "segments" / "segment_driver", path, "every class", folder, "arrow"], check=True, timeout=120)
    database.text_factory = bytes
    yield database, sorted(pathlib.Path(folder).glob("*.arrow"), key=lambda file: int(file.stem))
    database.close()


def batches(files):
    for file in files:
        reader = pyarrow.ipc.open_file(pyarrow.memory_map(str(file)))
        assert reader.num_record_batches == 1
        batch = reader.get_batch(0)
        batch.validate(full=True)
        yield batch


def as_stored(value):
    return value.encode() if isinstance(value, str) else value


def test_c3_pyarrow_reads_what_sqlite_holds(segments):
    database, files = segments
    assert len(files) > 1
    before = pyarrow.total_allocated_bytes()
    read = list(batches(files))
    assert pyarrow.total_allocated_bytes() == before  # mapped, not copied
    wanted = database.execute('SELECT rowid, * FROM "every class" ORDER BY 1').fetchall()
    rows = [tuple(as_stored(value) for value in row) for batch in read for row in zip(*(column.to_pylist() for column in batch.columns))]
    assert rows == wanted
    assert [[type(value) for value in row] for row in rows] == [[type(value) for value in row] for row in wanted]
    assert read[0].schema.names == ["rowid", "i", "r", "t", "b", "mixed", "empty", "bad", "wide"]


def test_q6_columns_are_of_the_classes_that_they_hold(segments):
    _, files = segments
    schema = max(batches(files), key=lambda batch: batch.num_rows).schema
    for name, kind in [("rowid", pyarrow.int64()), ("i", pyarrow.int64()), ("r", pyarrow.float64()), ("t", pyarrow.string_view()),
                       ("b", pyarrow.binary_view()), ("empty", pyarrow.null()), ("wide", pyarrow.string_view())]:
        assert schema.field(name).type == kind, name
    mixed = schema.field("mixed").type
    assert pyarrow.types.is_union(mixed) and mixed.mode == "dense"
    assert [mixed.field(i).name for i in range(mixed.num_fields)] == ["null", "integer", "real", "text", "blob"]
    assert schema.field("bad").type == pyarrow.binary_view()
    assert schema.field("bad").metadata == {b"rhei:class": b"text"}


def test_the_stream_format_reads_them_too(segments):
    _, files = segments
    rows = 0
    for file in files:
        with file.open("rb") as stream:
            assert stream.read(8) == b"ARROW1\0\0"
            rows += pyarrow.ipc.open_stream(stream).read_all().num_rows
    assert rows == 70000
