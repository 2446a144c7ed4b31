"""The demo's program over a small year of flights of the same shape: it must run through, compare and prove."""

import os
import random
import sqlite3
import subprocess
import sys
import time

import pytest

import postgres_server
import rh_program

TABLES = """
CREATE TABLE airlines (carrier TEXT PRIMARY KEY, name TEXT);
CREATE TABLE airports (faa TEXT PRIMARY KEY, name TEXT, lat REAL, lon REAL, alt INTEGER, tz INTEGER, dst TEXT, tzone TEXT);
CREATE TABLE planes (tailnum TEXT PRIMARY KEY, year INTEGER, type TEXT, manufacturer TEXT, model TEXT, engines INTEGER,
    seats INTEGER, speed INTEGER, engine TEXT);
CREATE TABLE weather (origin TEXT, year INTEGER, month INTEGER, day INTEGER, hour INTEGER, temp REAL, dewp REAL, humid REAL,
    wind_dir INTEGER, wind_speed REAL, wind_gust REAL, precip REAL, pressure REAL, visib REAL, time_hour TEXT);
CREATE TABLE flights (year INTEGER, month INTEGER, day INTEGER, dep_time INTEGER, sched_dep_time INTEGER, dep_delay INTEGER,
    arr_time INTEGER, sched_arr_time INTEGER, arr_delay INTEGER, carrier TEXT, flight INTEGER, tailnum TEXT, origin TEXT,
    dest TEXT, air_time INTEGER, distance INTEGER, hour INTEGER, minute INTEGER, time_hour TEXT);
"""
ORIGINS, CARRIERS = ["EWR", "JFK", "LGA"], ["AA", "B6", "UA"]


def fill(path, generator):
    connection = sqlite3.connect(path)
    connection.executescript(TABLES)
    connection.executemany("INSERT INTO airlines VALUES (?, ?)", [(carrier, f"{carrier} Air") for carrier in CARRIERS])
    connection.executemany("INSERT INTO airports (faa, name) VALUES (?, ?)", [(f"D{n:02}", f"Town {n}") for n in range(20)])
    connection.executemany("INSERT INTO planes (tailnum, manufacturer) VALUES (?, ?)",
                           [(f"N{n}", f"Maker {n % 7}") for n in range(100)])
    hours = [f"2013-{month:02}-01T{hour:02}:00:00Z" for month in range(1, 13) for hour in range(24)]
    connection.executemany("INSERT INTO weather (origin, wind_speed, time_hour) VALUES (?, ?, ?)",
                           [(origin, generator.uniform(0, 40), hour) for origin in ORIGINS for hour in hours])
    for _ in range(6000):
        delay = None if generator.random() < 0.03 else generator.randrange(-10, 200)
        hour = generator.choice(hours)
        connection.execute(
            "INSERT INTO flights (year, month, day, dep_time, dep_delay, arr_delay, carrier, flight, tailnum, origin, dest, distance, "
            "hour, time_hour) VALUES (2013, ?, 1, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (int(hour[5:7]), delay and 600, delay, delay, generator.choice(CARRIERS), generator.randrange(2000),
             f"N{generator.randrange(100)}", generator.choice(ORIGINS), f"D{generator.randrange(22):02}",
             generator.randrange(100, 3000), int(hour[11:13]), hour))
    connection.commit()
    connection.close()


def test_the_demo_runs_compares_and_proves(tmp_path):
    program = rh_program.BUILD / "tools" / "demo" / "rhei_demo"
    if not program.exists():
        pytest.fail(f"{program} is missing: build first")
    seed = int(time.time())
    print("seed", seed)
    fill(tmp_path / "flights.db", random.Random(seed))
    done = rh_program.Program(program, tmp_path).run("flights.db", timeout=120)
    lines = done.stdout.splitlines()
    assert done.stderr == "" and "\x1b" not in done.stdout
    assert sum(line.endswith("equal") for line in lines) >= 7 + 5, "seven questions and five tables"
    assert "DIFFERENT" not in done.stdout
    assert any("transactions committed" in line for line in lines)
    assert any("answered by SQLite" in line for line in lines), "the keyed read"


def test_the_demo_of_a_sidecar_follows_and_proves(tmp_path):
    script = postgres_server.ROOT / "scripts" / "demo_sidecar.py"
    done = subprocess.run([sys.executable, script, "--seconds", "3", "--scale", "1", "--rate", "300"], capture_output=True, text=True,
                          timeout=120, cwd=tmp_path, env={**os.environ, "RHEI_BUILD": str(rh_program.BUILD)})
    lines = done.stdout.splitlines()
    assert (done.returncode, done.stderr) == (0, ""), done.stdout
    assert sum(line.endswith("equal") for line in lines) == 5 and "DIFFERENT" not in done.stdout
    moved = next(line.split() for line in lines if line.strip().startswith("transactions   PostgreSQL"))
    assert int(moved[2]) > 0 and moved[2] == moved[4]
