"""S5: TLS to a PostgreSQL source, with real certificates, and secrets that nothing shows."""

import json
import os

import pytest

from certificates import Authority
from postgres_server import PostgresServer
from rh_program import rh  # noqa: F401
from test_sidecar_postgres import rows_here

SECRET = "hush-word"
QUESTION = "SELECT count(*) FROM app.t"
CLIENTS = "local all all trust\nhostssl all app 127.0.0.1/32 cert\nhost all app 127.0.0.1/32 reject\nhost all all 127.0.0.1/32 trust\n"


@pytest.fixture(scope="module")
def authorities(tmp_path_factory):
    folder = tmp_path_factory.mktemp("certificates")
    return Authority(folder, "ours"), Authority(folder, "other")


@pytest.fixture(scope="module", params=[15, 18])
def server(request):
    with PostgresServer(request.param) as made:
        made.sql("CREATE TABLE t (id int PRIMARY KEY); INSERT INTO t VALUES (1); CREATE ROLE app LOGIN SUPERUSER")
        yield made


def serve(server, authority, pair, hba=None):
    """From now on with this certificate, or, without one, without TLS."""
    server.settings["ssl"] = "off" if pair is None else "on"
    if pair is not None:
        server.settings["ssl_ca_file"] = "root.crt"
        for name, path in zip(("server.crt", "server.key", "root.crt"), (*pair, authority.path)):
            server.write(name, path.read_text())
    if hba is not None:
        server.write("pg_hba.conf", hba)
    server.stop()
    server.start()


def write_settings(folder, server, words, user="postgres", more=""):
    words = words if "host" in words else f"host=127.0.0.1 {words}"
    (folder / "side.toml").write_text(
        f'[sidecar]\nname = "app"\nsource_type = "postgres"\nmode = "logical"\n'
        f'source_path = "{words} port={server.port} dbname=postgres user={user}"\n{more}\n')
    return folder / "side.toml"


@pytest.fixture
def ask(rh, server, tmp_path):  # noqa: F811
    """What a question of the table ends in, by these words of the settings: None, or the error."""
    def run(words, user="postgres", more="", **options):
        done = rh.run("query", "--config", write_settings(tmp_path, server, words, user, more), QUESTION, code=None, **options)
        assert SECRET not in done.stdout + done.stderr
        assert done.returncode == 0 or done.stdout == ""
        return None if done.returncode == 0 else done.stderr

    return run


def test_s5_a_server_without_tls(ask, server, authorities):
    serve(server, authorities[0], None)
    assert ask("sslmode=disable") is None and ask("sslmode=prefer") is None
    for mode in ("require", "verify-ca", "verify-full"):
        assert "the server has TLS off" in ask(f"sslmode={mode} sslrootcert={authorities[0].path}"), mode


def test_s5_who_the_server_is_counts_as_sslmode_says(ask, rh, server, authorities, tmp_path):  # noqa: F811
    ours, other = authorities
    serve(server, ours, ours.issue("server", "IP:127.0.0.1,DNS:db.example"))
    root = f"sslrootcert={ours.path}"
    for mode in ("disable", "prefer", "require"):
        assert ask(f"sslmode={mode}") is None, mode
    for mode in ("require", "verify-ca", "verify-full"):
        assert ask(f"sslmode={mode} {root}") is None, mode
        assert "not signed by the authority of sslrootcert" in ask(f"sslmode={mode} sslrootcert={other.path}"), mode
    for mode in ("verify-ca", "verify-full"):  # libpq's own advice is not to look
        for where in ("", "sslrootcert=/nowhere.crt"):
            said = ask(f"sslmode={mode} {where}", env={"HOME": str(tmp_path)})
            assert "as sslrootcert" in said and "disable" not in said, mode
    assert ask(f"host=db.example hostaddr=127.0.0.1 sslmode=verify-full {root}") is None
    assert ask(f"host=db.other hostaddr=127.0.0.1 sslmode=verify-ca {root}") is None
    said = ask(f"host=db.other hostaddr=127.0.0.1 sslmode=verify-full {root}")
    assert "db.other" in said and "a name that the server's certificate has" in said
    assert "sslmode" in ask("sslmode=sometimes")


def test_s5_over_a_socket_file_there_is_no_tls_and_so_no_connection(ask, server, authorities):
    ours = authorities[0]
    serve(server, ours, ours.issue("server", "IP:127.0.0.1"))
    for mode in ("require", "verify-ca", "verify-full"):  # where libpq itself connects, and says nothing
        assert "over a socket file there is none" in ask(f"host={server.sockets} sslmode={mode} sslrootcert={ours.path}"), mode
        assert "over a socket file there is none" in ask(f"host={server.sockets}", env={"PGSSLMODE": mode}), mode
    assert ask(f"host={server.sockets}") is None


def test_s5_certificates_of_other_times_and_names(ask, server, authorities):
    ours = authorities[0]
    root = f"sslrootcert={ours.path}"
    serve(server, ours, ours.issue("server", "IP:127.0.0.1", days=-1))
    assert ask("sslmode=require") is None  # which looks at nothing
    for mode in ("require", "verify-ca", "verify-full"):
        assert "past its time" in ask(f"sslmode={mode} {root}"), mode
    serve(server, ours, ours.issue("localhost"))
    assert ask(f"host=localhost sslmode=verify-full {root}") is None
    assert "does not match host name" in ask(f"sslmode=verify-full {root}")


def test_s5_users_with_certificates(ask, server, authorities, spawn, tmp_path):
    ours, other = authorities
    serve(server, ours, ours.issue("server", "IP:127.0.0.1"), CLIENTS)
    base = f"sslmode=verify-full sslrootcert={ours.path}"
    words = lambda pair: f"{base} sslcert={pair[0]} sslkey={pair[1]}"
    right = ours.issue("app")
    assert ask(words(right), "app") is None
    assert "name the user's sslcert and sslkey" in ask(base, "app")
    assert "of another name than the user" in ask(words(ours.issue("somebody")), "app")
    assert "sslcert is past its time" in ask(words(ours.issue("app", days=-1)), "app")
    assert "doesn't know the authority" in ask(words(other.issue("app")), "app")
    assert "name the file of its key as sslkey" in ask(words((right[0], "/nowhere.key")), "app")
    assert "without TLS" in ask("sslmode=disable", "app")
    open_to_all = tmp_path / "open.key"
    open_to_all.write_text(right[1].read_text())
    open_to_all.chmod(0o644)
    assert "0600" in ask(words((right[0], open_to_all)), "app")
    # nobody is asked for the pass phrase, at a terminal neither
    said = ask(words(ours.issue("app", password=SECRET)), "app")
    assert "take one without" in said and "PEM" not in said

    engine = spawn()
    engine.open(None, config_file=write_settings(tmp_path, server, words(right), "app"))
    assert rows_here(engine, QUESTION) == [["1"]]
    ours_there = "FROM pg_stat_ssl JOIN pg_stat_activity USING (pid) WHERE application_name = 'rhei'"
    assert server.sql(f"SELECT bool_and(ssl AND client_dn = '/CN=app'), count(*) > 1 {ours_there}") == "t\tt\n"


# ---- Secrets. ----------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def guarded(server):
    """A server that asks for the password SECRET."""
    server.sql(f"SET password_encryption = 'scram-sha-256'; DROP ROLE IF EXISTS guarded; CREATE ROLE guarded LOGIN SUPERUSER PASSWORD '{SECRET}'")
    server.write("pg_hba.conf", "local all all trust\nhost all guarded 127.0.0.1/32 scram-sha-256\nhost all all 127.0.0.1/32 trust\n")
    server.settings["ssl"] = "off"
    server.stop()
    server.start()
    return server


def everything(rh, folder):  # noqa: F811
    """All that these commands say and all that they leave behind, whatever they end in."""
    said = ""
    for words in (["query", QUESTION], ["info", "--json"], ["info"], ["status"], ["status", "--json"], ["settings"]):
        done = rh.run(words[0], "--config", folder / "side.toml", *words[1:], code=None)
        said += done.stdout + done.stderr
    for path in folder.rglob("*"):
        if path.is_file() and path.name not in ("side.toml", "secret"):
            said += path.read_text(errors="replace")
    return said


@pytest.mark.parametrize("words, more", [
    ("password={}", ""), ("passwOrd={}", ""), ("password = '{}'", ""), ("application_name='x y' password={}", ""), ("sslpassword={}", ""),
    ("password='{}", ""), ("", 'password = "{}"'), ("", 'password_fil = "{}"'),
])
def test_s5_a_password_in_the_settings_is_shown_by_nothing(rh, guarded, tmp_path, words, more):  # noqa: F811
    write_settings(tmp_path, guarded, words.format(SECRET), "guarded", more.format(SECRET))
    said = everything(rh, tmp_path)
    assert "side.toml:" in said and SECRET not in said


@pytest.mark.parametrize("path", [
    "postgresql://guarded:{}@127.0.0.1/postgres", "postgres://guarded:a?b{}@127.0.0.1/postgres", "postgresql://127.0.0.1/postgres?password={}",
    "postgresql://127.0.0.1/postgres?sslmode=prefer&pass%77ord={}", "postgresql://guarded@127.0.0.1?sslpassword={}",
])
def test_s5_a_password_in_a_uri_is_refused_unseen(rh, tmp_path, path):  # noqa: F811
    (tmp_path / "side.toml").write_text(f'[sidecar]\nname = "app"\nsource_type = "postgres"\nmode = "logical"\nsource_path = "{path.format(SECRET)}"\n')
    said = everything(rh, tmp_path)
    assert "source_path has a password in it" in said and SECRET not in said


def test_s5_passwords_from_files_and_the_environment_are_used_and_shown_by_nothing(rh, guarded, tmp_path, spawn):  # noqa: F811
    wrong = SECRET + "-wrong"
    secret = tmp_path / "secret"
    ways = {"password_file": lambda word: secret.write_text(word + "\n"), "password_env": lambda word: os.environ.update(RHEI_TEST_SECRET=word),
            "PGPASSWORD": lambda word: os.environ.update(PGPASSWORD=word), "passfile": lambda word: secret.write_text(f"*:*:*:*:{word}\n")}
    more = {"password_file": f'password_file = "{secret}"', "password_env": 'password_env = "RHEI_TEST_SECRET"'}
    secret.touch(mode=0o600)
    for way, give in ways.items():
        write_settings(tmp_path, guarded, f"passfile={secret}" if way == "passfile" else "", "guarded", more.get(way, ""))
        try:
            give(wrong)
            said = everything(rh, tmp_path)
            assert "password authentication failed" in said and "look at user and password" in said and SECRET not in said, way
            give(SECRET)
            said = everything(rh, tmp_path)
            assert "authentication" not in said and SECRET not in said, way
            engine = spawn()
            engine.open(None, config_file=tmp_path / "side.toml", log_level=4)
            assert rows_here(engine, QUESTION) == [["1"]], way
            told = engine.info() + json.dumps(engine.tables()) + json.dumps(engine.log) + engine.errors()
            assert "app" in told and SECRET not in told, way
            engine.close()
        finally:
            os.environ.pop("PGPASSWORD", None)
            os.environ.pop("RHEI_TEST_SECRET", None)
