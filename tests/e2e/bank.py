"""The bank that driver_bank.c, the shell and Python write to: transfers between accounts of two tables."""

import random
import sqlite3
import subprocess
import threading

import foreign

ACCOUNTS = 50
TOTAL = 2 * ACCOUNTS * 1000

SCHEMA = f"""
CREATE TABLE checking (id INTEGER PRIMARY KEY, owner TEXT, balance INTEGER NOT NULL);
CREATE TABLE savings (name TEXT PRIMARY KEY, balance INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE journal (id INTEGER PRIMARY KEY, source INTEGER, target INTEGER, amount INTEGER, way TEXT);
CREATE TABLE wire (slot INTEGER PRIMARY KEY, id INTEGER UNIQUE, source INTEGER, target INTEGER, amount INTEGER);
CREATE TRIGGER wire_it AFTER INSERT ON wire BEGIN
  UPDATE checking SET balance = balance - new.amount WHERE id = new.source;
  UPDATE savings SET balance = balance + new.amount WHERE name = 'account ' || new.target;
  INSERT INTO journal VALUES (new.id, new.source, new.target, new.amount, 'wire');
END;
WITH RECURSIVE n(i) AS (VALUES (1) UNION ALL SELECT i + 1 FROM n WHERE i < {ACCOUNTS})
  INSERT INTO checking SELECT i, 'owner ' || i, 1000 FROM n;
WITH RECURSIVE n(i) AS (VALUES (1) UNION ALL SELECT i + 1 FROM n WHERE i < {ACCOUNTS})
  INSERT INTO savings SELECT 'account ' || i, 1000 FROM n;
"""


def create(path):
    foreign.shell(path, SCHEMA)


def transfer_sql(number, source, target, amount, way):
    return (f"UPDATE checking SET balance = balance - {amount} WHERE id = {source};"
            f"UPDATE savings SET balance = balance + {amount} WHERE name = 'account {target}';"
            f"INSERT INTO journal VALUES ({number}, {source}, {target}, {amount}, '{way}');")


class ForeignBank(threading.Thread):
    """Transfers by Python, and every tenth batch by the shell; `acknowledged` are those whose COMMIT returned."""

    def __init__(self, path, first, seed):
        super().__init__(daemon=True)
        self.path, self.next, self.rng = path, first, random.Random(seed)
        self.acknowledged, self.stopping, self.failure = [], threading.Event(), None

    def _transfer(self, way):
        number = self.next
        self.next += 1
        return number, transfer_sql(number, self.rng.randrange(1, ACCOUNTS + 1), self.rng.randrange(1, ACCOUNTS + 1),
                                    self.rng.randrange(100), way)

    def _by_shell(self):
        batch = [self._transfer("shell") for _ in range(5)]
        script = "".join(f"BEGIN IMMEDIATE; {sql} COMMIT; SELECT 'ack {number}';\n" for number, sql in batch)
        said = foreign.shell(self.path, script)
        self.acknowledged += [int(line[4:]) for line in said.splitlines() if line.startswith("ack ")]

    def _by_python(self, connection):
        number, sql = self._transfer("python")
        connection.execute("BEGIN IMMEDIATE")
        for statement in sql.split(";")[:-1]:
            connection.execute(statement)
        connection.execute("COMMIT")
        self.acknowledged.append(number)

    def run(self):
        connection = foreign.connect(self.path)
        try:
            turn = 0
            while not self.stopping.wait(0.002):
                turn += 1
                if turn % 10 == 0:
                    self._by_shell()
                else:
                    self._by_python(connection)
        except (sqlite3.Error, foreign.ShellError, subprocess.TimeoutExpired) as failure:
            self.failure = failure
        finally:
            connection.close()

    def stop(self):
        self.stopping.set()
        self.join(60)
        assert not self.is_alive()
        assert self.failure is None, self.failure


def check(path, acknowledged, refused):
    """Every acknowledged transfer is there once and whole, no refused one is, and nothing is half done."""
    foreign.assert_whole(path)
    journal = dict((number, (source, target, amount)) for number, source, target, amount in
                   foreign.rows(path, "SELECT id, source, target, amount FROM journal"))
    lost = [number for number in acknowledged if number not in journal]
    assert not lost, f"acknowledged, but not there: {lost[:10]}"
    kept = [number for number in refused if number in journal]
    assert not kept, f"refused, but there: {kept[:10]}"
    checking = {account: 1000 for account in range(1, ACCOUNTS + 1)}
    savings = dict(checking)
    for source, target, amount in journal.values():
        checking[source] -= amount
        savings[target] += amount
    assert dict(foreign.rows(path, "SELECT id, balance FROM checking")) == checking
    assert dict(foreign.rows(path, "SELECT name, balance FROM savings")) == {f"account {n}": s for n, s in savings.items()}
