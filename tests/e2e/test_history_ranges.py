"""A9: FROM a TO b and BETWEEN a AND b tell what AS OF does of each of their times: all versions, those of what is kept, or a refusal that names both ends of
the gap. By chance, against AS OF, with gaps and with versions that were forgotten.
"""

import json
from random import Random

import pytest

from foreign import shell
from rh_program import rh  # noqa: F401 (a fixture)
from rhei_engine import RheiError

ROUTES = ("auto", "olap", "oltp")


@pytest.fixture
def start(folder, open_engine):
    def opened(more=""):
        (folder / "temporal.toml").write_text(f'[engine]\nsync_mode = "temporal"\n{more}')
        engine = open_engine(config_file=folder / "temporal.toml", olap_path=folder / "mirror", manual_sync=True)
        engine.initial_sync()
        return engine
    return opened


def gaps(engine):
    return json.loads(engine.info())["history"]["gaps"]


class Asked:
    """What is known of t by the time; None: refused."""

    def __init__(self, engine, random):
        self.engine, self.random, self.seen = engine, random, {}
        versions = engine.query("SELECT _rhei_valid_from, _rhei_valid_to FROM t FOR SYSTEM_TIME ALL").rows
        times = {value for row in versions for value in row if value is not None}
        for gap in gaps(engine):
            times |= {gap["from_us"], gap["to_us"]}
        self.times = sorted({time + by for time in times for by in (-1, 0, 1)})

    def rows(self, sql, *values):
        try:
            return {row[0] for row in self.engine.query(sql, *values, route=self.random.choice(ROUTES)).rows}
        except RheiError as refused:
            assert refused.name == "NOT_FOUND" and "doesn't know what the table was between" in refused.message, refused
            return None

    def as_of(self, time):
        if time not in self.seen:
            self.seen[time] = self.rows(f"SELECT v FROM t FOR SYSTEM_TIME AS OF {time}")
        return self.seen[time]

    def expected(self, first, last):
        parts = [self.as_of(time) for time in [first] + [time for time in self.times if first < time <= last]]
        return None if None in parts else set().union(*parts)

    def check(self):
        """How many ranges had rows, and how many were refused."""
        known = refused = 0
        lasting = " WHERE _rhei_operation <> 'D' AND (_rhei_valid_to IS NULL OR _rhei_valid_to > _rhei_valid_from)"
        for _ in range(40):
            a, b = sorted(self.random.sample(self.times, 2))
            for words, last in (("FROM {} TO {}", b - 1), ("BETWEEN {} AND {}", b)):
                wanted = self.expected(a, last)
                assert self.rows("SELECT v FROM t FOR SYSTEM_TIME " + words.format(a, b) + lasting) == wanted, (words, a, b)
                assert self.rows("SELECT v FROM t FOR SYSTEM_TIME " + words.format("?", "?") + lasting, a, b) == wanted, (words, a, b)
                known, refused = known + (wanted is not None and len(wanted) > 0), refused + (wanted is None)
        return known, refused


NEXT = "(SELECT max(v) + 1 FROM t_values)"
NOTED = "INSERT OR IGNORE INTO t_values SELECT v FROM t"


def write(engine, random, times):
    for _ in range(times):
        kind, row = random.randrange(4), "(SELECT id FROM t ORDER BY random() LIMIT 1)"
        engine.execute(f"INSERT INTO t (v) SELECT {NEXT}" if kind == 0 else f"DELETE FROM t WHERE id = {row}" if kind == 1
                       else f"UPDATE t SET v = {NEXT} WHERE id = {row}")
        engine.execute(NOTED)
        engine.sync()


def begin(engine):
    engine.script("CREATE TABLE t (id INTEGER PRIMARY KEY, v INTEGER); CREATE TABLE t_values (v INTEGER PRIMARY KEY); "
                  "INSERT INTO t_values VALUES (0); INSERT INTO t VALUES (1, 0)")
    engine.initial_sync()


@pytest.mark.parametrize("seed", range(4))
def test_a9_a_range_is_told_as_its_times_are(seed, start, path):
    random = Random(seed)
    engine = start()
    begin(engine)
    for change in ("ALTER TABLE t ADD COLUMN n", "VACUUM", None)[seed % 3:]:
        write(engine, random, 8)
        if change is not None:
            shell(path, f"UPDATE t SET v = {NEXT} WHERE id = (SELECT min(id) FROM t); INSERT INTO t (v) SELECT {NEXT}; {NOTED}; {change};")
            engine.initial_sync()
    found = gaps(engine)
    known, refused = Asked(engine, random).check()
    assert known > 0 and (refused > 0) == (len(found) > 0), found
    engine.close()
    engine = start()
    assert gaps(engine) == found  # the folder has it
    assert Asked(engine, random).check()[0] > 0


@pytest.mark.parametrize("seed", range(3))
def test_a9_a_range_begins_where_versions_were_forgotten(seed, start):
    random = Random(seed)
    engine = start("history_max_versions = 1\n")
    begin(engine)
    for _ in range(3):
        engine.execute(f"UPDATE t SET v = {NEXT}")
        engine.execute(NOTED)
        engine.sync()
    engine.close()  # which looks once
    engine = start()
    kept = engine.query("SELECT max(kept_from) FROM history.tables WHERE table_name = 't'").value
    assert kept
    write(engine, random, 8)
    asked = Asked(engine, random)
    assert asked.check()[0] > 0
    assert asked.rows(f"SELECT v FROM t FOR SYSTEM_TIME FROM 0 TO {kept}") == set()
    assert asked.rows(f"SELECT v FROM t FOR SYSTEM_TIME FROM 0 TO {kept + 1}") == asked.as_of(kept) != set()
    assert any('the history of table "t" begins at' in text for _, _, text in engine.log), engine.log


def test_a9_gaps_are_told_with_both_ends(rh):
    (rh.folder / "rhei.toml").write_text('[engine]\nsync_mode = "temporal"\nolap_path = "mirror"\n')

    def run(command, *arguments):
        return rh.run(command, *arguments, "--config", "rhei.toml").stdout

    run("exec", "--capture", "CREATE TABLE t (id INTEGER PRIMARY KEY, v); INSERT INTO t VALUES (1, 1)")
    run("sync")
    assert "but for" not in run("status")
    shell(rh.folder / "rhei.db", "UPDATE t SET v = 2; ALTER TABLE t ADD COLUMN n; UPDATE t SET v = 3;")
    run("sync")
    history = next(line for line in run("status").splitlines() if line.startswith("History"))
    gap, = json.loads(run("status", "--json"))["history_gaps"]
    assert gap["table"] == "t" and gap["from_position"] < gap["to_position"] and gap["from_us"] < gap["to_us"], gap
    assert f"(position {gap['from_position']}) and " in history and f"({gap['to_position']})" in history, history
