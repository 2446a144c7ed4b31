"""rh mcp and rh agent: what a program that explores a database may ask, by the Model Context Protocol's own client and by hand."""

import asyncio
import hashlib
import json
import os
import pathlib
import select
import subprocess

import pytest

from conftest import ROOT
from rh_program import rh  # noqa: F401

RH = pathlib.Path(os.environ.get("RHEI_BUILD", ROOT / "build")).resolve() / "tools" / "rh" / "rh"


@pytest.fixture
def shop(rh):  # noqa: F811
    rh.run("exec", "CREATE TABLE orders (id INTEGER PRIMARY KEY, customer TEXT, amount REAL); CREATE INDEX by_customer ON orders (customer);"
                   "CREATE VIEW big AS SELECT * FROM orders WHERE amount > 10;"
                   "INSERT INTO orders VALUES (1, 'Ada', 9.5), (2, 'Bob', 20), (9007199254740993, NULL, 1e300)", "--db", "shop.db")
    return rh


def lines(rh, *asked, arguments=(), code=0):  # noqa: F811
    done = rh.run("--agent", "shop.db", *arguments, input="".join((a if isinstance(a, str) else json.dumps(a)) + "\n" for a in asked), code=code)
    answers = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(answers) == len(asked)
    return answers if len(answers) > 1 else answers[0]


def test_a_line_asks_and_the_answer_says_what_it_is(shop):
    said = lines(shop, {"sql": "SELECT id, customer, amount FROM orders WHERE amount > ? ORDER BY id", "params": [10]})
    assert said["columns"] == ["id", "customer", "amount"] and said["rows"] == [[2, "Bob", 20.0], [9007199254740993, None, 1e300]]
    assert (said["row_count"], said["truncated"], said["route"], said["freshness"], said["position"]) == (2, False, "oltp", "latest", 0)
    assert said["age_us"] == 0 and said["elapsed_us"] > 0


def test_parameters_keep_their_types(shop):
    said = lines(shop, {"sql": "SELECT typeof(?), typeof(?), typeof(?), typeof(?), typeof(?), ?", "params": [1, 1.5, "1", None, True, "ö\0x"]})
    assert said["rows"] == [["integer", "real", "text", "null", "integer", "ö\0x"]]
    for wrong in ({":a": 1}, {"nosuch": 1}, 7, "x"):
        said = lines(shop, {"sql": "SELECT :a", "params": wrong})
        assert "array" in said["error"]["message"], said
    assert "64 bits" in lines(shop, {"sql": "SELECT ?", "params": [9223372036854775808]})["error"]["message"]
    assert lines(shop, {"sql": "SELECT ?, ?", "params": [9223372036854775807, 1e300]})["rows"] == [[9223372036854775807, 1e300]]
    for wrong in ({"a": 1}, [1]):
        assert "params[1] is" in lines(shop, {"sql": "SELECT ?, ?", "params": [1, wrong]})["error"]["message"]


def test_schema_explain_and_status(shop):
    schema, one, explained, status = lines(shop, {"tool": "schema"}, {"tool": "schema", "table": "b%"}, {"tool": "explain", "sql": "SELECT count(*) FROM orders"},
                                           {"tool": "status"})
    tables = {table["name"]: table for table in schema["tables"]}
    assert tables["orders"]["columns"][0] == {"name": "id", "type": "INTEGER", "key": 1, "not_null": False}
    assert tables["orders"]["indexes"] == ["CREATE INDEX by_customer ON orders (customer)"] and tables["big"]["kind"] == "view"
    assert [table["name"] for table in one["tables"]] == ["big"]
    assert dict(explained["rows"])["route"] == "oltp" and "route" not in explained
    assert status["oltp"]["read_only"] is True


@pytest.mark.parametrize("door", ["mcp", "--agent"])
@pytest.mark.parametrize("bad, words", [(b'{"sql":"SELECT 1 --' + b"x" * (16 << 20) + b'"}', "16 MiB"), (b"x" * (40 << 20), "16 MiB"), (b'{"sql":"SELECT 1"}\0', "no JSON"),
                                        (b"\0", "no JSON"), (b"\0" * 5000, "no JSON"), (b'{"sql":"SELECT \0 1"}', "no JSON")],
                         ids=["too long", "far too long", "a zero behind", "a zero", "zeros", "a zero within"])
def test_d5_after_a_line_that_is_none_the_next_one_is_answered(shop, door, bad, words):
    asks = b'{"jsonrpc":"2.0","id":1,"method":"ping"}' if door == "mcp" else b'{"sql":"SELECT 5"}'
    done = shop.run(*(["mcp", "--db", "shop.db"] if door == "mcp" else ["--agent", "shop.db"]), input=b"\n".join([asks, bad, asks, bad]), text=False)
    first, second, third, fourth = map(json.loads, done.stdout.splitlines())
    assert first == third or first["rows"] == third["rows"] == [[5]]
    for refused in (second, fourth):
        assert words in refused["error"]["message"] and (door != "mcp" or refused["id"] is None), refused


def test_errors_speak_of_the_tools_and_not_of_the_library(shop):
    read = lines(shop, {"sql": "BEGIN"}, {"sql": "SELECT 1; SELECT 2"}, {"sql": "ATTACH 'x' AS y"}, {"sql": "SELECT ?"}, {"tool": "explain", "sql": "EXPLAIN ROUTE SELECT 1"})
    wrote = lines(shop, *({"tool": "execute", "sql": sql} for sql in ("BEGIN", "SAVEPOINT s", "PRAGMA user_version = 7", "DELETE FROM orders; SELECT 1", "VACUUM INTO 'x'")),
                  arguments=["--write"])
    for answer in read + wrote:
        assert not any(word in answer["error"]["message"] for word in ("rhei_", "handle", "session", "as a write")), answer
    assert "tool execute" in read[0]["error"]["message"] and "a call of its own" in read[1]["error"]["message"]


def test_d3_nothing_is_changed_unless_told(shop):
    before = hashlib.sha256((shop.folder / "shop.db").read_bytes()).hexdigest()
    wrong = lines(shop, *({"sql": sql} for sql in ("DELETE FROM orders", "CREATE TABLE x (a)", "INSERT INTO orders VALUES (7, 'x', 1) RETURNING id",
                                                    "PRAGMA user_version = 7", "VACUUM", "ATTACH 'other.db' AS o", "ATTACH ':memory:' AS o", "ATTACH '' AS o", "DETACH o",
                                                    "VACUUM INTO 'copy.db'", "BEGIN",
                                                    "SELECT 1; DELETE FROM orders", "SELECT * FROM read_csv('/etc/passwd')", "SELECT load_extension('x')")))
    assert all("error" in answer for answer in wrong), wrong
    assert "--write" in wrong[0]["error"]["message"] and wrong[0]["error"]["code"] == "READ_ONLY"
    assert "execute" in lines(shop, {"tool": "execute", "sql": "DELETE FROM orders"})["error"]["message"]
    assert hashlib.sha256((shop.folder / "shop.db").read_bytes()).hexdigest() == before
    assert sorted(file.name for file in shop.folder.iterdir()) == ["shop.db"]


def test_with_write_execute_changes_and_query_still_doesnt(shop):
    refused, done, seen = lines(shop, {"sql": "DELETE FROM orders"}, {"tool": "execute", "sql": "UPDATE orders SET amount = 1 WHERE id < ?", "params": [3]},
                                {"sql": "SELECT sum(amount) FROM orders WHERE id < 3"}, arguments=["--write"])
    assert "execute" in refused["error"]["message"] and done["changes"] == 2 and seen["rows"] == [[2.0]]
    refused = lines(shop, *({"tool": "execute", "sql": sql} for sql in ("ATTACH 'other.db' AS o", "ATTACH ':memory:' AS o", "ATTACH '' AS o", "DETACH o")),
                    arguments=["--write"])
    assert all(answer["error"]["code"] == "UNSUPPORTED" for answer in refused), refused


def test_answers_are_bounded_and_say_so(shop):
    many = "WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c WHERE x < 100000) SELECT x, hex(zeroblob(50)) FROM c"
    said = lines(shop, {"sql": many})
    assert said["row_count"] == len(said["rows"]) == 1000 and said["truncated"] and "max_rows" in said["why"]
    assert lines(shop, {"sql": many, "max_rows": 3})["row_count"] == 3
    assert lines(shop, {"sql": many, "max_rows": 5000})["row_count"] == 1000  # the command line's is the most
    said = lines(shop, {"sql": many}, arguments=["--max-rows", "90000", "--max-bytes", "20000"])
    assert said["truncated"] and "bytes" in said["why"] and 100 < said["row_count"] < 200
    said = lines(shop, {"sql": "SELECT printf('%.*c', 3000000, 'x') || 'ö', zeroblob(3000000), 'short'"})["rows"][0]
    assert said[0] == {"cut": "x" * 1000, "length": 3000002} and said[1]["length"] == 3000000 and said[2] == "short"
    assert "AS" in lines(shop, {"sql": f"SELECT '{'x' * 2000000}'"})["error"]["message"]
    whole = lines(shop, {"sql": "SELECT 1 WHERE 0"})
    assert whole["rows"] == [] and whole["columns"] == ["1"] and not whole["truncated"]


def test_the_column_store_is_built_for_who_demands_it(shop):
    said = lines(shop, {"sql": "SELECT customer, count(*) FROM orders GROUP BY 1 ORDER BY 1", "route": "olap"})
    assert said["route"] == "olap" and said["rows"] == [[None, 1], ["Ada", 1], ["Bob", 1]]


@pytest.mark.parametrize("line, words", [
    ("nonsense", "no JSON"), ("[1]", "JSON object"), ('"x"', "JSON object"), ("{}", "needs sql"), ('{"sql": 1}', "needs sql"), ('{"sq": "x"}', 'no argument "sq"'),
    ('{"tool": "qurey", "sql": "x"}', 'no tool "qurey"'), ('{"sql": "SELECT 1", "route": "fast"}', "auto, oltp or olap"),
    ('{"sql": "SELECT 1", "freshness": "soon"}', "bounded:MS"), ('{"sql": "SELECT 1", "max_rows": 0}', "max_rows"), ('{"sql": "SELEC 1"}', "syntax error"),
    ('{"sql": "SELECT 1\\u0000"}', "character 0"), ('{"sql": "SELECT ?", "params": [1, 2]}', ""), ('{"sql": "SELECT 1", "as_of": "yesterday"}', "no history"),
    ('{"tool": "schema", "sql": "x"}', "it takes table"), ('{"tool": "status", "x": 1}', "it takes nothing")])
def test_bad_input_is_told_and_the_next_line_is_read(shop, line, words):
    wrong, good = lines(shop, line, {"sql": "SELECT 1"})
    assert words in wrong["error"]["message"] and wrong["error"]["code"] and good["rows"] == [[1]], wrong


def test_a_statement_that_takes_too_long_is_ended(shop):
    endless = "WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c) SELECT count(*) FROM c"
    wrong, good = lines(shop, {"sql": endless}, {"sql": "SELECT 1"}, arguments=["--timeout", "200"])
    assert wrong["error"]["code"] == "TIMEOUT" and good["rows"] == [[1]]


def test_a_database_that_isnt_there_is_told(rh):  # noqa: F811
    for command in ("agent", "mcp"):
        assert "none.db" in rh.run(command, "none.db", input="", code=1).stderr
    assert list(rh.folder.iterdir()) == []


# ---- The Model Context Protocol ----


class Client:
    """A client by hand, for what a proper one never sends."""

    def __init__(self, folder, *arguments):
        self.process = subprocess.Popen([RH, "mcp", "shop.db", *arguments], cwd=folder, stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def send(self, message):
        self.process.stdin.write((message if isinstance(message, bytes) else json.dumps(message).encode()) + b"\n")
        self.process.stdin.flush()

    def take(self):
        assert select.select([self.process.stdout], [], [], 60)[0]
        return json.loads(self.process.stdout.readline())

    def ask(self, message):
        self.send(message)
        return self.take()

    def call(self, number, name, **arguments):
        self.send({"jsonrpc": "2.0", "id": number, "method": "tools/call", "params": {"name": name, "arguments": arguments}})

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.stdin.close()
        assert self.process.wait(60) == 0
        assert self.process.stdout.read() == b""


def test_the_protocols_own_client_explores(shop):
    from mcp import ClientSession, StdioServerParameters
    from mcp.client.stdio import stdio_client

    async def explore(*more):
        server = StdioServerParameters(command=str(RH), args=["mcp", str(shop.folder / "shop.db"), *more])
        async with stdio_client(server) as (reader, writer), ClientSession(reader, writer) as session:
            greeting = await session.initialize()
            assert greeting.server_info.name == "rhei"
            tools = {tool.name for tool in (await session.list_tools()).tools}
            said = await session.call_tool("query", {"sql": "SELECT count(*) FROM orders"})
            wrong = await session.call_tool("query", {"sql": "SELECT nowhere FROM orders"})
            await session.send_ping()
            return tools, json.loads(said.content[0].text), said.is_error, wrong.is_error, wrong.content[0].text

    tools, said, failed, wrong, text = asyncio.run(explore())
    assert tools == {"schema", "query", "explain", "status"} and said["rows"] == [[3]] and not failed and wrong and "no such column" in text
    assert asyncio.run(explore("--write"))[0] == tools | {"execute"}


def test_a_call_is_cancelled_and_the_next_is_answered(shop):
    endless = "WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c) SELECT count(*) FROM c"
    with Client(shop.folder) as client:
        client.call(1, "query", sql=endless)
        client.call("two", "query", sql="SELECT 2")
        client.call(3, "query", sql="SELECT 3")
        assert client.ask({"jsonrpc": "2.0", "id": 4, "method": "ping"})["id"] == 4  # heard meanwhile
        client.send({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": 3}})
        client.send({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": 1}})
        answer = client.take()
        assert answer["id"] == "two" and json.loads(answer["result"]["content"][0]["text"])["rows"] == [[2]]


def test_messages_that_are_none_are_told(shop):
    with Client(shop.folder) as client:
        for sent, code in ((b"nonsense", -32700), (b"[]", -32600), (b"7", -32600), (b'{"id": 1}', -32600), (b'{"id": [], "method": "ping"}', -32600),
                           (b'{"jsonrpc": "2.0", "id": 1, "method": "sampling/none"}', -32601),
                           (b'{"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "none"}}', -32602),
                           (b'{"jsonrpc": "2.0", "id": 1, "method": "tools/call"}', -32602), (b'{"x": "' + b"y" * (17 << 20) + b'"}', -32600)):
            assert client.ask(sent)["error"]["code"] == code, sent[:100]
        client.send({"jsonrpc": "2.0", "method": "notifications/initialized"})
        client.send({"jsonrpc": "2.0", "id": 9, "result": {}})  # an answer to nothing
        assert client.ask({"jsonrpc": "2.0", "id": "x", "method": "initialize", "params": {"protocolVersion": "1999-01-01"}})["result"]["protocolVersion"] >= "2025"
        client.call(1, "query", sql=5)
        assert client.take()["result"]["isError"] is True


def test_a_client_that_goes_ends_what_runs(shop):
    client = Client(shop.folder, "--timeout", "86400000")
    client.call(1, "query", sql="WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c) SELECT count(*) FROM c")
    assert client.ask({"jsonrpc": "2.0", "id": 2, "method": "ping"})["id"] == 2
    client.process.stdin.close()
    assert client.process.wait(60) == 0
