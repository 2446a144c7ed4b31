"""Random tables, types and changes of PostgreSQL, followed in every mode with a history: what is now is compared with the server's own rows (S1, S3, S4), and
what was with what had been compared then (A9). RHEI_SEED=N repeats one; RHEI_LONG=1 goes on for much longer."""

import datetime
import random
import re
import time

import pytest

from postgres_server import PostgresServer
from rhei_engine import RheiError
from test_sidecar_postgres import until_seen as until
from test_sidecar_postgres_poll import Base, Session

MODES = ["logical", "poll", "full_diff"]


@pytest.fixture(scope="module", params=[15, 18])
def server(request):
    with PostgresServer(request.param) as made:
        made.sql("CREATE ROLE reader LOGIN")
        yield made


def text_of(chance):
    return "".join(chance.choice("abc'\"\\ \n\tÄ漢😀%_") for _ in range(chance.randrange(12)))


def quoted(text):
    return "'" + text.replace("'", "''") + "'"


def digits(chance, most, behind=""):
    return quoted(str(chance.choice([-1, 1]) * chance.randrange(10 ** chance.randrange(1, most))) + behind)


def day(chance):
    return f"{chance.randrange(1, 9999):04}-{chance.randrange(1, 13):02}-{chance.randrange(1, 29):02}"


def clock(chance):
    return f"{chance.randrange(24):02}:{chance.randrange(60):02}:{chance.randrange(60):02}" + chance.choice(["", ".5", ".123456"])


# How a value is written, and what the server's text of it is here. A REAL that is -0 there is 0 here.
TYPES = {
    "smallint": (lambda c: quoted(str(c.randrange(-32768, 32768))), int),
    "int": (lambda c: digits(c, 9), int),
    "bigint": (lambda c: digits(c, 18), int),
    "numeric": (lambda c: digits(c, 30, c.choice(["", ".5", ".000", "." + "1234567890" * 3])), str),
    "numeric(12,3)": (lambda c: digits(c, 8, ".125"), float),
    "numeric(16,0)": (lambda c: digits(c, 16), int),
    "double precision": (lambda c: quoted(repr(c.choice([0.1, -1e300, 5e-324, 1 / 3, c.random()]))), float),
    "text": (lambda c: quoted(text_of(c)), str),
    "varchar(40)": (lambda c: quoted(text_of(c)), str),
    "big": (lambda c: quoted(text_of(c) + chr(97 + c.randrange(26)) * c.choice([10, 3000, 9000])), str),
    "bytea": (lambda c: "'\\x" + c.randbytes(c.choice([0, 3, 3000])).hex() + "'", lambda text: bytes.fromhex(text[2:])),
    "boolean": (lambda c: c.choice(["true", "false"]), lambda text: int(text == "true")),
    "date": (lambda c: c.choice([quoted(day(c)), "'infinity'"]), str),
    "timestamp": (lambda c: quoted(f"{day(c)} {clock(c)}"), str),
    "timestamptz": (lambda c: quoted(f"{day(c)} {clock(c)}+02"), lambda text: text.replace("+00", "+00:00")),
    "time": (lambda c: quoted(clock(c)), str),
    "uuid": (lambda c: quoted(c.randbytes(16).hex()), str),
    "jsonb": (lambda c: c.choice(["'null'", "'{\"a\": [1, 2.50]}'", "'\"x\"'"]), str),
    "int[]": (lambda c: c.choice(["'{}'", "'{1,NULL,3}'", "'{{1,2},{3,4}}'"]), str),
    "mood": (lambda c: c.choice(["'sad'", "'ok'"]), str),
    "price": (lambda c: digits(c, 7, ".25"), float),
    "int4range": (lambda c: c.choice(["'empty'", "'[1,5)'"]), str),
}
KEYS = [("int",), ("bigint",), ("text",), ("uuid",), ("numeric",), ("int", "text"), ("date", "uuid", "smallint"), ("bytea",), ("mood", "int")]
CHANGED = {"smallint": "bigint", "int": "numeric", "bigint": "text", "text": "varchar(200)", "boolean": "text", "date": "timestamp"}
MADE = "CREATE TYPE mood AS ENUM ('sad', 'ok'); CREATE DOMAIN price AS numeric(12,2); CREATE DOMAIN big AS text"


class Table:
    def __init__(self, chance, name, mode):
        self.chance, self.name, self.mode, self.count = chance, name, mode, 0
        self.columns = {f"k{i}": kind for i, kind in enumerate(chance.choice(KEYS))}
        self.key = list(self.columns)
        for _ in range(chance.randrange(1, 6)):
            self.add(chance.choice(list(TYPES)))

    def add(self, kind):
        self.count += 1
        self.columns[f"c{self.count}"] = kind
        return f"c{self.count}"

    def made(self):
        columns = ", ".join(f"{name} {kind}" for name, kind in self.columns.items())
        sql = f"CREATE TABLE {self.name} ({columns}, updated_at timestamptz DEFAULT clock_timestamp(), PRIMARY KEY ({', '.join(self.key)}));"
        for name, kind in self.columns.items():
            sql += f"ALTER TABLE {self.name} ALTER {name} SET STORAGE EXTERNAL;" if kind in ("big", "bytea") else ""
        if self.mode == "logical" and self.chance.random() < 0.3:
            sql += f"ALTER TABLE {self.name} REPLICA IDENTITY FULL;"
        return sql

    def value(self, name, null=0.15):
        if name not in self.key and self.chance.random() < null:
            return "NULL"
        if name in self.key and self.columns[name] == "bytea":  # an index takes no long ones
            return "'\\x" + self.chance.randbytes(3).hex() + "'"
        return TYPES[self.columns[name]][0](self.chance)

    def others(self):
        return [name for name in self.columns if name not in self.key]

    def some(self):
        """Of the rows there are."""
        return f"(SELECT ctid FROM {self.name} ORDER BY md5({self.key[0]}::text || '{self.chance.random()}') LIMIT {self.chance.choice([1, 1, 2, 10])})"

    def insert(self):
        rows = []
        for _ in range(self.chance.choice([1, 3, 20])):
            rows.append("(" + ", ".join(f"{self.value(name)}::{kind}" for name, kind in self.columns.items()) + ")")
        return f"INSERT INTO {self.name} ({', '.join(self.columns)}) VALUES {', '.join(rows)} ON CONFLICT DO NOTHING"

    def update(self):
        names = self.chance.sample(self.others(), self.chance.randrange(0, len(self.others()) + 1)) if self.others() else []
        sets = ", ".join(["updated_at = clock_timestamp()", *(f"{name} = {self.value(name)}" for name in names)])
        return f"UPDATE {self.name} SET {sets} WHERE ctid IN {self.some()}"

    def move(self):
        """To a key that may be another row's: then it is as if nothing had been said."""
        name = self.chance.choice(self.key)
        more = f", {self.chance.choice(self.others())} = NULL" if self.others() and self.chance.random() < 0.5 else ""
        return (f"DO $$ BEGIN UPDATE {self.name} SET updated_at = clock_timestamp(), {name} = {self.value(name)}{more} WHERE ctid = "
                f"(SELECT ctid FROM {self.name} LIMIT 1); EXCEPTION WHEN unique_violation THEN NULL; END $$")

    def statement(self):
        kinds = [(self.insert, 4), (self.update, 5)]
        if self.mode != "poll":  # which sees no deletion
            kinds += [(self.move, 2), (lambda: f"DELETE FROM {self.name} WHERE ctid IN {self.some()}", 3), (lambda: f"TRUNCATE {self.name}", 0.2)]
        made, = self.chance.choices([kind for kind, _ in kinds], [weight for _, weight in kinds])
        return made()

    def alter(self):
        """One of its own; the names of columns that came, went or changed aren't used again."""
        what = self.chance.choice(["add", "default", "drop", "rename", "type"])
        if what in ("add", "default") or not self.others():
            kind = self.chance.choice(list(TYPES))
            name = self.add(kind)
            default = f" DEFAULT {self.value(name)}" if what == "default" else ""
            return f"ALTER TABLE {self.name} ADD COLUMN {name} {kind}{default}"
        name = self.chance.choice(self.others())
        kind = self.columns.pop(name)
        if what == "drop":
            return f"ALTER TABLE {self.name} DROP COLUMN {name}"
        if what == "type" and kind in CHANGED:
            other = self.add(CHANGED[kind])
            return f"ALTER TABLE {self.name} ALTER {name} TYPE {CHANGED[kind]}; ALTER TABLE {self.name} RENAME {name} TO {other}"
        return f"ALTER TABLE {self.name} RENAME {name} TO {self.add(kind)}"

    def there(self, base):
        fields = "||','||".join(f"coalesce('v' || encode(convert_to({name}::text, 'UTF8'), 'hex'), 'n')" for name in self.columns)
        rows = []
        for line in base.sql(f"SELECT {fields} FROM {self.name}").splitlines():
            words = [None if word == "n" else bytes.fromhex(word[1:]).decode() for word in line.split(",")]
            rows.append(tuple(None if word is None else TYPES[kind][1](word) for word, kind in zip(words, self.columns.values())))
        return sorted(rows, key=repr)

    def here(self, engine, behind="", columns=None):
        return sorted(map(tuple, engine.query(f"SELECT {', '.join(columns or self.columns)} FROM app.{self.name}{behind}").rows), key=repr)


TYPES["varchar(200)"] = TYPES["text"]


def transaction(chance, tables):
    sql = "BEGIN"
    for _ in range(chance.choice([1, 1, 2, 5])):
        statement = chance.choice(tables).statement()
        what = chance.random()
        if what < 0.1:
            statement = f"SAVEPOINT s; {statement}; ROLLBACK TO s"
        elif what < 0.2:
            statement = f"SAVEPOINT s; {statement}; RELEASE s"
        sql += "; " + statement
    return sql + ("; ROLLBACK" if chance.random() < 0.05 else "; COMMIT")


class Moments:
    """What was compared with the server at some moments: later, the past has to be the same, column for column."""

    def __init__(self):
        self.list, self.alters = [], []

    def altered(self):
        self.alters.append(int(time.time() * 1e6))

    def is_gap(self, at, told):
        """Between the last change before an ALTER and the load behind it nobody knows the table: refused, with both ends."""
        ends = [int(datetime.datetime.fromisoformat(end).timestamp() * 1e6) for end in re.findall(r"(\S+Z) and (\S+Z), when it was loaded again", told)[0]]
        return ends[0] <= at <= ends[1] and any(ends[0] <= altered <= ends[1] for altered in self.alters)

    def note(self, engine, tables):
        at = int(time.time() * 1e6)
        self.list.append((at, {table.name: (list(table.columns.items()), table.here(engine)) for table in tables}))

    def check(self, engine, tables, chance, most):
        for at, seen in chance.sample(self.list, min(most, len(self.list))):
            for table in tables:
                columns, rows = seen[table.name]
                kept = [i for i, (name, kind) in enumerate(columns) if table.columns.get(name) == kind]
                names = [columns[i][0] for i in kept]
                expected = sorted((tuple(row[i] for i in kept) for row in rows), key=repr)
                try:
                    found = table.here(engine, f" FOR SYSTEM_TIME AS OF {at}", names)
                except RheiError as error:
                    assert error.name == "NOT_FOUND" and self.is_gap(at, str(error)), (table.name, at, self.alters, error, engine.log)
                    continue
                assert found == expected, (table.name, at, [row for row in found if row not in expected][:3], [row for row in expected if row not in found][:3])


def whole(engine, table):
    """Half-open intervals, one behind the other."""
    same = " AND ".join(f"x.{name} = y.{name}" for name in table.key)
    return engine.query(f"SELECT count(*) FROM app.{table.name}_history x JOIN app.{table.name}_history y ON {same} WHERE x._rhei_seq < y._rhei_seq "
                        "AND (x._rhei_valid_to IS NULL OR x._rhei_valid_to > y._rhei_valid_from)").value == 0


@pytest.mark.parametrize("mode", MODES)
def test_s1_s3_s4_a9_random_changes_are_followed_and_remembered(spawn, server, tmp_path, rng, long, mode):
    chance, base, moments = random.Random(rng.first_seed), Base(server), Moments()
    base.sql(MADE)
    tables = [Table(chance, f"t{i}", mode) for i in range(chance.randrange(1, 4))]
    base.sql("".join(table.made() for table in tables))
    base.sql("; ".join(table.insert() for table in tables))
    detection = '[sidecar.delete_detection]\nmode = "full_diff"\nevery_n_cycles = 1\n' if mode == "full_diff" else ""
    slot = f'publication = "{base.name}"\nslot = "{base.name}"\n' if mode == "logical" else ""
    file = tmp_path / "side.toml"
    file.write_text(f'[engine]\nsync_mode = "temporal"\n[sidecar]\nname = "app"\nsource_type = "postgres"\nmode = "{"logical" if slot else "poll"}"\n'
                    f'source_path = "{base.conninfo.replace("user=reader", "user=postgres")}"\n{slot}{detection}')
    engine = spawn()
    engine.open(None, config_file=file)
    same = lambda: all(table.here(engine) == table.there(base) for table in tables)  # noqa: E731
    until(same)
    moments.note(engine, tables)
    with Session(base) as psql:
        for step in range(150 if long else 6):
            altered = chance.random() < 0.25
            for _ in range(chance.choice([1, 3, 8])):
                psql.run(transaction(chance, tables))
            if altered:
                moments.altered()
                psql.run(chance.choice(tables).alter())
                psql.run(transaction(chance, tables))
            if mode == "logical" and not altered:
                assert same(), [(table.name, table.columns) for table in tables if table.here(engine) != table.there(base)]
            until(same)
            moments.note(engine, tables)
            moments.check(engine, tables, chance, 3)
    moments.check(engine, tables, chance, 1000)
    assert all(whole(engine, table) for table in tables)
    engine.close()
    if slot:
        until(lambda: base.sql(f"SELECT 1 FROM pg_replication_slots WHERE slot_name = '{base.name}' AND active") == "")
        base.sql(f"SELECT pg_drop_replication_slot('{base.name}')")
