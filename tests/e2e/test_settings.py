"""The table of settings is one: the guide, `rh settings`, `rh info` and what a file may say agree; what can't be right is told."""

import json
import pathlib
import re

import pytest

from rh_program import rh, sqlite3_shell  # noqa: F401 (fixtures)

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
GUIDE = (ROOT / "docs" / "guide" / "settings.md").read_text()
MAN = (ROOT / "docs" / "man" / "rh.1").read_text()


def plain(cell):
    """A cell of the guide without its marks: links and code."""
    return re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", cell).replace("`", "").strip()


def of_the_guide():
    rows = re.findall(r"^\| `([\w.]+)` \|(.*)\|$", GUIDE, re.M)
    names = ["type", "unit", "range", "default", "rhei_config", "since", "effect"]
    return {name: dict(zip(names, map(plain, rest.split(" | ")))) for name, rest in rows}


def of_the_tool(rh):
    return {row["setting"]: row for row in json.loads(rh.run("settings", "--format", "json").stdout)}


def test_guide_and_tool_show_the_same_table(rh):
    guide, tool = of_the_guide(), of_the_tool(rh)
    assert list(guide) == list(tool)
    for name, row in tool.items():
        for column, value in guide[name].items():
            assert (row[column] or "") == value, (name, column)


def test_the_settings_in_force_are_those_of_the_table(rh, monkeypatch):
    monkeypatch.delenv("RHEI_BACKEND", raising=False)
    rh.run("exec", "CREATE TABLE t (a)")
    force = json.loads(rh.run("info", "--json").stdout)["settings"]
    tool = {name: row for name, row in of_the_tool(rh).items() if "." not in name}  # the rest may be there several times
    assert set(force) == set(tool)
    for name, row in tool.items():
        if row["type"] in ("number", "boolean", "choice", "freshness") and row["default"]:
            assert json.dumps(force[name]).strip('"') == row["default"], name


def test_settings_are_in_help_and_man_page(rh):
    assert "rh settings" in rh.run("help").stdout and "--format" in rh.run("help", "settings").stdout
    assert ".B settings" in MAN
    assert rh.run("settings", "--db", "x.db", code=2).stderr
    assert rh.run("settings", "--format", "arrow", code=2).stderr
    assert list(rh.folder.iterdir()) == []


def refused(rh, text, *words):
    (rh.folder / "rhei.toml").write_text(text)
    done = rh.run("exec", "CREATE TABLE t (a)", "--config", "rhei.toml", "--db", "new.db", code=1)
    for word in words:
        assert word in done.stderr, done.stderr
    assert not (rh.folder / "new.db").exists()


@pytest.mark.parametrize("value", ["99999999999", "-1", "1.5", "1e3", "\"5\"", "\"\"", "99999999999999999999999"])
@pytest.mark.parametrize("name", ["sync_interval_ms", "read_pool_size", "threads", "busy_timeout_ms"])
def test_d5_a_number_that_cannot_be_is_told_with_its_range(rh, name, value):
    row = of_the_tool(rh)[name]
    words = [row["range"]] + ([value] if value != '""' else [])
    refused(rh, f"[engine]\n\n{name} = {value}\n", "rhei.toml:3", name, "CONFIG", *(word.strip('"') for word in words))


@pytest.mark.parametrize("name,value", [
    ("synchronous", "extra"),
])
def test_d5_a_setting_without_effect_is_refused(rh, name, value):
    refused(rh, f"[engine]\nthreads = 1\n{name} = \"{value}\"\n", "rhei.toml:3", name, "UNSUPPORTED")
    refused(rh, f"[engine]\nthreads = 1\n{name} = \"\"\n", "rhei.toml:3", name, "CONFIG")


def test_d5_a_secret_is_shown_nowhere(rh):
    (rh.folder / "rhei.toml").write_text('[engine]\nflight_auth_token = "s3cr3t-word"\nflight_listen = "127.0.0.1:1"\n')
    rh.run("exec", "CREATE TABLE t (a)", "--config", "rhei.toml")
    done = rh.run("info", "--json", "--config", "rhei.toml")
    assert "s3cr3t" not in done.stdout + done.stderr and json.loads(done.stdout)["settings"]["flight_listen"] == "127.0.0.1:1"


def test_d5_what_a_refusal_advises_is_taken(rh, monkeypatch):
    """Every value that the message about olap_backend names is one that can be set."""
    monkeypatch.delenv("RHEI_BACKEND", raising=False)
    refused(rh, "[engine]\nolap_backend = \"oracle\"\n", "rhei.toml:2", "duckdb, datafusion or none")
    for value in ("duckdb", "none"):
        (rh.folder / "rhei.toml").write_text(f"[engine]\nolap_backend = \"{value}\"\n")
        rh.run("exec", "CREATE TABLE IF NOT EXISTS t (a)", "--config", "rhei.toml")
        info = json.loads(rh.run("info", "--json", "--config", "rhei.toml").stdout)
        assert info["settings"]["olap_backend"] == value


def test_d5_datafusion_without_its_library_is_one_sentence(rh, monkeypatch):
    (rh.folder / "rhei.toml").write_text("[engine]\nolap_backend = \"datafusion\"\n")
    monkeypatch.setenv("RHEI_DATAFUSION", str(rh.folder / "nothing.so"))
    told = rh.run("exec", "CREATE TABLE t (a)", "--config", "rhei.toml", code=1).stderr
    assert told.count("\n") == 1 and "OLAP_UNAVAILABLE" in told
    assert "olap_backend datafusion needs Rhei's DataFusion library" in told and "./dev setup --with datafusion" in told


def test_d5_a_table_that_cannot_be_registered_is_told_with_its_line(rh):
    rh.run("exec", "CREATE TABLE t (a INTEGER PRIMARY KEY); CREATE VIEW v AS SELECT * FROM t")
    (rh.folder / "rhei.toml").write_text("[[tables]]\nname = \"t\"\n\n[[tables]]\nname = \"v\"\n")
    done = rh.run("sync", "--capture", "--config", "rhei.toml", code=1)
    assert "rhei.toml:4: [[tables]] \"v\"" in done.stderr


def tables(rh, **options):
    done = rh.run("status", "--json", "--config", "rhei.toml", **options)
    return {table["name"]: table for table in json.loads(done.stdout)["tables"]}


def test_a_table_of_the_settings_may_come_later(rh, sqlite3_shell):
    (rh.folder / "rhei.toml").write_text("[engine]\noltp_path = \"rhei.db\"\n[[tables]]\nname = \"Later\"\n")
    done = rh.run("exec", "CREATE TABLE other (a)", "--capture", "--config", "rhei.toml")
    said = "the file has no such table: it is mirrored once it is made"
    assert f"rhei.toml:3: [[tables]] \"Later\": {said}" in done.stderr
    done = rh.run("sync", "--config", "rhei.toml")
    assert f"Not mirrored: Later: rhei.toml:3 names it, and {said[:27]}" in done.stdout and "Not mirrored: other: it is not registered" in done.stdout
    assert said in rh.run("status", "--config", "rhei.toml").stdout
    rh.run("exec", "CREATE TABLE later (id INTEGER PRIMARY KEY)", "--config", "rhei.toml")  # by a handle of the settings,
    for make in (None, lambda: sqlite3_shell.run("rhei.db", "CREATE TABLE later (x, y)")):  # and by a program that knows nothing of them
        if make is not None:
            rh.run("exec", "DROP TABLE later", "--config", "rhei.toml")
            make()
        done = rh.run("sync", "--config", "rhei.toml")
        assert "1 of 2 tables built" in done.stdout and "later" not in done.stdout and done.stderr == ""
        rh.run("exec", "INSERT INTO later DEFAULT VALUES", "--config", "rhei.toml")
        assert rh.run("query", "SELECT count(*) FROM later", "--route", "olap", "--no-header", "--config", "rhei.toml").stdout == "1\n"


def test_a_ddl_of_the_settings_makes_its_table_once(rh):
    (rh.folder / "rhei.toml").write_text(
        "[engine]\noltp_path = \"rhei.db\"\n[[tables]]\nname = \"made\"\n"
        "ddl = \"CREATE TABLE made (id INTEGER PRIMARY KEY, v); CREATE INDEX made_v ON made (v)\"\n")
    rh.run("exec", "INSERT INTO made VALUES (1, 'a')", "--capture", "--config", "rhei.toml")
    rh.run("exec", "INSERT INTO made VALUES (2, 'b'); ALTER TABLE made ADD COLUMN w", "--config", "rhei.toml")
    assert rh.run("query", "SELECT count(*), max(w IS NULL) FROM made", "--no-header", "--config", "rhei.toml").stdout == "2,1\n"
    assert "1 of 1 tables built" in rh.run("sync", "--config", "rhei.toml").stdout
    rh.run("exec", "DROP TABLE made", "--config", "rhei.toml")
    assert rh.run("exec", "SELECT count(*) FROM made", "--no-header", "--config", "rhei.toml").stdout == "0\n"  # it is made again


def test_a_table_of_the_settings_that_is_not_made_is_told(rh):
    hint = "rh exec, import and sync make it with --capture"
    (rh.folder / "rhei.toml").write_text(
        "[engine]\noltp_path = \"rhei.db\"\n[[tables]]\nname = \"one\"\ncolumns = [\"id\"]\n\n[[tables]]\nname = \"two\"\nddl = \"CREATE TABLE two (a)\"\n")
    told = rh.run("exec", "INSERT INTO one VALUES (1)", "--config", "rhei.toml", code=1).stderr
    assert f"rhei.toml:3: [[tables]] \"one\": it isn't made here: {hint}" in told
    assert f"rhei.toml:7: [[tables]] \"two\": it isn't made here: {hint}" in told and "no such table: one" in told
    rh.run("exec", "CREATE TABLE other (a)", "--config", "rhei.toml")
    for command in (["query", "SELECT 1"], ["info"], ["verify"], ["sync"]):
        assert hint in rh.run(*command, "--config", "rhei.toml").stderr
    assert rh.run("status", "--config", "rhei.toml").stdout.count(hint) == 2
    left_out = {table["table"]: table["reason"] for table in json.loads(rh.run("sync", "--json", "--config", "rhei.toml").stdout)["not_mirrored"]}
    assert f"rhei.toml:7 says how it is made: {hint}" == left_out["two"]
    (rh.folder / "none.toml").write_text((rh.folder / "rhei.toml").read_text().replace("[engine]\n", "[engine]\nolap_backend = \"none\"\n"))
    assert "it isn't made here: olap_backend none makes no tables" in rh.run("exec", "SELECT 1", "--capture", "--config", "none.toml").stderr
    assert hint not in rh.run("exec", "INSERT INTO one VALUES (1); INSERT INTO two VALUES (2)", "--capture", "--config", "rhei.toml").stderr
    assert rh.run("query", "SELECT id, a FROM one, two", "--no-header", "--config", "rhei.toml").stdout == "1,2\n"


def test_types_of_the_settings_keep_what_the_guide_says(rh):
    names = ["uint8", "uint64", "float32", "decimal(10,2)", "boolean", "date", "varchar", "json", "uuid", "blob"]
    columns = ", ".join(f"{{name = \"c{n}\", type = \"{name}\"}}" for n, name in enumerate(names))
    (rh.folder / "rhei.toml").write_text(f"[engine]\noltp_path = \"rhei.db\"\n[[tables]]\nname = \"t\"\ncolumns = [{columns}]\n")
    uuid = "00000000000000000000000000000001"
    rows = [("'7'", "18446744073709551615", "7", "9.50", "TRUE", "'2026-01-01'", "5", "'1e400'", f"'{uuid}'", "'x'"),
            ("-3", "1.5", "'x'", "9.999", "'yes'", "'20260101'", "x'00'", "17", "'no'", "1.5")]
    rh.run("exec", "INSERT INTO t VALUES " + ", ".join(f"({', '.join(row)})" for row in rows), "--capture", "--config", "rhei.toml")
    kept = [[7, 18446744073709551616.0, 7.0, 9.5, 1, "2026-01-01", "5", "1e400", uuid, "x"],
            [-3, 1.5, "x", 9.999, "yes", 20260101, {"base64": "AA=="}, "17", "no", 1.5]]
    for route in ("oltp", "olap"):
        done = rh.run("query", "SELECT * FROM t", "--format", "json", "--route", route, "--config", "rhei.toml")
        assert [list(row.values()) for row in json.loads(done.stdout)] == kept
    (rh.folder / "rhei.toml").write_text("[[tables]]\nname = \"t\"\nddl = \"CREATE TABLE t (a)\"\ncolumns = [\"a\"]\n")
    assert "rhei.toml:4: table \"t\" has ddl and columns" in rh.run("query", "SELECT 1", "--config", "rhei.toml", code=1).stderr


def test_a_mode_for_a_table_leaves_the_others_mirrored(rh):
    (rh.folder / "rhei.toml").write_text(
        "[engine]\noltp_path = \"rhei.db\"\n[[tables]]\nname = \"t\"\nsync_mode = \"temporal\"\n")
    rh.run("exec", "CREATE TABLE t (a); CREATE TABLE u (a); INSERT INTO t VALUES (1); INSERT INTO u VALUES (2)", "--capture", "--config", "rhei.toml")
    assert "2 of 2 tables built" in rh.run("sync", "--config", "rhei.toml").stdout
    assert rh.run("query", "SELECT a FROM u", "--route", "olap", "--no-header", "--config", "rhei.toml").stdout == "2\n"
    done = rh.run("query", "SELECT a FROM u FOR SYSTEM_TIME ALL", "--config", "rhei.toml", code=1)
    assert "table \"u\" keeps no history" in done.stderr
    assert rh.run("query", "SELECT a FROM t_history", "--no-header", "--config", "rhei.toml").stdout == "1\n"
    (rh.folder / "rhei.toml").write_text((rh.folder / "rhei.toml").read_text() + "[[tables]]\nname = \"w\"\nddl = \"CREATE TABLE w (a)\"\n")
    rh.run("exec", "CREATE TABLE x (a)", "--config", "rhei.toml")
    assert "2 of 4 tables built" in rh.run("sync", "--config", "rhei.toml").stdout  # one that gives more than a mode narrows


def test_log_format_json_gives_lines_of_json(rh, sqlite3_shell):
    rh.run("exec", "CREATE TABLE t (id INTEGER PRIMARY KEY, v)", "--capture")
    (rh.folder / "rhei.toml").write_text("[engine]\nlog_format = \"json\"\nlog_level = \"debug\"\n")
    lines = rh.run("sync", "--config", "rhei.toml").stderr.splitlines()
    assert lines
    for line in lines:
        told = json.loads(line)
        assert set(told) == {"time", "level", "room", "message"}
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", told["time"])
    plain_lines = rh.run("sync", "--config", "rhei.toml", "--json").stderr
    assert "{" in plain_lines


def test_d5_nobody_is_advised_to_set_what_would_be_refused(rh):
    refused(rh, "[engine]\nsynchronous = \"extr\"\n", "rhei.toml:2", "it takes normal, full or off")
    refused(rh, "[engine]\nmetrics_liste = \"x\"\n", "rhei.toml:2", "unknown key \"metrics_liste\"", "metrics_listen")
    (rh.folder / "rhei.toml").write_text("[engine]\nnothing_like_ours = 1\n")
    told = rh.run("info", "--config", "rhei.toml", code=1).stderr
    assert "olap_path" in told and "flight_listen" in told


def test_a_relative_path_is_one_of_the_folder_that_the_command_runs_in(rh):
    (rh.folder / "sub").mkdir()
    (rh.folder / "sub" / "rhei.toml").write_text("[engine]\noltp_path = \"a.db\"\nolap_path = \"a.mirror\"\n")
    rh.run("exec", "CREATE TABLE t (a)", "--capture", "--config", "sub/rhei.toml")
    rh.run("sync", "--config", "sub/rhei.toml")
    assert (rh.folder / "a.db").exists() and (rh.folder / "a.mirror").is_dir()
    assert [path.name for path in (rh.folder / "sub").iterdir()] == ["rhei.toml"]
