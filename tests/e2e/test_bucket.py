"""A2, A3, A10: the mirror in a bucket (olap_path = s3://...): taken over, killed at each step, cut off, slow, taken, refused."""

import json
import time
import urllib.request
import uuid
import xml.etree.ElementTree

import pytest

import foreign
from rh_program import rh  # noqa: F401
from rhei_engine import EngineDied, RheiError
from s3_bucket import BUCKET, Server
from segment_files import has_vortex
from tcp_proxy import TcpProxy
from test_disk import die_amid_sweeping, QUESTIONS, SCHEMA, TABLES, assert_all, await_disk, change, disk, make, restored
from test_processes import wait_until


@pytest.fixture(scope="module")
def server():
    made = Server("fake")
    yield made
    made.close()


class Place(str):
    """s3://bucket/prefix, and the objects that are there."""

    server = None

    def objects(self):
        prefix = self.removeprefix(f"s3://{BUCKET}/") + "/"
        with urllib.request.urlopen(f"http://127.0.0.1:{self.server.port}/{BUCKET}?list-type=2&prefix={prefix}") as answer:
            tree = xml.etree.ElementTree.parse(answer).getroot()
        space = tree.tag.partition("}")[0] + "}" if tree.tag.startswith("{") else ""
        return sorted(key.text.removeprefix(prefix) for key in tree.iter(f"{space}Key"))


@pytest.fixture
def place(server, monkeypatch):
    for name, value in server.variables().items():
        monkeypatch.setenv(name, value)
    made = Place(f"s3://{BUCKET}/{uuid.uuid4().hex[:12]}/mirror")
    made.server = server
    return made


@pytest.fixture
def temporal(folder):
    file = folder / "temporal.toml"
    file.write_text('[engine]\nsync_mode = "temporal"\n')
    return file


@pytest.fixture
def proxy(server, place, monkeypatch):
    """The way to the server, which can be cut."""
    with TcpProxy(server.port) as made:
        monkeypatch.setenv("AWS_ENDPOINT_URL_S3", f"http://127.0.0.1:{made.port}")
        yield made


def assert_same_answers(engine):
    for sql in QUESTIONS:
        assert engine.olap(sql).rows == engine.query(sql, route="oltp").rows, sql


def test_a2_the_next_opening_takes_the_mirror_over(place, open_engine):
    engine = open_engine(olap_path=place)
    make(engine, 70000)
    engine.close()
    assert any(name.startswith("b-s-") for name in place.objects()) and "lease" in place.objects()
    for life in range(3):
        engine = open_engine(olap_path=place)
        assert restored(engine) == len(TABLES) and disk(engine)["message"] == "", (disk(engine), engine.log)
        assert_all(engine)
        assert_same_answers(engine)
        change(engine, life)
        engine.close()
    assert len([name for name in place.objects() if name.startswith("manifest-")]) <= 8


def test_a2_a_crash_needs_no_load_and_nobody_waits_for_its_lease(place, open_engine):
    engine = open_engine(olap_path=place)
    make(engine)
    engine.close()
    engine = open_engine(olap_path=place)
    change(engine, 7)
    engine.sync()
    engine.kill()
    began = time.monotonic()
    engine = open_engine(olap_path=place)
    assert time.monotonic() - began < 30
    assert restored(engine) == len(TABLES)
    assert_all(engine)
    engine.close()


POINTS = ("checkpoint.begun", "checkpoint.segments", "checkpoint.encoded", "checkpoint.written", "checkpoint.swept", "store.lease.taken",
          "store.put.sent", "store.put.written", "store.put.done", "store.manifest.opened", "store.manifest.named", "store.manifest.done")


@pytest.mark.parametrize("point", POINTS)
def test_a2_kill_at_every_step_of_a_checkpoint(point, path, place, spawn, build):
    """In either format, the one after the other; but a Vortex file is too small to be sent in parts."""
    formats = ("arrow", "vortex" if has_vortex(build) and point != "store.put.sent" else "arrow")
    died = 0
    for life in range(1, 5):
        engine = spawn()
        try:
            engine.open(path, olap_path=place, prefer_olap=True, threads=1, die_point=point, die_at=1 + life // 2, olap_format=formats[life % 2])
            if life == 1:
                make(engine, 70000)
                if point == "store.put.sent":  # of a segment that is sent in parts
                    engine.script("CREATE TABLE wide (id INTEGER PRIMARY KEY, v TEXT)")
                    engine.execute("INSERT INTO wide SELECT id, printf('%0300d', id) FROM orders")
            engine.initial_sync()
            change(engine, life)
            assert_all(engine)
            engine.close()
        except EngineDied as death:
            assert death.code == -9, death
            died += 1
        engine.kill()
        engine = spawn()
        engine.open(path, olap_path=place, prefer_olap=True, threads=1, olap_format=formats[life % 2])
        engine.script(SCHEMA.replace("CREATE TABLE", "CREATE TABLE IF NOT EXISTS"))
        engine.initial_sync()
        assert_all(engine)
        assert disk(engine)["failures"] == 0, disk(engine)
        engine.close()
    assert died > 0


def test_a2_kill_amid_taking_away_what_nobody_names(path, place, spawn):
    die_amid_sweeping(path, place, spawn, lambda: len([name for name in place.objects() if name.startswith("b-s-")]))


def test_a2_an_outage_costs_no_statement_and_is_caught_up_with(place, proxy, open_engine):
    engine = open_engine(olap_path=place, checkpoint_interval_ms=200)
    make(engine)
    engine.checkpoint()
    kept = disk(engine)["position"]
    proxy.leave()
    began = time.monotonic()
    change(engine, 1)
    for sql in QUESTIONS:
        assert engine.query(sql).rows == engine.query(sql, route="oltp").rows
    assert time.monotonic() - began < 15
    await_disk(engine, lambda disk: disk["failures"] > 0 and "can't be reached" in disk["message"])
    assert disk(engine)["position"] == kept
    change(engine, 2)
    log = engine.query("SELECT min(seq) FROM _rhei_cdc_log", route="oltp").value
    assert log <= kept, "the log goes back to the newest checkpoint"
    proxy.come_back()
    await_disk(engine, lambda disk: disk["position"] > kept and disk["message"] == "")
    assert_all(engine)
    engine.close()
    engine = open_engine(olap_path=place)
    assert restored(engine) == len(TABLES)
    assert_all(engine)


def test_a2_a_cut_in_the_middle_of_a_flush(place, proxy, open_engine):
    engine = open_engine(olap_path=place, checkpoint_interval_ms=3600000)
    make(engine, 70000)
    for after in (1, 150, 400, 900):
        change(engine, after)
        proxy.cut_after(after)
        engine.checkpoint()  # tried again on another connection
        assert disk(engine)["message"] == ""
    engine.kill()
    engine = open_engine(olap_path=place)
    assert restored(engine) == len(TABLES)
    assert_all(engine)
    assert_same_answers(engine)


def test_a2_a_slow_server_costs_no_statement_anything(place, server, monkeypatch, open_engine):
    with TcpProxy(server.port, delay=0.4) as slow:
        monkeypatch.setenv("AWS_ENDPOINT_URL_S3", f"http://127.0.0.1:{slow.port}")
        engine = open_engine(olap_path=place, checkpoint_interval_ms=50)
        make(engine)
        for i in range(40):
            began = time.monotonic()
            engine.execute("INSERT INTO orders (customer, amount) VALUES ('late', ?)", i)
            assert engine.olap("SELECT count(*) FROM orders WHERE customer = 'late'").value == i + 1
            assert time.monotonic() - began < 3
        engine.checkpoint()
        engine.close()


def test_a3_a_server_that_is_away_at_the_opening(place, proxy, open_engine):
    """SQLite opens and answers, the mirror is built in memory, and what is in the bucket is left as it is for the next opening."""
    engine = open_engine(olap_path=place)
    make(engine)
    engine.close()
    before = place.objects()
    proxy.leave()
    began = time.monotonic()
    engine = open_engine(olap_path=place)
    assert time.monotonic() - began < 30
    assert "can't be reached" in disk(engine)["message"] and restored(engine) == 0
    change(engine, 1)
    engine.initial_sync()
    assert_all(engine)
    assert_same_answers(engine)
    with pytest.raises(RheiError, match="can't be reached"):
        engine.checkpoint()
    engine.close()
    proxy.come_back()
    assert place.objects() == before
    engine = open_engine(olap_path=place)
    assert restored(engine) == len(TABLES)
    assert_all(engine)


def quit_server(proxy, manner):
    proxy.fall_silent() if manner == "silent" else proxy.leave()


@pytest.mark.parametrize("manner", ["silent", "refuses"])
def test_a3_an_opening_waits_for_a_server_that_is_away_once(manner, place, proxy, open_engine):
    """However many steps of it ask: for a new file is looked first what is there."""
    quit_server(proxy, manner)
    began = time.monotonic()
    engine = open_engine(olap_path=place)
    assert 5 < time.monotonic() - began < 15
    assert "can't be reached" in disk(engine)["message"] or "too slow" in disk(engine)["message"], disk(engine)
    make(engine)
    assert_all(engine)
    engine.close()
    assert time.monotonic() - began < 40


def test_a3_a_closing_waits_for_a_server_that_is_away_once(place, proxy, open_engine):
    engine = open_engine(olap_path=place, checkpoint_interval_ms=3600000)
    make(engine, 70000)
    proxy.fall_silent()
    began = time.monotonic()
    engine.close()
    assert time.monotonic() - began < 35
    engine.kill()  # whose lease nobody waits for
    proxy.come_back()
    engine = open_engine(olap_path=place)
    engine.initial_sync()
    assert_all(engine)


@pytest.mark.parametrize("after", [3000, 20000])
def test_a10_a_server_that_goes_while_it_is_read_has_nothing_set_aside(place, proxy, temporal, open_engine, after):
    """What couldn't be read because nobody answered isn't damaged."""
    engine = open_engine(olap_path=place, config_file=temporal)
    make(engine, 70000)
    change(engine, 1)
    versions = engine.query("SELECT count(*) FROM orders FOR SYSTEM_TIME ALL").value
    engine.close()
    names = [name for name in place.objects() if name.startswith("b-")]
    proxy.leave_after(after)
    engine = open_engine(olap_path=place, config_file=temporal)
    engine.initial_sync()
    assert_all(engine)
    engine.kill()  # whose lease nobody waits for
    proxy.come_back()
    assert not [name for name in place.objects() if name.startswith("x-")]
    engine = open_engine(olap_path=place, config_file=temporal)
    assert engine.query("SELECT count(*) FROM orders FOR SYSTEM_TIME ALL").value == versions
    assert_all(engine)


@pytest.mark.parametrize("part, skip", [("/manifest-", 0), ("/b-d-", 0), ("/b-d-", 2), ("/b-s", 0), ("/b-s", 1), ("/b-s", 4)])
def test_a10_a_bit_that_changed_on_its_way_has_nothing_set_aside(part, skip, place, proxy, temporal, open_engine):
    """What is wrong is asked for once more before it counts as damaged."""
    engine = open_engine(olap_path=place, config_file=temporal)
    engine.script("CREATE TABLE t (id INTEGER PRIMARY KEY, a)")
    engine.execute("WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 140000) "
                   "INSERT INTO t SELECT i, i % 97 FROM n")
    engine.initial_sync()
    engine.checkpoint()
    for k in range(4):
        engine.execute("UPDATE t SET a = a + 1 WHERE id <= ?", k + 1)
        engine.sync()
        engine.checkpoint()
    sql = "SELECT count(*), sum(id), sum(a) FROM t FOR SYSTEM_TIME ALL"
    wanted = engine.query(sql).rows
    engine.kill()
    proxy.flip = (part, skip)
    engine = open_engine(olap_path=place, config_file=temporal)
    assert disk(engine)["message"] == "", disk(engine)
    assert engine.query(sql).rows == wanted
    assert proxy.flipped == 1
    engine.verify("t")
    assert not [name for name in place.objects() if name.startswith("x-")], engine.log
    engine.close()


def test_a10_one_place_one_handle(place, open_engine, spawn, folder):
    engine = open_engine(olap_path=place)
    make(engine)
    engine.checkpoint()
    with pytest.raises(RheiError, match="writes to") as told:
        spawn().open(folder / "other.db", olap_path=place)
    assert told.value.name == "BUSY" and "olap_path" in told.value.message
    assert not (folder / "other.db").exists()
    assert_all(engine)
    engine.close()


def test_a10_the_place_of_another_file_that_is_there_is_refused(path, place, open_engine, spawn, folder):
    engine = open_engine(olap_path=place)
    make(engine)
    engine.close()
    before = place.objects()
    with pytest.raises(RheiError, match="holds the column store of the database") as told:
        spawn().open(folder / "other.db", olap_path=place)
    assert told.value.name == "EXISTS" and str(path) in told.value.message
    assert place.objects() == before
    path.rename(folder / "moved.db")
    engine = open_engine(folder / "other.db", olap_path=place)
    assert restored(engine) == 0 and "another database file" in disk(engine)["message"]
    engine.close()


@pytest.mark.parametrize("olap_path, name, words", [
    ("s3://no-such-bucket-here/x", "NOT_FOUND", "no such bucket"),
    ("s3://", "INVALID", "olap_path"),
    ("gs://bucket/x", "INVALID", 'or in a bucket, s3://bucket/prefix; "gs://" is neither'),
    ("s3://key:secret@bucket/x", "INVALID", "credentials don't belong"),
])
def test_a10_a_name_that_is_a_mistake_refuses_the_opening(path, place, spawn, olap_path, name, words):
    with pytest.raises(RheiError) as told:
        spawn().open(path, olap_path=olap_path)
    assert told.value.name == name and words in told.value.message and told.value.message.startswith("olap_path"), told.value
    assert "secret" not in told.value.message and not path.exists()


def test_a10_a_server_that_ignores_conditions_refuses_the_opening(path, place, proxy, spawn):
    """As s3rver does: two writers couldn't be kept apart there."""
    proxy.edit = lambda data: data.replace(b"if-none-match", b"xf-none-match").replace(b"if-match", b"xf-match")
    with pytest.raises(RheiError) as told:
        spawn().open(path, olap_path=place)
    assert told.value.name == "UNSUPPORTED" and told.value.message.startswith("olap_path: "), told.value


def test_a10_wrong_credentials_refuse_the_opening(path, spawn, open_engine, monkeypatch):
    moto = Server("moto")
    try:
        for name, value in moto.variables(secret="wrong").items():
            monkeypatch.setenv(name, value)
        with pytest.raises(RheiError, match="credentials are wrong") as told:
            spawn().open(path, olap_path=f"s3://{BUCKET}/mirror")
        assert told.value.name == "CANT_OPEN"
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", moto.secret)
        engine = open_engine(olap_path=f"s3://{BUCKET}/mirror")
        make(engine)
        engine.close()
        engine = open_engine(olap_path=f"s3://{BUCKET}/mirror")
        assert restored(engine) == len(TABLES)
        engine.close()
    finally:
        moto.close()


def test_a9_history_lives_there(place, temporal, open_engine):
    engine = open_engine(olap_path=place, config_file=temporal)
    engine.script("CREATE TABLE prices (id INTEGER PRIMARY KEY, price REAL)")
    engine.execute("INSERT INTO prices VALUES (1, 10), (2, 20)")
    engine.initial_sync()
    engine.execute("UPDATE prices SET price = 11 WHERE id = 1")
    engine.sync()
    position = engine.status()["position"]
    engine.execute("DELETE FROM prices WHERE id = 2")
    engine.execute("UPDATE prices SET price = 12 WHERE id = 1")
    engine.sync()
    versions = engine.query("SELECT * FROM prices FOR SYSTEM_TIME ALL ORDER BY id, _rhei_seq").rows
    engine.close()
    for _ in range(2):
        engine = open_engine(olap_path=place, config_file=temporal)
        assert engine.query(f"SELECT id, price FROM prices AS OF POSITION {position} ORDER BY id").rows == [(1, 11.0), (2, 20.0)]
        assert engine.query("SELECT * FROM prices FOR SYSTEM_TIME ALL ORDER BY id, _rhei_seq").rows == versions
        engine.close()
    look = open_engine(olap_path=place, config_file=temporal, read_only=True)
    assert look.query("SELECT count(*) FROM prices FOR SYSTEM_TIME ALL").value == len(versions)
    look.close()


def test_a11_cold_segments_are_read_on_demand(place, proxy, open_engine):
    engine = open_engine(olap_path=place, olap_memory_limit=64 << 20, checkpoint_interval_ms=200)
    engine.script("CREATE TABLE big (id INTEGER PRIMARY KEY, v TEXT)")
    engine.execute("WITH RECURSIVE n(i) AS (VALUES(1) UNION ALL SELECT i + 1 FROM n WHERE i < 900000) "
                   "INSERT INTO big SELECT i, printf('%040d', i * 7919 % 900001) FROM n")
    engine.initial_sync()
    wait_until(lambda: disk(engine)["segments_in_files"] > 0, 60)
    sql = "SELECT count(*), sum(id), min(v), max(v) FROM big"
    assert engine.olap(sql).rows == engine.query(sql, route="oltp").rows
    assert disk(engine)["columns_read"] > 0
    proxy.leave()  # what isn't here can't be had: SQLite answers
    other = "SELECT max(v), count(*) FROM big WHERE v > '5'"
    assert engine.query(other).rows == engine.query(other, route="oltp").rows
    proxy.come_back()
    until = time.monotonic() + 60
    while True:
        try:
            assert engine.olap(other).rows == engine.query(other, route="oltp").rows
            break
        except RheiError:
            assert time.monotonic() < until
            time.sleep(0.1)
    assert not [name for name in place.objects() if name.startswith("x-")]
    engine.close()


@pytest.mark.parametrize("olap_format", ["arrow", "vortex"])
def test_a11_a_cold_scan_reads_files_side_by_side(olap_format, place, proxy, open_engine):
    try:
        engine = open_engine(olap_path=place, olap_format=olap_format)
    except RheiError as missing:
        if missing.name != "OLAP_UNAVAILABLE":
            raise
        pytest.skip(missing.message)
    engine.script("CREATE TABLE big (id INTEGER PRIMARY KEY, v, t TEXT)")
    engine.execute("WITH RECURSIVE n(i) AS (VALUES(1) UNION ALL SELECT i + 1 FROM n WHERE i < 600000) "
                   "INSERT INTO big SELECT i, i % 97, 'text number ' || i % 977 FROM n")
    engine.initial_sync()
    engine.close()
    engine = open_engine(olap_path=place, olap_format=olap_format)
    proxy.delay, proxy.most = 0.1, 0
    for sql in ("SELECT count(*), sum(v), sum(id) FROM big", "SELECT max(t), min(t), count(DISTINCT t) FROM big", "SELECT t FROM big WHERE id = 400000"):
        assert engine.olap(sql).rows == engine.query(sql, route="oltp").rows, sql
    assert proxy.most > 3
    engine.close()


def test_a6_backup_verify_and_repair(path, place, open_engine, folder):
    engine = open_engine(olap_path=place)
    make(engine, 70000)
    engine.checkpoint()
    engine.verify()
    engine.backup(folder / "copy")
    engine.repair()
    engine.close()
    look = open_engine(olap_path=place, read_only=True)
    look.initial_sync()
    look.verify()
    look.close()
    copy = open_engine(folder / "copy" / "rhei.db", olap_path=folder / "copy" / "rhei.mirror")
    assert restored(copy) == len(TABLES)
    assert_all(copy)
    copy.close()


def test_d5_the_commands(rh, place):
    settings = ("--config", "rhei.toml")
    (rh.folder / "rhei.toml").write_text(f'[engine]\noltp_path = "shop.db"\nolap_path = "{place}"\nsync_mode = "temporal"\n')
    rh.run("exec", *settings, "--capture", "CREATE TABLE sales (id INTEGER PRIMARY KEY, amount REAL)")
    rh.run("exec", *settings, "INSERT INTO sales (amount) VALUES (20), (9.75)")
    rh.run("sync", *settings)
    rh.run("exec", *settings, "UPDATE sales SET amount = 21 WHERE id = 1")
    rh.run("sync", *settings)
    told = rh.run("status", *settings).stdout
    assert f"Bucket       {place}" in told and "0 changes behind" in told and "not there" not in told, told
    assert rh.run("query", *settings, "--route", "olap", "--format", "csv", "SELECT sum(amount) FROM sales").stdout.split() == ["sum(amount)", "30.75"]
    assert rh.run("query", *settings, "--format", "csv", "SELECT count(*) FROM sales FOR SYSTEM_TIME ALL").stdout.split()[-1] == "3"
    assert "DIFFERENT" not in rh.run("verify", *settings).stdout
    rh.run("repair", *settings)
    rh.run("backup", *settings, "copy")
    (rh.folder / "copy.toml").write_text('[engine]\noltp_path = "copy/rhei.db"\nolap_path = "copy/rhei.mirror"\nsync_mode = "temporal"\n')
    assert rh.run("query", "--config", "copy.toml", "--format", "csv", "SELECT count(*) FROM sales FOR SYSTEM_TIME ALL").stdout.split()[-1] == "3"


def test_a10_what_isnt_ours_is_left_alone_and_told(place, open_engine):
    path = place.removeprefix("s3://")
    for name in ("notes.txt", "some-notes.txt"):
        urllib.request.urlopen(urllib.request.Request(f"http://127.0.0.1:{place.server.port}/{path}/{name}", data=b"x", method="PUT")).close()
    engine = open_engine(olap_path=place)
    make(engine)
    assert any(f'"{place}" holds "notes.txt" and more of others' in line[2] for line in engine.log), engine.log
    engine.close()
    assert {"notes.txt", "some-notes.txt"} <= set(place.objects())


def test_a10_a_lease_that_cannot_be_read_is_said_to_be_one(place, spawn, folder, open_engine):
    engine = open_engine(olap_path=place)
    make(engine)
    engine.close()
    url = f"http://127.0.0.1:{place.server.port}/{place.removeprefix('s3://')}/lease"
    with urllib.request.urlopen(url) as answer:
        whole = answer.read()
    for cut in (b"", b"x" * 40, whole[:len(whole) // 3]):
        urllib.request.urlopen(urllib.request.Request(url, data=cut, method="PUT")).close()
        with pytest.raises(RheiError, match='"lease" can\'t be read, .* its lease ends in 6. s') as told:
            spawn().open(folder / "test.db", olap_path=place)
        assert told.value.name == "BUSY" and "process 0" not in told.value.message
    urllib.request.urlopen(urllib.request.Request(url, data=whole, method="PUT")).close()


def test_d5_a_checkpoint_that_cannot_be_asked_for_is_not_known(rh, place):
    settings = ("--config", "rhei.toml")
    (rh.folder / "rhei.toml").write_text(f'[engine]\noltp_path = "shop.db"\nolap_path = "{place}"\n')
    rh.run("exec", *settings, "--capture", "CREATE TABLE sales (id INTEGER PRIMARY KEY, amount REAL)")
    rh.run("sync", *settings)
    (rh.folder / "rhei.toml").write_text('[engine]\noltp_path = "shop.db"\nolap_path = "s3://no-such-bucket-here/x"\n')
    told = rh.run("status", *settings).stdout
    assert "Checkpoint   not known\n" in told and "no such bucket" in told, told


def test_d5_a_command_that_cannot_reach_it(rh, place, proxy):
    (rh.folder / "rhei.toml").write_text(f'[engine]\noltp_path = "shop.db"\nolap_path = "{place}"\n')
    rh.run("exec", "--config", "rhei.toml", "--capture", "CREATE TABLE sales (id INTEGER PRIMARY KEY, amount REAL)")
    rh.run("sync", "--config", "rhei.toml")
    proxy.leave()
    done = rh.run("sync", "--config", "rhei.toml", code=1)
    assert "can't be reached" in done.stderr + done.stdout
    assert rh.run("query", "--config", "rhei.toml", "--format", "csv", "SELECT count(*) FROM sales").stdout.split()[-1] == "0"


def test_s2_a_sidecar_has_a_place_of_its_own(folder, place, open_engine):
    with foreign.connect(folder / "source.db") as source:
        source.executescript("CREATE TABLE t (id INTEGER PRIMARY KEY, v TEXT); INSERT INTO t VALUES (1, 'a'), (2, 'b');")
    (folder / "sidecar.toml").write_text(
        f'[engine]\noltp_path = "{folder / "own.db"}"\nolap_path = "{place}/"\n'
        f'[sidecar]\nname = "app"\nsource_path = "{folder / "source.db"}"\nmode = "snapshot"\nenable_local_oltp = true\n')
    for life in range(2):
        engine = open_engine(folder / "own.db", config_file=folder / "sidecar.toml")
        assert engine.query("SELECT count(*), max(v) FROM app.t").rows == [(2, "b")]
        kept = json.loads(engine.info())["sidecars"][0]["disk"]
        assert kept["kept"] and (life == 0 or kept["restored_tables"] == 1), kept
        engine.checkpoint()
        engine.close()
    assert any(name.startswith("sidecar-app/manifest-") for name in place.objects())


def test_d5_formats_and_the_settings_that_say_the_same(path, place, folder, spawn, open_engine):
    file = folder / "storage.toml"
    with pytest.raises(RheiError, match='"parquet" is none of arrow and vortex'):
        spawn().open(path, olap_path=place, olap_format="parquet")
    file.write_text(f'[engine]\nolap_path = "{folder / "mirror"}"\n[engine.datafusion_storage]\nmode = "vortex"\nurl = "{place}"\n')
    with pytest.raises(RheiError, match=r"storage.toml:4: .* and so does olap_path .*storage.toml:2") as told:
        spawn().open(path, config_file=file)
    assert told.value.name == "CONFIG"
    file.write_text('[engine.datafusion_storage]\nmode = "vortex"\npath = "gs://bucket/x"\n')
    with pytest.raises(RheiError) as told:
        spawn().open(path, config_file=file)
    assert "is neither" in told.value.message or told.value.name == "OLAP_UNAVAILABLE", told.value
    file.write_text('[engine]\nolap_backend = "none"\n[engine.datafusion_storage]\nmode = "memory"\n')
    engine = open_engine(config_file=file)
    engine.close()
    assert not (folder / "mirror").exists()


def test_d5_vortex_files_in_a_bucket_by_the_words_of_the_original(path, place, folder, open_engine):
    file = folder / "storage.toml"
    file.write_text(f'[engine]\nsync_mode = "temporal"\n[engine.datafusion_storage]\nmode = "vortex"\nurl = "{place}"\n')
    try:
        engine = open_engine(config_file=file)
    except RheiError as missing:
        if missing.name != "OLAP_UNAVAILABLE":
            raise
        pytest.skip(missing.message)
    make(engine, 140000)
    change(engine, 1)
    assert_all(engine)
    versions = engine.query("SELECT count(*) FROM orders FOR SYSTEM_TIME ALL").value
    engine.close()
    names = place.objects()
    assert any(name.startswith("b-s-") and name.endswith(".vortex") for name in names), names
    engine = open_engine(config_file=file)
    assert restored(engine) == len(TABLES)
    assert json.loads(engine.info())["settings"]["olap_format"] == "vortex"
    assert_same_answers(engine)
    assert engine.query("SELECT count(*) FROM orders FOR SYSTEM_TIME ALL").value == versions
    engine.close()
    (folder / "temporal.toml").write_text('[engine]\nsync_mode = "temporal"\n')  # as Arrow it goes on, and reads both
    engine = open_engine(olap_path=place, config_file=folder / "temporal.toml")
    assert restored(engine) == len(TABLES) and disk(engine)["message"] == ""
    change(engine, 2)
    assert_all(engine)
    assert_same_answers(engine)
    engine.close()


def test_a9_a_history_that_cannot_be_had_for_a_while_is_whole_at_the_next_opening(place, proxy, temporal, open_engine):
    engine = open_engine(olap_path=place, config_file=temporal, olap_memory_limit=64 << 20, checkpoint_interval_ms=200)
    engine.script("CREATE TABLE big (id INTEGER PRIMARY KEY, v TEXT)")
    engine.execute("WITH RECURSIVE n(i) AS (VALUES(1) UNION ALL SELECT i + 1 FROM n WHERE i < 500000) "
                   "INSERT INTO big SELECT i, printf('%040d', i * 7919 % 500009) FROM n")
    engine.initial_sync()
    engine.execute("UPDATE big SET v = 'new' WHERE id % 7 = 0")
    engine.sync()
    engine.checkpoint()
    wait_until(lambda: disk(engine)["segments_in_files"] > 0, 60)
    sql = "SELECT count(*), sum(id), min(v), max(v) FROM big FOR SYSTEM_TIME ALL"
    wanted = engine.query(sql, limit=200).rows
    engine.kill()
    engine = open_engine(olap_path=place, config_file=temporal, olap_memory_limit=64 << 20, checkpoint_interval_ms=200)
    proxy.leave()
    with pytest.raises(RheiError) as told:
        engine.query(sql, limit=200)
    assert told.value.name == "IO", told.value
    engine.execute("UPDATE big SET v = 'newer' WHERE id = 1")
    assert engine.query("SELECT v FROM big WHERE id = 1").value == "newer"
    proxy.come_back()
    until = time.monotonic() + 60
    while "open the database again" not in disk(engine)["message"]:
        assert time.monotonic() < until, (disk(engine), engine.log)
        time.sleep(0.1)
    with pytest.raises(RheiError, match="open the database again"):
        engine.checkpoint()
    engine.close()
    assert not [name for name in place.objects() if name.startswith("x-")]
    engine = open_engine(olap_path=place, config_file=temporal, olap_memory_limit=64 << 20)
    assert disk(engine)["message"] == "", disk(engine)
    engine.sync()
    (count, ids, low, high), = engine.query(sql, limit=200).rows
    assert (count, ids) == (wanted[0][0] + 1, wanted[0][1] + 1) and high == "newer" and low == wanted[0][2]
    engine.verify("big")
    engine.close()
