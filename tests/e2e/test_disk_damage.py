"""A9, A10: files of the folder that are damaged, cut, gone, swapped or renamed, where a history is in them: what can't be believed is set aside and
told, the tables are answered as ever, and the history has rows that were, and no others."""

import json
import random
import shutil
import struct

import pytest

from rhei_engine import RheiError
from rh_program import rh  # noqa: F401 (a fixture)
from segment_files import read_segment
from test_disk import xxh64

ROWS = 70000  # more than a segment has
GENERATIONS = 3


def fill(engine):
    engine.script("CREATE TABLE t (id INTEGER PRIMARY KEY, v TEXT); CREATE TABLE u (id INTEGER PRIMARY KEY, v TEXT)")
    for table in ("t", "u"):
        engine.execute(f"INSERT INTO {table} SELECT value, 'g0 ' || value FROM (WITH RECURSIVE n(value) AS (VALUES(1) UNION ALL SELECT value + 1 "
                       "FROM n WHERE value < ?) SELECT value FROM n)", ROWS)
        for generation in range(1, GENERATIONS):
            engine.sync()
            engine.execute(f"UPDATE {table} SET v = 'g' || ? || ' ' || id", str(generation))
    engine.sync()


def flip(rng, files, victim):
    data = bytearray(victim.read_bytes())
    data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
    victim.write_bytes(bytes(data))


def cut(rng, files, victim):
    data = victim.read_bytes()
    victim.write_bytes(data[:rng.randrange(len(data))])


def take(rng, files, victim):
    victim.unlink()


def swap(rng, files, victim):
    other = rng.choice([file for file in files if file != victim])
    one, two = victim.read_bytes(), other.read_bytes()
    victim.write_bytes(two)
    other.write_bytes(one)


def rename(rng, files, victim):
    victim.rename(victim.with_name(f"b-s-00000000000fffff{victim.suffix}"))


class Opened:
    """An engine on the folder. A file that turns out damaged while it is read ends the statement; the next opening goes on without it."""

    def __init__(self, start):
        self.start, self.log = start, []
        self.open()

    def open(self):
        self.engine = self.start()
        self.engine.initial_sync()

    def texts(self):
        return self.log + [text for _, _, text in self.engine.log]

    def ask(self, sql):
        for _ in range(3):
            try:
                return self.engine.query(sql, route="auto").rows
            except RheiError as error:
                assert error.name == "IO" and "damaged" in error.message, error
                self.log = self.texts()
                self.engine.close()
                self.open()
        return self.engine.query(sql, route="auto").rows


def check_history(opened, table, whole):
    """Rows of the history are rows that were, each once; how many there are. The rows that are valid are those of the table."""
    (count, different, good), = opened.ask(
        f"SELECT count(*), count(DISTINCT id || v), sum(v = 'g' || substr(v, 2, 1) || ' ' || id AND substr(v, 2, 1) < '{GENERATIONS}') "
        f"FROM {table}_history")
    assert count <= whole and different == count and (good or 0) == count, (count, different, good)
    assert opened.ask(f"SELECT count(*) FROM {table}_history h JOIN {table} USING (id, v) WHERE h._rhei_valid_to IS NULL") == [(ROWS,)]
    return count


@pytest.mark.parametrize("seed", range(2))
def test_a9_a_damaged_folder_gives_no_version_that_never_was(seed, path, folder, open_engine):
    place, kept = folder / "mirror", folder / "kept"
    (folder / "temporal.toml").write_text('[engine]\nsync_mode = "temporal"\n')
    config = {"config_file": folder / "temporal.toml", "olap_path": place, "threads": 1}
    opened = Opened(lambda: open_engine(**config))
    fill(opened.engine)
    whole = check_history(opened, "t", ROWS * GENERATIONS)
    assert whole == ROWS * GENERATIONS
    opened.engine.close()
    shutil.copytree(place, kept)
    rng = random.Random(seed)
    for harm in (flip, cut, take, swap, rename):
        shutil.rmtree(place)
        shutil.copytree(kept, place)
        files = sorted(file for file in place.iterdir() if file.name.startswith("b-"))
        victim = place / "manifest" if harm in (flip, cut) and rng.random() < 0.2 else rng.choice(files)
        harm(rng, files, victim)
        opened = Opened(lambda: open_engine(**config))
        counts = [check_history(opened, table, whole) for table in ("t", "u")]
        for table in ("t", "u"):
            sql = f"SELECT count(*), sum(id), max(v), min(v) FROM {table}"
            assert opened.ask(sql) == opened.engine.query(sql, route="oltp").rows
        told = [text for text in opened.texts() if victim.name.removeprefix("b-") in text or "set aside" in text]
        assert told or counts == [whole, whole], (harm.__name__, victim.name, counts, opened.texts())
        opened.engine.kill()


def test_a10_a_part_of_a_history_is_not_told_as_the_whole(rh):
    """Versions that a lost file had are nowhere else: of before the opening nothing is told, and from then on all."""
    (rh.folder / "rhei.toml").write_text('[engine]\nsync_mode = "temporal"\nolap_path = "mirror"\n')

    def run(command, *arguments):
        return rh.run(command, *arguments, "--config", "rhei.toml").stdout.splitlines()

    run("exec", "--capture", "CREATE TABLE t (id INTEGER PRIMARY KEY, a)")
    run("sync")
    run("exec", "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 70000) INSERT INTO t SELECT i, 1 FROM n")
    run("sync")
    run("exec", "UPDATE t SET a = 2 WHERE id % 5 = 0")
    run("sync")
    before, now = "AS OF POSITION 70000", "FOR SYSTEM_TIME AS OF '2099-01-01'"
    assert run("query", f"SELECT count(*), sum(a) FROM t {before}")[1] == "70000,70000"
    whole = rh.folder / "whole"
    shutil.copytree(rh.folder / "mirror", whole)
    database = (rh.folder / "rhei.db").read_bytes()
    lost = 0
    for name in sorted(file.name for file in whole.glob("b-s-*")):
        shutil.rmtree(rh.folder / "mirror")
        shutil.copytree(whole, rh.folder / "mirror")
        for file in rh.folder.glob("rhei.db*"):
            file.unlink()
        (rh.folder / "rhei.db").write_bytes(database)
        (rh.folder / "mirror" / name).unlink()
        left = {file.name: file.read_bytes() for file in (rh.folder / "mirror").iterdir()}
        refused = rh.run("query", f"SELECT count(*), sum(a) FROM t {before}", "--config", "rhei.toml", code=1)
        assert "rh repair mends the folder" in refused.stderr and refused.stdout == ""
        assert {file.name: file.read_bytes() for file in (rh.folder / "mirror").iterdir()} == left  # a question changes nothing
        rh.run("repair", "--config", "rhei.toml", code=None)
        for _ in range(2):  # also once the folder was written anew
            told = run("query", f"SELECT count(*), sum(a) FROM t {before}")[1]
            assert told in ("70000,70000", "0,"), name  # a file of the table alone takes no version with it
            assert run("query", f"SELECT count(*), sum(a) FROM t {now}")[1] == "70000,84000", name
        lost += told == "0,"
        assert (run("query", "SELECT kept_from_seq FROM history.tables")[1] == "84000") == (told == "0,")
        run("exec", "UPDATE t SET a = 7 WHERE id = 1")
        run("sync")
        assert run("query", "SELECT count(*), sum(a) FROM t AS OF POSITION 84000")[1] == "70000,84000"
        assert run("query", f"SELECT count(*), sum(a) FROM t {now}")[1] == "70000,84006"
    assert lost > 0


def spoil(victim):
    data = bytearray(victim.read_bytes())
    data[len(data) // 3] ^= 1
    victim.write_bytes(bytes(data))


@pytest.fixture
def kept(rh):
    """A table and its history in a folder, each in files of its own, and how the table's are known from the history's."""
    (rh.folder / "rhei.toml").write_text('[engine]\nsync_mode = "temporal"\nolap_path = "mirror"\n')
    rh.run("exec", "--config", "rhei.toml", "--capture", "CREATE TABLE t (id INTEGER PRIMARY KEY, s TEXT); WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL "
           "SELECT i + 1 FROM n WHERE i < 70000) INSERT INTO t SELECT i, 'row ' || i FROM n")
    rh.run("sync", "--config", "rhei.toml")
    return rh


def column_names(file):
    return read_segment(file).schema.names


@pytest.mark.parametrize("of", ["table", "history"])
def test_a10_a_question_changes_nothing_where_it_finds_damage(kept, of):
    """A look that found it on its way to another answer asks nobody who would set the file aside."""
    for victim in sorted((kept.folder / "mirror").glob("b-s-*")):
        if (len(column_names(victim)) > 2) == (of == "history"):
            spoil(victim)
    before = {file.name: file.read_bytes() for file in (kept.folder / "mirror").iterdir()}
    past = "SELECT count(*), max(s), sum(id) FROM t_history"
    asked = kept.run("query", "--config", "rhei.toml", "--route", "olap", f"{past}; SELECT max(s), sum(id) FROM t; {past}", code=1)
    assert "which is damaged" in asked.stderr and "it was left as it is" in asked.stderr and "IO" in asked.stderr, asked.stderr
    assert "set aside" not in asked.stderr
    assert {file.name: file.read_bytes() for file in (kept.folder / "mirror").iterdir()} == before


@pytest.mark.parametrize("of", ["table", "history", "delta"])
def test_a10_what_a_damaged_file_takes_with_it_is_told_as_it_is(kept, open_engine, of):
    kept.run("exec", "--config", "rhei.toml", "UPDATE t SET s = 'new' WHERE id = 1")
    kept.run("sync", "--config", "rhei.toml")
    files = sorted((kept.folder / "mirror").glob("b-d-*" if of == "delta" else "b-s-*"))
    victims = [file for file in files if of == "delta" or (len(column_names(file)) > 2) == (of == "history")]
    assert victims
    for victim in victims:
        spoil(victim)
    engine = open_engine(kept.folder / "rhei.db", olap_path=kept.folder / "mirror", config_file=kept.folder / "rhei.toml")
    engine.initial_sync()
    for sql in ("SELECT max(s), sum(id) FROM t", "SELECT max(s), sum(id) FROM t_history"):
        try:
            engine.query(sql, route="auto" if of == "delta" else "olap")
        except RheiError as error:
            assert error.name in ("IO", "OLAP_UNAVAILABLE"), error
    texts = [text for _, _, text in engine.log]
    assert any("set aside" in text or victims[0].name in text for text in texts), texts
    assert any("its table is built again" in text for text in texts) == (of == "table"), texts
    assert any("versions of" in text and "lost" in text for text in texts) == (of != "table"), texts
    assert not any("doesn't have the change" in text for text in texts), texts


# ---- Files that are whole, but not the ones. --------------------------------------------------------------------------------------------------------


def fill_with(open_engine, database, place, factor):
    engine = open_engine(database, olap_path=place)
    engine.execute("INSERT INTO t SELECT value, value * ? FROM (WITH RECURSIVE n(value) AS (VALUES(1) UNION ALL SELECT value + 1 FROM n "
                   "WHERE value < ?) SELECT value FROM n)", factor, ROWS)
    engine.sync()
    engine.close()


def segments(place):
    return sorted(file.name for file in place.glob("b-s-*"))


def without_sums(data):
    """The bytes of a manifest or delta as a version before the sums wrote them, and how many there were."""
    start = 9 * 8 + 8 + (struct.unpack_from("<Q", data, 9 * 8)[0] + 7) // 8 * 8 + (8 if data[8] % 2 == 0 else 0)
    kept, at, sums = data[:start], start, 0
    while at < len(data) - 8:
        kind, size = struct.unpack_from("<2Q", data, at)
        kept += b"" if kind == 7 else data[at:at + 16 + size]
        sums += kind == 7
        at += 16 + size
    return kept + struct.pack("<Q", xxh64(kept)), sums


@pytest.fixture
def two(path, folder, open_engine):
    """A database with its folder, and another one that began as its copy: their files have the same numbers, and other rows."""
    place, other = folder / "mirror", folder / "other"
    engine = open_engine(olap_path=place)
    engine.script("CREATE TABLE t (id INTEGER PRIMARY KEY, v INTEGER)")
    engine.sync()
    engine.close()
    shutil.copy(path, folder / "other.db")
    shutil.copytree(place, other)
    fill_with(open_engine, path, place, 1)
    fill_with(open_engine, folder / "other.db", other, 2)
    assert segments(place) == segments(other) != []
    return place, other


def test_a10_a_file_of_another_folder_with_the_same_number_is_refused(path, two, open_engine):
    place, other = two
    name = segments(place)[0]
    shutil.copy(other / name, place / name)
    engine = open_engine(olap_path=place)
    engine.initial_sync()
    told = [text for _, _, text in engine.log if name.removeprefix("b-") in text]
    assert len(told) == 1 and "it is a file of another folder, or of another time" in told[0], engine.log
    assert (place / name.replace("b-", "x-", 1)).exists()
    assert engine.query("SELECT count(*), sum(v), max(v) FROM t", route="olap").rows == [(ROWS, ROWS * (ROWS + 1) // 2, ROWS)]
    engine.verify()


def test_a10_a_folder_that_an_older_version_wrote_is_taken_over(path, two, open_engine):
    """Before each segment had its sum beside it, a manifest said no more than its number."""
    place, _ = two
    sums = 0
    for file in [place / "manifest", *place.glob("b-d-*")]:
        head = 16 if file.name == "manifest" else 0
        data = file.read_bytes()
        old, found = without_sums(data[head:])
        file.write_bytes(data[:head] + old)
        sums += found
    assert sums == len(segments(place))
    engine = open_engine(olap_path=place)
    engine.initial_sync()
    assert json.loads(engine.info())["disk"]["restored_tables"] == 1 and not engine.log
    engine.verify()
