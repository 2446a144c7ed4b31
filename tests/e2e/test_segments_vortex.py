"""C3 for other tools: segments in Vortex files, as PyPI's vortex-data reads them, hold what SQLite holds."""

import pathlib
import sqlite3
import subprocess

import pyarrow
import pytest
import vortex

from segment_files import has_vortex

LETTERS = "abc \u00e4\u00df\u65e5\U0001f3d9"
CLASSES = ["integer", "real", "text", "blob"]


def text(rng, most):
    return "".join(rng.choices(LETTERS, k=rng.randrange(most)))


def random_row(rng):
    mixed = rng.choice([None, rng.getrandbits(62) - 2**61, rng.uniform(-9, 9), text(rng, 30), rng.randbytes(rng.randrange(30))])
    return (rng.choice([None, rng.getrandbits(62)]), rng.choice([None, rng.random(), -0.0, float("inf")]), rng.choice([None, text(rng, 40)]),
            rng.randbytes(rng.randrange(40)), mixed, None, text(rng, 5), rng.choice(["open", "a status of many words", "nul \0 inside of it"]))


@pytest.fixture
def segments(build, folder, rng):
    """A table of every class, and its segments in the order in which they were written."""
    if not has_vortex(build):
        pytest.skip("the DataFusion library isn't built: ./dev setup --with datafusion")
    path = pathlib.Path(folder) / "a.db"
    database = sqlite3.connect(path)
    database.execute('CREATE TABLE "every class" (i, r, t, b, mixed, empty, bad, few)')
    database.executemany('INSERT INTO "every class" VALUES (?, ?, ?, ?, ?, ?, ?, ?)', [random_row(rng) for _ in range(70000)])
    database.execute("""UPDATE "every class" SET bad = CAST(x'fffe41' AS TEXT) WHERE rowid % 10 = 0""")
    database.commit()
    subprocess.run([build / "tests" / "segments" / "segment_driver", path, "every class", folder, "vortex"], check=True, timeout=120)
    database.text_factory = bytes
    yield database, sorted(pathlib.Path(folder).glob("*.vortex"), key=lambda file: int(file.stem))
    database.close()


def read(file):
    opened = vortex.open(str(file))
    assert len(opened.scan().read_all()) > 0
    return opened.scan().read_all().to_arrow_table()


def as_stored(value):
    if isinstance(value, dict):
        values = [value[name] for name in CLASSES]
        assert [number for number, one in enumerate(values, 1) if one is not None] == ([value["class"]] if value["class"] else [])
        return as_stored(values[value["class"] - 1]) if value["class"] else None
    return value.encode() if isinstance(value, str) else value


def test_c3_vortex_data_reads_what_sqlite_holds(segments):
    database, files = segments
    assert len(files) > 1
    tables = [read(file) for file in files]
    wanted = database.execute('SELECT rowid, * FROM "every class" ORDER BY 1').fetchall()
    rows = [tuple(as_stored(value) for value in row) for table in tables for row in zip(*(column.to_pylist() for column in table.columns))]
    assert rows == wanted
    assert [[type(value) for value in row] for row in rows] == [[type(value) for value in row] for row in wanted]
    assert [repr(row[2]) for row in rows] == [repr(row[2]) for row in wanted]  # -0.0 isn't 0.0
    assert tables[0].schema.names == ["rowid", "i", "r", "t", "b", "mixed", "empty", "bad", "few"]


def test_q6_columns_are_of_the_classes_that_they_hold(segments):
    _, files = segments
    schema = max((read(file) for file in files), key=len).schema
    assert schema.field("rowid").type == schema.field("i").type == pyarrow.int64()
    assert schema.field("r").type == pyarrow.float64()
    for name in ["t", "few"]:
        assert schema.field(name).type in (pyarrow.string(), pyarrow.string_view()), name
    for name in ["b", "bad"]:
        assert schema.field(name).type in (pyarrow.binary(), pyarrow.binary_view()), name
    assert schema.field("empty").type == pyarrow.null()
    mixed = schema.field("mixed").type
    assert [mixed.field(i).name for i in range(mixed.num_fields)] == ["class", *CLASSES]


def test_a_column_is_read_alone(segments):
    database, files = segments
    total = sum(sum(vortex.open(str(file)).scan(["rowid"]).read_all().to_arrow_table().column("rowid").to_pylist()) for file in files)
    assert total == database.execute('SELECT sum(rowid) FROM "every class"').fetchone()[0]
