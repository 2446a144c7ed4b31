"""A2, A3, A10: the column store in a folder as Vortex files (olap_format): all that holds for Arrow files, and a folder that has both."""

import json
import random

import pytest

from rhei_engine import RheiError
from rh_program import rh  # noqa: F401 (fixture)
from segment_files import has_vortex, read_segment
from test_care import in_folder, turn_bit  # noqa: F401 (fixture)
from test_disk import QUESTIONS, TABLES, assert_all, await_all, change, disk, make, restored
from test_disk_evict import LIMIT, wait_for
from test_disk_evict import make as make_big
from test_rh_status import filled  # noqa: F401 (fixture)

TOLD = "Vortex files need Rhei's DataFusion library"


@pytest.fixture(autouse=True)
def library(build, monkeypatch):
    if not has_vortex(build):
        pytest.skip("the DataFusion library isn't built: ./dev setup --with datafusion")
    monkeypatch.setenv("RHEI_OLAP_FORMAT", "vortex")  # for the program rh; a handle of the tests' says its own


@pytest.fixture
def place(folder):
    return folder / "mirror"


def files(place, ending):
    return sorted(place.glob(f"b-s-*.{ending}"))


def answers(engine):
    return [engine.query(question, route="olap").rows for question in QUESTIONS]


def test_a2_the_next_opening_takes_vortex_files_over(place, open_engine):
    engine = open_engine(olap_path=place, olap_format="vortex")
    make(engine, 70000)
    expected = answers(engine)
    engine.close()
    assert files(place, "vortex") and not files(place, "arrow")
    assert sum(file.stat().st_size for file in files(place, "vortex")) < 70000 * 30
    for life in range(3):
        engine = open_engine(olap_path=place, olap_format="vortex")
        assert restored(engine) == len(TABLES) and disk(engine)["message"] == ""
        if life == 0:
            assert answers(engine) == expected
        change(engine, life)
        assert_all(engine)
        engine.close()


def test_c3_other_tools_read_the_vortex_files(place, open_engine):
    engine = open_engine(olap_path=place, olap_format="vortex")
    make(engine, 70000)
    engine.checkpoint()
    held = dict(engine.query("SELECT id, customer FROM orders", limit=80000, route="oltp").rows)
    read = {}
    for file in files(place, "vortex"):
        table = read_segment(file)
        if table.column_names[:2] == ["id", "customer"]:
            assert table.column_names == ["id", "customer", "amount", "note"]
            read.update(zip(table.column("id").to_pylist(), table.column("customer").to_pylist()))
    assert len(read) > 60000 and all(held[key] == customer for key, customer in read.items())


def test_a2_a_folder_goes_on_in_the_other_format(place, open_engine):
    """What is there stays as it is and is read; what is new is written as the handle says. Nothing is loaded, versions stay."""
    config = place.parent / "rhei.toml"
    config.write_text('[engine]\nsync_mode = "temporal"\n')
    engine = open_engine(olap_path=place, olap_format="arrow", config_file=config)
    make(engine, 70000)
    position = engine.query("SELECT max(id) FROM orders", route="olap").position
    engine.close()
    before = files(place, "arrow")
    assert before
    for life, (name, other) in enumerate([("vortex", "arrow"), ("arrow", "vortex"), ("vortex", "arrow")]):
        engine = open_engine(olap_path=place, olap_format=name, config_file=config)
        assert restored(engine) == len(TABLES) and disk(engine)["message"] == ""
        engine.execute("INSERT INTO plain SELECT id + ?, customer FROM orders", 1000000 * (life + 1))
        assert_all(engine)
        assert engine.query(f"SELECT count(*) FROM orders AS OF POSITION {position}").rows == [(70000,)]
        engine.close()
        assert files(place, name) and files(place, other)


def test_a10_without_the_library_vortex_files_are_left_alone(place, open_engine, spawn, path, monkeypatch):
    engine = open_engine(olap_path=place, olap_format="vortex")
    make(engine, 70000)
    engine.close()
    there = sorted((file.name, file.read_bytes()) for file in place.iterdir() if file.name.startswith(("b-", "manifest")))
    monkeypatch.setenv("RHEI_DATAFUSION", "/nowhere/librhei_datafusion.so")
    monkeypatch.delenv("RHEI_BACKEND", raising=False)  # DataFusion is in the same library
    for name in ["vortex", "arrow"]:
        with pytest.raises(RheiError, match=TOLD) as told:
            spawn().open(path, olap_path=place, olap_format=name)
        assert told.value.name == "OLAP_UNAVAILABLE" and "./dev setup --with datafusion" in told.value.message
    assert sorted((file.name, file.read_bytes()) for file in place.iterdir() if file.name.startswith(("b-", "manifest"))) == there
    look = open_engine(olap_path=place, olap_format="arrow", read_only=True)  # which is answered from memory
    look.initial_sync()
    assert look.query("SELECT count(*) FROM orders").rows == [(70000,)]
    look.close()
    monkeypatch.undo()
    engine = open_engine(olap_path=place)
    assert restored(engine) == len(TABLES)


def test_a10_a_turned_bit_in_a_vortex_file_is_never_an_answer(place, open_engine):
    rng = random.Random(5)
    engine = open_engine(olap_path=place, olap_format="vortex")
    make(engine, 70000)
    expected = answers(engine)
    engine.close()
    for _ in range(8):
        victim = rng.choice(files(place, "vortex"))
        data = bytearray(victim.read_bytes())
        data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
        victim.write_bytes(data)
        engine = open_engine(olap_path=place, olap_format="vortex", prefer_olap=True)
        assert [engine.query(question).rows for question in QUESTIONS] == expected
        await_all(engine)
        assert answers(engine) == expected
        engine.close()


def test_a10_verify_finds_a_vortex_file_that_is_not_as_it_was(in_folder):  # noqa: F811
    victim = files(in_folder.folder / "folder", "vortex")[-1]
    assert "are equal" in in_folder.run("verify", "--config", "rhei.toml").stdout
    turn_bit(victim)
    done = in_folder.run("verify", "--config", "rhei.toml", code=1)
    assert "DIFFERENT  t" in done.stdout and "equal      u" in done.stdout
    in_folder.run("repair", "--config", "rhei.toml")
    assert "are equal" in in_folder.run("verify", "--config", "rhei.toml").stdout


def test_a11_more_than_memory_has_room_for_is_read_out_of_vortex_files(folder, place, open_engine):
    engine = open_engine(olap_path=place, olap_format="vortex", olap_memory_limit=LIMIT, checkpoint_interval_ms=50)
    make_big(engine)
    wait_for(engine, lambda: disk(engine)["segments_in_files"] > 0)
    question = "SELECT count(*), sum(k), min(t), max(t), sum(r) FROM big"
    whole = engine.query(question, route="oltp").rows
    for _ in range(2):
        assert engine.query(question, route="olap").rows == whole
    engine.verify()
    engine.backup(folder / "copy")
    engine.close()
    copy = open_engine(folder / "copy" / "rhei.db", olap_path=folder / "copy" / "rhei.mirror", must_exist=True)
    assert json.loads(copy.info())["disk"]["restored_tables"] == 1
    assert copy.query(question, route="olap").rows == whole
