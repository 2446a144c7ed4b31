"""rh serve as a service: settings, one for a database, what supervisors, probes, collectors and dashboards are told, reload and end."""

import csv
import io
import json
import os
import pathlib
import re
import signal
import socket
import threading
import urllib.error
import urllib.request

import prometheus_client.openmetrics.parser as openmetrics
import prometheus_client.parser as prometheus
import pytest

from foreign import connect
from flight_door import have_door
from rh_program import Program, rh  # noqa: F401 (a fixture)
from serve_door import Systemd, service, wait_for

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent


def settings(rh, text):
    (rh.folder / "rhei.toml").write_text("[engine]\n" + text)
    return ("--config", "rhei.toml")


# ---- Settings --------------------------------------------------------------------------------------------------------

def explained(rh, *options, **more):
    done = rh.run("config", "--explain", "--format", "csv", *options, **more)
    return {row["setting"]: row for row in csv.DictReader(io.StringIO(done.stdout))}, done.stderr


def test_every_setting_is_explained_with_its_origin(rh):
    config = settings(rh, 'oltp_path = "a.db"\nsync_interval_ms = 5\nflight_auth_token = "s3cr3t"\nread_pool_size = 3\n')
    rows, _ = explained(rh, *config, env={"RHEI_SYNC_INTERVAL_MS": "250", "RHEI_BUSY_TIMEOUT_MS": ""})
    assert (rows["sync_interval_ms"]["value"], rows["sync_interval_ms"]["origin"]) == ("250", "environment RHEI_SYNC_INTERVAL_MS")
    assert (rows["read_pool_size"]["value"], rows["read_pool_size"]["origin"]) == ("3", "rhei.toml:5")
    assert (rows["busy_timeout_ms"]["value"], rows["busy_timeout_ms"]["origin"]) == ("5000", "default")
    assert rows["flight_auth_token"]["value"] == "set, but never shown"
    known = {row["setting"]: row for row in json.loads(rh.run("settings", "--format", "json").stdout)}
    for name, row in known.items():
        if not name.startswith("sidecar"):
            assert rows[name]["meaning"] == (row["effect"] or ""), name
    assert (rows["flight_max_connections"]["value"], rows["flight_max_connections"]["origin"]) == ("1000", "default")
    rows, _ = explained(rh, *config, "--db", "b.db")
    assert (rows["oltp_path"]["value"], rows["oltp_path"]["origin"]) == ('"b.db"', "--db")
    assert sorted(path.name for path in rh.folder.iterdir()) == ["rhei.toml"]  # nothing is opened
    plain = list(csv.DictReader(io.StringIO(rh.run("config", "--format", "csv", *config, "--db", "b.db").stdout)))
    assert plain == [{name: row[name] for name in ("setting", "value", "origin")} for row in rows.values()]


def test_d5_what_is_wrong_in_the_environment_is_told_by_its_name(rh):
    rh.run("exec", "CREATE TABLE t (a)", "--db", "a.db")
    for command in ("config", "serve"):
        done = rh.run(command, "--db", "a.db", code=1, env={"RHEI_READ_POOL_SIZE": "0"})
        assert "environment RHEI_READ_POOL_SIZE: read_pool_size can't be \"0\"" in done.stderr and "CONFIG" in done.stderr
    _, told = explained(rh, env={"RHEI_REDA_POOL_SIZE": "2"})
    assert "RHEI_REDA_POOL_SIZE is no setting; did you mean RHEI_READ_POOL_SIZE?" in told


def test_a_service_takes_file_environment_and_options(rh):
    config = settings(rh, 'oltp_path = "a.db"\nread_pool_size = 3\nbusy_timeout_ms = 100\nlog_level = "info"\nmetrics_listen = "127.0.0.1:1"\n')
    with service(rh, *config, "--metrics", "0", "--headless", env={"RHEI_READ_POOL_SIZE": "2"}) as served:
        force = served.ask()["info"]["settings"]
        assert (force["read_pool_size"], force["busy_timeout_ms"], force["oltp_path"]) == (2, 100, "a.db")
        assert served.get("/healthz")[1] == "ok\n"
        assert re.search(r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z info oltp: opened a\.db", served.log(), re.M)


def test_a_service_logs_lines_of_json(rh):
    config = settings(rh, 'oltp_path = "a.db"\nlog_format = "json"\nlog_level = "info"\nslow_query_ms = 3\n')
    with service(rh, *config) as served:
        served.said("Status on")
        served.process.send_signal(signal.SIGHUP)
        served.logged("read again")
        kept = served.ask()["log"]
        lines = [json.loads(line) for line in served.log().splitlines()]
        assert [line["message"] for line in lines] == [line["message"] for line in kept]
        assert {line["room"] for line in lines} >= {"oltp", "serve"}
        assert all(set(line) == {"time", "level", "room", "message"} for line in lines)


@pytest.mark.parametrize("lines, place, words", [
    ('http_listen = "0.0.0.0:1"\n', "rhei.toml:4: http_listen: ", "isn't a loopback address"),
    ('http_listen = "nowhere"\n', "rhei.toml:4: http_listen: ", "is no address"),
    ('http_listen = "0"\nflight_users_file = "nousers"\n', "rhei.toml:5: flight_users_file: ", "the file nousers can't be read: No such file"),
    ('http_listen = "0"\nflight_auth_token_file = "empty"\n', "rhei.toml:5: flight_auth_token_file: ", "is empty"),
    ('http_listen = "0"\nflight_auth_token = "short"\n', "rhei.toml:5: flight_auth_token: ", "at least 8"),
    ('http_listen = "0"\n', "rh: there is neither a token nor a user", "--token-file, --users-file"),
    ('flight_listen = "127.0.0.1:0"\nflight_users_file = "empty"\n', "rhei.toml:5: flight_users_file: ", "there is no user in empty"),
    ('flight_listen = "0.0.0.0:0"\nflight_auth_token = "long-enough"\n', "rhei.toml:4: flight_listen: ", "can be reached from other machines"),
    ('flight_listen = "here"\nflight_auth_token = "long-enough"\n', "rhei.toml:4: flight_listen: ", "no address to listen on"),
    ('flight_listen = "127.0.0.1:0"\nflight_auth_token = "long-enough"\nflight_tls_cert = "empty"\nflight_tls_key = "gone"\n',
     "rhei.toml:6: flight_tls_cert: ", "is no PEM file"),
])
def test_d5_a_setting_that_cannot_be_is_refused_before_anything_is_opened(rh, lines, place, words):
    rh.run("exec", "CREATE TABLE t (a)", "--db", "a.db")
    (rh.folder / "empty").touch()
    config = settings(rh, 'oltp_path = "a.db"\nmetrics_listen = "127.0.0.1:0"\n' + lines + 'olap_path = "store"\ntrace_path = "spans"\n')
    (rh.folder / "rhei.toml").chmod(0o600)
    before = sorted(path.name for path in rh.folder.iterdir())
    done = rh.run("serve", *config, code=1)
    if "librhei_flight" in done.stderr:
        pytest.skip("librhei_flight isn't built")
    assert place in done.stderr and words in done.stderr and done.stdout == "", done.stderr
    assert sorted(path.name for path in rh.folder.iterdir()) == before  # neither folder, lock nor socket


def test_d5_an_option_that_cannot_be_is_named(rh):
    rh.run("exec", "CREATE TABLE t (a)", "--db", "a.db")
    for options, words in ((["--http", "0.0.0.0:1", "--no-auth"], "rh: --http: 0.0.0.0:1 isn't a loopback address"),
                           (["--metrics", "nowhere"], "rh: --metrics: \"nowhere\" is no address"),
                           (["--http", "0", "--users-file", "gone"], "rh: --users-file: the file gone can't be read")):
        done = rh.run("serve", "--db", "a.db", *options, code=1)
        assert words in done.stderr or "librhei_flight" in done.stderr, done.stderr
    done = rh.run("serve", "--db", "a.db", code=1, env={"RHEI_METRICS_LISTEN": "nowhere"})
    assert "rh: environment RHEI_METRICS_LISTEN: metrics_listen: \"nowhere\" is no address" in done.stderr
    done = rh.run("serve", "--db", "a.db", code=1, env={"RHEI_TRACE_PATH": "no/folder"})
    assert "rh: environment RHEI_TRACE_PATH: trace_path: " in done.stderr and "can't be opened" in done.stderr


# ---- One for a database ----------------------------------------------------------------------------------------------

def test_a_second_service_is_refused_with_the_process_of_the_first(rh):
    with service(rh, "--db", "a.db") as served:
        served.said("Status on")
        (rh.folder / "link.db").symlink_to("a.db")
        for name in ("a.db", "link.db", rh.folder / "a.db"):
            done = rh.run("serve", "--db", name, code=1)
            assert f"{name} is served by another rh serve, process {served.process.pid}" in done.stderr and "BUSY" in done.stderr
        assert rh.run("query", "--db", "a.db", "SELECT count(*) FROM t").stdout == "count(*)\n0\n"
        assert served.ask()["service"]["pid"] == served.process.pid  # the socket is still its own
    assert not list(rh.folder.glob("a.db-serve*"))


def test_a_file_of_two_names_is_not_served_nor_opened_without_a_word(rh):
    with service(rh, "--db", "a.db") as served:
        served.said("Status on")
        (rh.folder / "hard.db").hardlink_to(rh.folder / "a.db")
        done = rh.run("serve", "--db", "hard.db", code=1)
        assert "hard.db is a file of 2 names (hard links)" in done.stderr and "INVALID" in done.stderr
        assert not list(rh.folder.glob("hard.db-*"))
        assert served.ask()["service"]["pid"] == served.process.pid
    done = rh.run("exec", "--db", "a.db", "INSERT INTO t (name) VALUES ('x')")
    assert "a.db is a file of 2 names (hard links)" in done.stderr
    with service(rh, "--db", "hard.db", "--read-only", schema=None) as served:
        served.logged(r"hard\.db is a file of 2 names \(hard links\): what is written by another of them can stay unseen here")
        served.logged(rf"ready, process {served.process.pid}")  # a signal before that is none that ends a service
    (rh.folder / "hard.db").unlink()
    assert "names" not in rh.run("exec", "--db", "a.db", "INSERT INTO t (name) VALUES ('y')").stderr
    with service(rh, "--db", "a.db", schema=None) as served:
        served.said("Status on")


def test_a_service_that_was_killed_leaves_the_way_free(rh):
    with service(rh, "--db", "a.db") as served:
        served.said("Status on")
        served.stop(signal.SIGKILL, -signal.SIGKILL)
        assert (rh.folder / "a.db-serve").exists()
        with service(rh, "--db", "a.db", schema=None) as again:
            assert again.ask()["service"]["pid"] == again.process.pid
        served.process.returncode = 0


def test_a_file_that_is_no_socket_is_not_taken_for_one(rh):
    rh.run("exec", "--db", "a.db", "CREATE TABLE t (id)")
    (rh.folder / "a.db-serve.sock").write_text("mine")
    done = rh.run("serve", "--db", "a.db", code=1)
    assert "a.db-serve.sock: a file of that name is there, which is no socket" in done.stderr
    assert (rh.folder / "a.db-serve.sock").read_text() == "mine"
    (rh.folder / "a.db-serve").write_text("mine, too")
    done = rh.run("serve", "--db", "a.db", code=1)
    assert "can't lock" in done.stderr and "a.db-serve, which says that a.db is served: File exists" in done.stderr
    assert (rh.folder / "a.db-serve").read_text() == "mine, too"


def test_a_secret_in_the_settings_stays_one(rh):
    rh.run("exec", "--db", "a.db", "CREATE TABLE t (id)")
    for line in ("flight_auth_token = S3CRETunquoted", "fligt_auth_token = S3CRETunquoted"):
        for command in ("config", "serve"):
            done = rh.run(command, *settings(rh, line + "\n"), code=1)
            assert f'rhei.toml:2: what is given for "{line.split()[0]}" is no value' in done.stderr and "S3CRET" not in done.stderr + done.stdout
    config = settings(rh, 'oltp_path = "a.db"\nflight_auth_token = "S3CRETquoted"\n')
    for mode, told in ((0o644, True), (0o600, False)):
        (rh.folder / "rhei.toml").chmod(mode)
        done = rh.run("query", *config, "SELECT 1")
        assert ("rhei.toml has a secret, flight_auth_token, and can be read by everybody" in done.stderr) == told
        assert "S3CRET" not in done.stderr


@pytest.mark.parametrize("listen, words", [
    ("nowhere", "\"nowhere\" is no address: it is HOST:PORT"),
    ("127.0.0.1:99999", "no address"),
    ("no.such.host.invalid:1", "isn't known"),
])
def test_d5_an_address_that_cannot_be_is_told(rh, listen, words):
    rh.run("exec", "CREATE TABLE t (a)", "--db", "a.db")
    done = rh.run("serve", "--db", "a.db", "--metrics", listen, code=1)
    assert words in done.stderr and "CANT_OPEN" in done.stderr
    assert not list(rh.folder.glob("a.db-serve*"))


def test_d5_a_port_in_use_is_told(rh):
    rh.run("exec", "CREATE TABLE t (a)", "--db", "a.db")
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        done = rh.run("serve", "--db", "a.db", "--metrics", port, code=1)
        assert f"can't listen on {port}: Address already in use" in done.stderr


# ---- What is told ----------------------------------------------------------------------------------------------------

def test_probes_tell_that_it_lives_and_whether_it_is_in_step(rh):
    with service(rh, "--db", "a.db", "--metrics", "0", env={"RHEI_READY_LAG_MS": "1", "RHEI_SYNC_INTERVAL_MS": "3600000"}) as served:
        assert served.get("/healthz")[1] == "ok\n"
        assert served.get("/readyz")[1] == "ready\n"
        served.built()
        with connect(rh.folder / "a.db") as writer:
            writer.execute("INSERT INTO t (name) VALUES ('x')")
        answer = served.get("/readyz", code=503)[1]
        assert re.fullmatch(r"the column store is 1 changes? behind.*\n", answer), answer
        assert served.ask("/sync", "POST")["rows_inserted"] == 1
        assert served.get("/readyz")[1] == "ready\n"
        assert "there are /metrics, /healthz and /readyz" in served.get("/nothing", code=404)[1]


def test_a_sidecar_whose_source_is_away_is_not_ready(rh):
    with connect(rh.folder / "source.db") as source:
        source.execute("CREATE TABLE o (id INTEGER PRIMARY KEY)")
        source.execute("INSERT INTO o VALUES (1)")
    (rh.folder / "rhei.toml").write_text(
        '[engine]\nmetrics_listen = "0"\nready_lag_ms = 2000\n[sidecar]\nsource_path = "source.db"\nmode = "snapshot"\n'
        '[[sidecar.tables]]\ntable_name = "o"\n')
    with service(rh, "--config", "rhei.toml", schema=None) as served:
        metrics = served.metrics  # there is no socket: no file that it could be beside

        def answers(words):
            try:
                with urllib.request.urlopen(metrics + "/readyz", timeout=60) as answer:
                    return words in answer.read().decode()
            except urllib.error.HTTPError as error:
                return words in error.read().decode()

        wait_for(lambda: answers("ready\n"), "readiness")
        (rh.folder / "source.db").rename(rh.folder / "away.db")
        wait_for(lambda: answers("the sidecar source was in step"), "the reason")
        (rh.folder / "away.db").rename(rh.folder / "source.db")
        wait_for(lambda: answers("ready\n"), "readiness")


def counted(families):
    return {(sample.name, tuple(sorted(sample.labels.items()))): sample.value for family in families for sample in family.samples}


def test_metrics_are_read_by_a_real_parser_in_both_formats(rh):
    with service(rh, "--db", "a.db", "--metrics", "0") as served:
        served.built()
        with connect(rh.folder / "a.db") as writer:
            writer.executemany("INSERT INTO t (name, v) VALUES (?, ?)", [("x", 1.5)] * 7)
        served.ask("/sync", "POST")
        headers, text = served.get("/metrics", {"Accept": "text/plain;version=0.0.4;q=0.5,*/*;q=0.1"})
        assert headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
        plain = list(prometheus.text_string_to_metric_families(text))
        headers, text = served.get("/metrics", {"Accept": "application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5"})
        assert headers["Content-Type"].startswith("application/openmetrics-text; version=1.0.0")
        assert text.endswith("# EOF\n")
        open_ones = list(openmetrics.text_string_to_metric_families(text))
        told = {(one["name"], one["labels"]) for one in served.ask()["metrics"]}
    for families in (plain, open_ones):
        assert len({family.name for family in families}) == len(families)
        kinds = {family.name: family.type for family in families}
        assert {kinds[name] for name in ("rhei_query_seconds", "rhei_commit_seconds", "rhei_sync_cycle_seconds", "rhei_sync_delay_seconds")} == {"histogram"}
        assert kinds["rhei_sync_events_processed"] == "counter" and kinds["rhei_sync_cdc_lag"] == "gauge"
        values = counted(families)
        assert values["rhei_sync_rows_inserted_total", ()] == 7 and values["rhei_sync_events_processed_total", ()] == 7
        assert values["rhei_sync_cdc_lag", ()] == 0
        assert values["rhei_sync_cycle_seconds_bucket", (("le", "+Inf"),)] == values["rhei_sync_cycle_seconds_count", ()] > 0
        assert values["rhei_sync_delay_seconds_bucket", (("le", "+Inf"),)] == values["rhei_sync_delay_seconds_count", ()] > 0
    names = {name for name, _ in told}
    assert names == {name for name, _ in counted(plain)}


def test_a_dashboard_of_grafana_asks_for_metrics_that_there_are(rh):
    with service(rh, "--db", "a.db", "--metrics", "0") as served:
        served.built()  # before, there is no lag to tell
        names = {sample.name for family in prometheus.text_string_to_metric_families(served.get("/metrics")[1]) for sample in family.samples}
    panels = json.loads((ROOT / "docs" / "guide" / "grafana.json").read_text())["panels"]
    asked = [target["expr"] for panel in panels for target in panel.get("targets", [])]
    used = set(re.findall(r"\brhei_\w+", " ".join(asked)))
    sidecars = {name for name in used if name.startswith("rhei_sidecar_")}
    assert len(used) > 20 and used - sidecars <= names, used - names
    source = (ROOT / "src" / "engine" / "engine_status.c").read_text()
    assert all(f'"{name}"' in source for name in sidecars)


def test_the_status_tells_what_a_dashboard_shows(rh):
    with service(rh, "--db", "a.db", "--metrics", "0") as served:
        served.built()
        with connect(rh.folder / "a.db") as writer:
            writer.executemany("INSERT INTO t (name) VALUES (?)", [("x",)] * 3)
        served.ask("/sync", "POST")
        status = served.ask()
        assert (status["sync"]["events"], status["sync"]["rows_inserted"]) == (3, 3)
        assert set(status) == {"service", "sync", "tables", "sidecars", "metrics", "info", "log"}
        assert status["service"]["metrics"] in served.metrics and status["service"]["flight"] is None
        assert status["service"]["ready"] is True and status["service"]["now_us"] > status["service"]["started_us"]
        assert [(table["name"], table["state"], table["rows"]) for table in status["tables"]] == [("t", "ready", 3)]
        assert status["info"]["oltp"]["path"] == "a.db"
        assert "is asked for by POST" in served_text(served, "/sync")
        assert os.stat(rh.folder / "a.db-serve.sock").st_mode & 0o777 == 0o600


def served_text(served, path):
    from serve_door import SocketConnection
    connection = SocketConnection(served.rh.folder / "a.db-serve.sock")
    connection.request("GET", path)
    answer = connection.getresponse()
    text = answer.read().decode()
    connection.close()
    assert answer.status == 405 and answer.headers["Allow"] == "POST"
    return text


# ---- Supervisors -----------------------------------------------------------------------------------------------------

def test_systemd_hears_of_start_life_reload_and_end(rh, folder):
    systemd = Systemd(str(folder / "notify"))
    try:
        config = settings(rh, 'oltp_path = "a.db"\n')
        watched = {"NOTIFY_SOCKET": str(folder / "notify"), "WATCHDOG_USEC": "200000"}
        with service(rh, *config, env=watched) as served:
            assert systemd.hear("READY=1") == ["READY=1"]
            systemd.hear("WATCHDOG=1")
            systemd.hear("WATCHDOG=1")
            served.process.send_signal(signal.SIGHUP)
            assert re.fullmatch(r"RELOADING=1\nMONOTONIC_USEC=\d+", systemd.hear("RELOADING=1")[-1])
            systemd.hear("READY=1")
            served.process.send_signal(signal.SIGTERM)
            systemd.hear("STOPPING=1")
    finally:
        systemd.close()


def test_a_reload_takes_what_can_change_and_names_what_cannot(rh):
    config = settings(rh, 'oltp_path = "a.db"\nslow_query_ms = 1000\n')
    with service(rh, *config) as served:
        served.said("Status on")
        settings(rh, 'oltp_path = "a.db"\nslow_query_ms = 5\nread_pool_size = 9\n')
        served.process.send_signal(signal.SIGHUP)
        served.logged("the settings were read again")
        assert "slow_query_ms is 5 now" in served.log()
        assert "read_pool_size is 9 in the settings now: that takes a restart" in served.log()
        settings(rh, 'oltp_path = "a.db"\nslow_query_ms = x\n')
        served.process.send_signal(signal.SIGHUP)
        served.logged(r"the settings stay as they were: rhei\.toml:3")
        assert served.ask()["info"]["settings"]["read_pool_size"] == 4


def test_the_end_waits_for_what_runs_and_no_longer_than_it_may(rh):
    """A connection that is open and idle holds nothing up."""
    with service(rh, "--db", "a.db", "--metrics", "0", "--drain", "60000") as served:
        host, port = served.metrics.removeprefix("http://").split(":")
        with socket.create_connection((host, int(port))) as idle:
            idle.sendall(b"GET /healthz HT")
            ended = threading.Thread(target=served.stop)
            ended.start()
            ended.join(50)
            assert not ended.is_alive()
            assert idle.recv(100) == b""


def test_start_and_end_have_their_lines(rh):
    with service(rh, "--db", "a.db", "--metrics", "0", "--headless") as served:
        served.logged(r"info serve: ready, process \d+; metrics on http://127\.0\.0\.1:\d+/metrics; status on \S*a\.db-serve\.sock\n")
        served.said("Status on")
    assert re.search(r"info serve: ended by SIGTERM, 0 calls drained\n\Z", served.log())
    with service(rh, "--db", "a.db", schema=None) as served:
        served.said("Status on")
        served.stop(signal.SIGINT)
    assert re.search(r"serve: ended by SIGINT, 0 calls drained\n\Z", served.log())


def test_capture_that_is_new_in_a_file_is_told_once(rh):
    with connect(rh.folder / "plain.db") as made:
        made.execute("CREATE TABLE t (id INTEGER PRIMARY KEY)")
    told = r"serve: change capture installed in plain\.db: triggers .* \(rh detach takes it out\)\n"
    with service(rh, "--db", "plain.db", "--read-only", schema=None) as served:
        served.logged("ready")
        assert not re.search(told, served.log())
    (rh.folder / "serve.log").unlink()
    for _ in range(2):
        with service(rh, "--db", "plain.db", schema=None) as served:
            served.said("Status on")
        assert len(re.findall(told, served.log())) == 1
    rh.run("detach", "--db", "plain.db")
    with service(rh, "--db", "plain.db", schema=None) as served:
        served.said("Status on")
    assert len(re.findall(told, served.log())) == 2


# ---- The guide -------------------------------------------------------------------------------------------------------

def test_the_service_of_the_guide_is_run_as_it_stands(rh, build):
    page = (ROOT / "docs" / "guide" / "service.md").read_text()
    made, configured, explains, serves = re.findall(r"^    (build/.*|printf.*)$", page, re.M)[:4]
    (rh.folder / "build").symlink_to(build)
    shell = Program("sh", rh.folder)
    told = shell.run("-ec", "\n".join([made, configured.replace(":9464", ":0"), explains])).stdout
    assert 'oltp_path,"""shop.db""",rhei.toml:2,' in told
    words = serves.split()
    assert words[:2] == ["build/tools/rh/rh", "serve"]
    with service(rh, *words[2:], schema=None) as served:
        assert served.get("/readyz")[1] == "ready\n"
        assert served.ask()["info"]["oltp"]["path"] == "shop.db"


def test_a_slow_statement_is_logged_without_the_values_of_its_parameters(rh):
    if not have_door():
        pytest.skip("librhei_flight isn't built: gRPC or libsodium is missing")
    import adbc_driver_flightsql.dbapi as flightsql
    slow = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 300000) SELECT count(*), ? FROM n"
    config = settings(rh, 'oltp_path = "a.db"\nflight_listen = "127.0.0.1:0"\nslow_query_ms = 10\ntrace_path = "spans.jsonl"\n')
    with service(rh, *config, "--no-auth", "--metrics", "0") as served:
        port = served.said(r"Flight SQL on grpc://127\.0\.0\.1:(\d+)").group(1)
        with flightsql.connect(f"grpc://127.0.0.1:{port}", autocommit=True) as connection, connection.cursor() as cursor:
            cursor.execute(slow, ["s3cr3t"])
            assert cursor.fetchall() == [(300000, "s3cr3t")]
        line = served.logged(r"slow: (\d+\.\d+) s, oltp, ok: (.*)")
        assert line.group(2) == slow and float(line.group(1)) >= 0.01
        assert "s3cr3t" not in served.log()
        values = counted(prometheus.text_string_to_metric_families(served.get("/metrics")[1]))
        assert values["rhei_query_seconds_count", (("route", "oltp"),)] >= 1
        assert values["rhei_query_seconds_sum", (("route", "oltp"),)] >= 0.01
        spans = spans_of(rh.folder / "spans.jsonl")
        span = next(span for span in spans if span["attributes"]["db.query.text"] == slow)
        assert int(span["endTimeUnixNano"]) - int(span["startTimeUnixNano"]) >= 10_000_000
        assert re.fullmatch("[0-9a-f]{32}", span["traceId"]) and re.fullmatch("[0-9a-f]{16}", span["spanId"]) and span["kind"] == 2
        assert span["status"] == {"code": 1} and span["attributes"]["rhei.route"] == "oltp"
        assert os.stat(rh.folder / "spans.jsonl").st_mode & 0o777 == 0o600 and "s3cr3t" not in (rh.folder / "spans.jsonl").read_text()
        (rh.folder / "spans.jsonl").rename(rh.folder / "spans.old")
        served.process.send_signal(signal.SIGHUP)
        served.logged("read again")
        with flightsql.connect(f"grpc://127.0.0.1:{port}", autocommit=True) as connection, connection.cursor() as cursor:
            with pytest.raises(flightsql.Error):
                cursor.execute("SELECT gone FROM t")
            cursor.execute("INSERT INTO t (name) VALUES ('x')")
        spans = {span["attributes"]["db.query.text"]: span for span in spans_of(rh.folder / "spans.jsonl")}
        assert spans["INSERT INTO t (name) VALUES ('x')"]["status"] == {"code": 1}


def spans_of(path):
    """Each with its attributes as a dictionary, of lines that are whole requests."""
    spans = []
    for line in path.read_text().splitlines():
        for resource in json.loads(line)["resourceSpans"]:
            assert {"key": "service.name", "value": {"stringValue": "rhei"}} in resource["resource"]["attributes"]
            for scope in resource["scopeSpans"]:
                spans += scope["spans"]
    for span in spans:
        span["attributes"] = {one["key"]: one["value"]["stringValue"] for one in span["attributes"]}
    return spans


def test_d5_a_trace_that_cannot_be_written_is_told(rh):
    rh.run("exec", "CREATE TABLE t (a)", "--db", "a.db")
    done = rh.run("serve", "--db", "a.db", code=1, env={"RHEI_TRACE_PATH": "gone/spans"})
    assert "the trace_path gone/spans can't be opened: No such file" in done.stderr and "CANT_OPEN" in done.stderr
