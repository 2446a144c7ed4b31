"""The guide's programs compile without a warning, run, and print what the guide says."""

import json
import os
import pathlib
import re
import signal
import subprocess
import sys
import xml.etree.ElementTree

import pytest

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
PAGES = sorted((ROOT / "docs" / "guide").glob("*.md"))
RECIPES = (ROOT / "docs" / "guide" / "recipes.md").read_text()


def compile_program(build, language, source, program, *options, libraries=()):
    compiler = ["cc", "-std=c17"] if language == "c" else ["c++", "-std=c++17"]
    sanitizers = ["-fsanitize=" + name for name in ("address,undefined", "thread") if f"-{'asan' if 'add' in name else 'tsan'}" in build.name]
    subprocess.run([*compiler, "-Wall", "-Wextra", "-Werror", *options, *sanitizers, f"-I{ROOT / 'include'}", source, f"-L{build / 'src'}",
                    "-lrhei", f"-Wl,-rpath,{build / 'src'}", "-pthread", *libraries, "-o", program], check=True, timeout=60)


def programs():
    """(language, text, what it prints) of each program and the sentence below it."""
    for match in re.finditer(r"```(cpp|c)\n(.*?)```\n+prints ([^.\n]*(?:\.\d+`)?)", RECIPES, re.S):
        yield match.group(1), match.group(2), re.findall(r"`([^`]+)`", match.group(3))


def test_every_program_of_the_guide_is_run():
    assert len(list(programs())) == len(re.findall(r"```(?:cpp|c)\n", RECIPES)) == 4


@pytest.mark.parametrize("language, text, printed", programs())
def test_a_program_of_the_guide(build, tmp_path, language, text, printed):
    source = tmp_path / ("program." + {"c": "c", "cpp": "cc"}[language])
    source.write_text(text)
    compile_program(build, language, source, tmp_path / "program", "-Wshadow")
    done = subprocess.run([tmp_path / "program"], capture_output=True, text=True, timeout=60, cwd=tmp_path, env=os.environ)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split("\n")[:-1] == printed


def test_an_event_loop_of_libuv_runs_what_its_page_shows(build, tmp_path):
    page = (ROOT / "docs" / "guide" / "async.md").read_text()
    program, printed = re.search(r"## With libuv\n+```c\n(.*?)```.*?^prints, [^`]*(.*?)\.$", page, re.S | re.M).groups()
    libuv = subprocess.run(["pkg-config", "--cflags", "--libs", "libuv"], capture_output=True, text=True)
    assert libuv.returncode == 0, "libuv is missing: apt-get install libuv1-dev"
    source = tmp_path / "shop.c"
    source.write_text(program)
    compile_program(build, "c", source, tmp_path / "shop", "-Wshadow", "-std=gnu17", libraries=libuv.stdout.split())
    done = subprocess.run([tmp_path / "shop"], capture_output=True, text=True, timeout=60, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert sorted(done.stdout.split("\n")[:-1]) == sorted(re.findall(r"`([^`]+)`", printed))


def test_python_through_adbc_prints_what_its_page_shows(adbc, build, tmp_path, monkeypatch, capsys):
    page = (ROOT / "docs" / "guide" / "adbc.md").read_text()
    blocks = re.findall(r"```python\n(.*?)```", page, re.S)
    manifest = (build / "src" / "adbc" / "rhei.toml").read_text()
    (tmp_path / "rhei.toml").write_text(re.sub(r'"[^"]*librhei_adbc\.so"', f'"{adbc.library(build)}"', manifest))
    monkeypatch.setenv("ADBC_DRIVER_PATH", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    names = {}
    for block in blocks:
        exec(block, names)
        assert capsys.readouterr().out.splitlines() == re.findall(r"^# (.*)$", block, re.M), block
    assert len(blocks) >= 5 and (tmp_path / "shop.db").exists()


# What stands around a fragment: the handle, rows and values that its page speaks of. Its own declarations hide them.
AROUND = """
#include <poll.h>
#include <rhei/rhei.h>
#include <rhei/rhei_async.h>
#include <rhei/rhei_doors.h>
#include <rhei/rhei_sidecar.h>
%(more)s
static rhei_db *db;
static rhei_error error;
static rhei_rows *rows;
static rhei_value values[2000];
static bool stop;
static rhei_status make_slug(void *context, rhei_call *call, const rhei_value *arguments, uint32_t count, rhei_value *result, rhei_error *e)
{
    (void)context, (void)call, (void)count, (void)e;
    *result = arguments[0];
    return RHEI_OK;
}
static int compare_natural(void *context, const void *a, uint32_t a_length, const void *b, uint32_t b_length)
{
    (void)context, (void)a, (void)b;
    return (int)a_length - (int)b_length;
}
static rhei_status must(rhei_status status)
{
    if (status != RHEI_OK)
        fprintf(stderr, "%%s: %%s\\n", rhei_status_name(status), error.message);
    return status;
}
%(functions)s
static void fragment(void)
{
%(statements)s
}
int main(void)
{
    rhei_config config;
    memset(&config, 0, sizeof config);
    config.struct_size = sizeof config;
    config.on_connect = %(on_connect)s;
    if (must(rhei_open("guide.db", &config, &db, &error)) || must(rhei_execute_script(db,
            "CREATE TABLE orders (id INTEGER PRIMARY KEY, customer TEXT, amount REAL, status TEXT);"
            "INSERT INTO orders VALUES (7, 'Ada', 9.5, 'paid')", %(null)s, &error)))
        return 1;
    fragment();
    must((rhei_status)error.code);
    rhei_close(&db);
    return error.code != RHEI_OK;
}
"""


def fragments():
    """(page, number, language, functions, statements) of the pieces of programs in the guide."""
    for page in PAGES:
        for number, match in enumerate(re.finditer(r"```(cpp|c)\n(.*?)```", page.read_text(), re.S)):
            text = match.group(2)
            if "int main(" in text:
                continue
            functions = "".join(re.findall(r"^static .*?^}\n", text, re.S | re.M))
            yield page.stem, number, match.group(1), functions, re.sub(r"^static .*?^}\n", "", text, flags=re.S | re.M)


def test_every_fragment_of_the_guide_is_looked_at():
    found = sum(len(re.findall(r"```(?:cpp|c)\n", page.read_text())) for page in PAGES)
    whole = sum(page.read_text().count("int main(") for page in PAGES)
    assert len(list(fragments())) == found - whole >= 7


@pytest.mark.parametrize("page, number, language, functions, statements", fragments(), ids=lambda part: str(part)[:12].split("\n")[0])
def test_a_fragment_of_the_guide_compiles_and_runs(build, tmp_path, page, number, language, functions, statements):
    source = tmp_path / ("fragment." + {"c": "c", "cpp": "cc"}[language])
    if language == "c":
        more, null = "#include <stdbool.h>\n#include <stdio.h>\n#include <string.h>\ntypedef struct rhei_error rhei_error;\n" \
            "typedef struct rhei_value rhei_value;\ntypedef struct rhei_config rhei_config;", "NULL"
    else:
        more, null = "#include <cstdio>\n#include <cstring>\n#include <iostream>\n#include <stdexcept>", "nullptr"
    connect = re.search(r"static rhei_status (\w+)\(void \*context, rhei_connection", functions)
    if connect:
        statements = 'must(rhei_query(db, "SELECT slug(customer) FROM orders ORDER BY customer COLLATE natural_order", NULL, NULL, &rows, &error));' \
            "\nrhei_rows_close(&rows);"
    source.write_text(AROUND % {"more": more, "null": null, "functions": functions, "statements": statements,
                                "on_connect": connect.group(1) if connect else null})
    # a fragment leaves things unused, and ends where its page goes on
    compile_program(build, language, source, tmp_path / "fragment", "-Wno-unused-function", "-Wno-unused-variable",
                    "-Wno-unused-but-set-variable", "-Wno-missing-field-initializers")
    if "rhei_watch_next(watcher, -1" in statements:
        return  # it waits for ever
    done = subprocess.run([tmp_path / "fragment"], capture_output=True, text=True, timeout=60, cwd=tmp_path)
    assert done.returncode == 0 and "rror" not in done.stderr, done.stderr


def spans():
    """The calls of rh that stand in running text or in blocks."""
    for page in PAGES:
        text = page.read_text()
        for call in re.findall(r"`(rh [a-z][^`]*)`", text) + re.findall(r"^    (?:build/tools/rh/)?(rh [a-z].*)$", text, re.M):
            yield page.name, call


def test_every_option_that_the_guide_names_is_one(build):
    program, helps = build / "tools" / "rh" / "rh", {}
    assert len(list(spans())) > 20
    for page, call in spans():
        words = re.sub(r"\"[^\"]*\"", '""', call).split()
        command = words[1]
        if command in ("help", "settings") or not words[1].isalpha():
            continue
        if command not in helps:
            helps[command] = subprocess.run([program, "help", command], capture_output=True, text=True, check=True, timeout=60).stdout
        for option in (word for word in words if word.startswith("--")):
            assert re.search(rf"{option}\b", helps[command]), (page, call, option)


def test_every_page_types_commands_as_a_clone_has_them():
    for page in PAGES:
        if page.name != "installing.md":  # where rh is installed
            assert not re.findall(r"^    rh [a-z].*", page.read_text(), re.M), page.name


def test_the_change_feed_tells_what_its_page_shows(build, tmp_path):
    lines = commands("docs/guide/changes.md", "build/tools/rh/rh exec --db shop.db --capture")
    assert len(lines) == 4
    (tmp_path / "build").symlink_to(build)

    def run(*shell):
        done = subprocess.run(["sh", "-e", "-c", "\n".join(shell)], capture_output=True, text=True, timeout=60, cwd=tmp_path)
        assert done.returncode == 0, done.stderr
        return done.stdout

    run(*lines[:3])
    shown = commands("docs/guide/changes.md", '{"kind":"table"')
    told = run(lines[3]).splitlines()
    assert len(shown) == len(told) == 5
    for want, line in zip(shown, told):
        assert re.fullmatch(re.escape(want).replace(r"\.\.\.", r"\d+"), line), (want, line)
    third = run(lines[3]).splitlines()  # "only the definition of the table and a commit of the same position"
    assert [line.split(",")[0] for line in third] == ['{"kind":"table"', '{"kind":"commit"'] and '"position":3' in third[1]
    follow, = commands("docs/guide/changes.md", "build/tools/rh/rh changes --db shop.db --consumer search --follow")
    run("build/tools/rh/rh exec --db shop.db \"DELETE FROM orders WHERE id = 2\"")
    process = subprocess.Popen(["sh", "-c", "exec " + follow], stdout=subprocess.PIPE, text=True, cwd=tmp_path)
    line = json.loads(process.stdout.readline())
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=60)
    assert (line["op"], line["before"]["id"], line["after"]) == ("d", 2, None) and line["source"]["table"] == "orders"
    run("build/tools/rh/rh changes --db shop.db --consumer search --drop")


def test_the_change_feed_tells_rows_as_they_were_as_its_page_shows(build, tmp_path):
    (tmp_path / "rhei.toml").write_text('[engine]\noltp_path = "rhei.db"\nolap_path = "folder"\nsync_mode = "temporal"\n')

    def run(*arguments):
        done = subprocess.run([build / "tools" / "rh" / "rh", *arguments, "--config", "rhei.toml"], capture_output=True, text=True, timeout=60,
                              cwd=tmp_path)
        assert done.returncode == 0, done.stderr
        return done.stdout

    run("exec", "--capture", "CREATE TABLE orders (id INTEGER PRIMARY KEY, amount REAL)")
    run("sync")
    run("exec", "INSERT INTO orders VALUES (1, 9.5), (2, 20.0); UPDATE orders SET amount = 10.0 WHERE id = 1")
    run("changes", "--consumer", "search")
    run("exec", "UPDATE orders SET amount = 12.0 WHERE id = 1; DELETE FROM orders WHERE id = 1")
    told = [json.loads(line) for line in run("changes", "--consumer", "search").splitlines()]
    shown = [json.loads(line.replace(",...,", ",")) for line in commands("docs/guide/changes.md", '{"kind":"update","position":4,')]
    assert len(shown) == 2
    for want, got in zip(shown, [line for line in told if line["kind"] in ("update", "delete")]):
        assert want == {name: got[name] for name in want} and set(got) - set(want) <= {"time_us", "table", "number"}, got


def commands(page, start):
    """The indented lines of a page that a shell is to run, from the line that begins with `start` on."""
    text = (ROOT / page).read_text()
    block = text[text.index("\n    " + start) + 1:]
    return [line[4:] for line in block[:block.index("\n\n")].splitlines()]


def test_the_first_steps_are_run_as_they_stand(build, tmp_path):
    lines = commands("docs/guide/first-steps.md", "build/tools/rh/rh exec")
    assert len(lines) == 6
    (tmp_path / "build").symlink_to(build)
    done = subprocess.run(["sh", "-e", "-c", "\n".join(lines)], capture_output=True, text=True, timeout=60, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    answer = "status,count(*),sum(amount)\nopen,1,20.0\npaid,2,9.75\n"
    assert done.stdout.startswith("3 rows into orders") and done.stdout.count(answer) == 2
    assert "route,oltp" in done.stdout or "oltp" in done.stdout.split(answer)[-1]


def test_the_two_commands_of_the_readme_give_a_column_store_that_follows(build, tmp_path):
    lines = commands("README.md", "build/tools/rh/rh import")
    assert len(lines) == 2
    (tmp_path / "build").symlink_to(build)
    (tmp_path / "orders.csv").write_text("customer,amount\nAda,9.5\nBob,20\n")
    text = ".sync\nSELECT customer, sum(amount) FROM orders GROUP BY customer ORDER BY customer;\n.status\n"
    done = subprocess.run(["sh", "-e", "-c", "\n".join(lines)], capture_output=True, text=True, timeout=60, cwd=tmp_path, input=text)
    assert done.returncode == 0, done.stderr
    assert "2 rows into orders" in done.stdout and "Ada,9.5\nBob,20.0\n" in done.stdout and "Capture      installed, 1 table captured" in done.stdout


def test_the_folder_of_the_mirror_as_the_guide_shows_it(build, tmp_path):
    lines = commands("docs/guide/disk.md", "printf '[engine]")
    assert len(lines) == 6
    (tmp_path / "build").symlink_to(build)
    done = subprocess.run(["sh", "-e", "-c", "\n".join(lines)], capture_output=True, text=True, timeout=60, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "shop,sum(amount)\nnorth,20.0\nsouth,9.75\n" in done.stdout
    assert "Folder       shop.mirror\n" in done.stdout
    assert re.search(r"^Checkpoint   \d[^\n]*, position \d+, 0 changes behind, made [^\n]* ago$", done.stdout, re.M)
    program = build / "tools" / "rh" / "rh"
    subprocess.run([program, "detach", "--config", "rhei.toml"], check=True, capture_output=True, timeout=60, cwd=tmp_path)
    done = subprocess.run([program, "status", "--config", "rhei.toml"], check=True, capture_output=True, text=True, timeout=60, cwd=tmp_path)
    assert "not installed" in done.stdout and "Folder" not in done.stdout and "Checkpoint" not in done.stdout


@pytest.mark.parametrize("page, starts, printed", [
    ("settings.md", ["printf '[engine]"], ["id,price\n1,9.99\n"]),
    ("history.md", ["printf '[engine]"], ["euro,_rhei_operation\n3,I\n4,U\n"]),
    ("backups.md", ["build/tools/rh/rh exec", "mkdir restored"], ["shop,amount\nnorth,20.0\nsouth,9.75\n", "count(*)\n2\n", "Copied to backup-monday"]),
    ("agents.md", ["build/tools/rh/rh exec"], ['"rows":[["Bob",20.0]],"row_count":1']),
    ("files.md", ["printf 'order;"], ["read as csv in UTF-8, delimiter ';', names in the first line\n", '[{"customer":"Ada","total":9.5},\n {"customer":"Bob","total":20.0}]\n',
                                     "code,typeof(code),amount\n007,text,9.5\n1e5,text,20.0\nx,text,\n", "packed by gzip", "2 tables, 6 rows into dump"]),
    ("sidecars.md", ["sqlite3 app.db"], ["customer,sum(amount)\nAda,9.75\nBob,20.0\n"]),
    ("buffer.md", ["printf '[engine]"], ["Buffer       shop.changes"]),
    ("operations.md", ["build/tools/rh/rh exec"], ["1 table and 2 rows are equal", "Copied to monday", "Capture      installed"]),
])
def test_commands_of_a_page_are_run_as_they_stand(build, tmp_path, page, starts, printed):
    lines = [line for start in starts for line in commands(f"docs/guide/{page}", start)]
    if page == "settings.md":
        lines.append("build/tools/rh/rh query --config items.toml --format csv 'SELECT * FROM items'")
    (tmp_path / "build").symlink_to(build)
    done = subprocess.run(["sh", "-e", "-c", "\n".join(lines)], capture_output=True, text=True, timeout=60, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    for text in printed:
        assert text in done.stdout, done.stdout


def test_a_database_of_the_original_is_taken_over_as_its_page_shows(build, tmp_path):
    """Its triggers and log have the names of ours."""
    old = "CREATE TABLE orders (id INTEGER PRIMARY KEY, amount REAL); INSERT INTO orders VALUES (1, 2.5);" \
        "CREATE TABLE _rhei_cdc_log (seq INTEGER PRIMARY KEY AUTOINCREMENT, timestamp INTEGER, operation TEXT, table_name TEXT, new_values TEXT);" \
        "CREATE TRIGGER _rhei_cdc_orders_insert AFTER INSERT ON orders BEGIN INSERT INTO _rhei_cdc_log (operation, new_values) VALUES ('I', json_array(new.id)); END;"
    subprocess.run(["sqlite3", tmp_path / "old.db", old], check=True, timeout=60)
    (tmp_path / "build").symlink_to(build)
    refused = subprocess.run([build / "tools" / "rh" / "rh", "exec", "--db", "old.db", "--capture", "SELECT 1"], capture_output=True, text=True, timeout=60, cwd=tmp_path)
    assert refused.returncode == 1 and "_rhei_cdc_log that isn't Rhei's" in refused.stderr
    lines = commands("docs/guide/moving.md", "cp old.db")
    done = subprocess.run(["sh", "-e", "-c", "\n".join(lines)], capture_output=True, text=True, timeout=60, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "count(*),sum(amount)\n1,2.5\n" in done.stdout and "Capture      installed, 1 table captured" in done.stdout
    subprocess.run([build / "tools" / "rh" / "rh", "exec", "--db", "shop.db", "INSERT INTO orders VALUES (2, 3.0)"], check=True, timeout=60, cwd=tmp_path)


def test_the_program_of_the_readme_prints_what_it_says(build, tmp_path):
    readme = (ROOT / "README.md").read_text()
    (tmp_path / "shop.c").write_text(re.search(r"```c\n(.*?)```", readme, re.S).group(1))
    compile_program(build, "c", tmp_path / "shop.c", tmp_path / "shop")
    done = subprocess.run(["./shop"], capture_output=True, text=True, timeout=60, cwd=tmp_path)
    assert done.stdout == re.search(r"It prints `([^`]*)`", readme).group(1) + "\n" == "Ada 9.5 (answered by oltp)\n", done.stderr


def test_the_picture_of_the_dashboard_keeps_its_blanks(monkeypatch):
    """A browser draws several blanks as one, and stretches the rest to the length of all, unless the text element itself says that they are kept."""
    monkeypatch.setattr(sys, "path", [str(ROOT / "scripts"), *sys.path])
    import dashboard_picture
    for picture in ((ROOT / "docs" / "guide" / "dashboard.svg").read_text(), dashboard_picture.svg(" \x1b[1ma    b\x1b[0m c\n")):
        texts = [part for part in xml.etree.ElementTree.fromstring(picture).iter() if part.tag.endswith("}text")]
        assert texts and any("  " in part.text for part in texts)
        for part in texts:
            assert part.get("{http://www.w3.org/XML/1998/namespace}space") == "preserve", part.text
            assert int(part.get("textLength")) == dashboard_picture.columns(part.text) * dashboard_picture.CELL, part.text


def examples(text):
    """Commands of a man page or of the help, each begins with rh."""
    return [line.strip() for line in text.splitlines() if re.match(r"\s*rh (import|export|query|exec) .*--db", line)]


@pytest.mark.parametrize("source", ["man", "help"])
def test_the_examples_of_man_page_and_help_are_run(build, tmp_path, source):
    program = build / "tools" / "rh" / "rh"
    text = (ROOT / "docs" / "man" / "rh.1").read_text().split(".SH EXAMPLES")[1].replace("\\-", "-")
    if source == "help":
        text = subprocess.run([program, "help"], capture_output=True, text=True, check=True).stdout
    (tmp_path / "flights.csv").write_text("id,origin,carrier,delay\n7,JFK,UA,5.5\n8,LGA,DL,\n")
    lines = examples(text)
    assert len(lines) == {"man": 5, "help": 2}[source]
    for line in lines:
        done = subprocess.run(["sh", "-c", line.replace("rh ", f"{program} ", 1)], capture_output=True, text=True, timeout=60,
                              cwd=tmp_path)
        assert done.returncode == 0 and not done.stderr, (line, done.stderr)
