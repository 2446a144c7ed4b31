"""A1-A4, A7, A10: the change buffer (rocksdb_cdc_path): what is moved into it, what is read back, and what a crash leaves."""

import json
import shutil
import sqlite3
import time

import pytest

from rhei_engine import RheiError
from test_disk import SCHEMA, TABLES, assert_all, change, make


@pytest.fixture
def place(folder):
    return folder / "buffer"


def buffer(engine):
    return json.loads(engine.info())["buffer"]


def log(path):
    """First and last number of the change log in the file."""
    with sqlite3.connect(path) as file:
        return file.execute("SELECT min(seq), max(seq) FROM _rhei_cdc_log").fetchone()


def await_true(wanted, what):
    until = time.monotonic() + 60
    while not wanted():
        assert time.monotonic() < until, what()
        time.sleep(0.02)


def await_moved(engine, path):
    """Everything that was committed is in the buffer, and the log in the file has its last row alone."""
    await_true(lambda: len(set(log(path))) == 1 and buffer(engine)["position"] == log(path)[1], lambda: (buffer(engine), log(path)))


def test_a7_the_log_goes_into_the_buffer_while_no_mirror_follows(path, place, open_engine):
    engine = open_engine(rocksdb_cdc_path=place, manual_sync=True)
    make(engine)
    await_moved(engine, path)
    for seed in range(5):
        change(engine, seed)
    await_moved(engine, path)
    assert buffer(engine)["bytes"] > 0 and buffer(engine)["message"] == ""
    assert_all(engine)  # what it missed comes from the buffer
    assert engine.log == []
    engine.close()
    engine.open(path, rocksdb_cdc_path=place)
    engine.initial_sync()
    assert_all(engine)
    change(engine, 99)
    assert_all(engine)
