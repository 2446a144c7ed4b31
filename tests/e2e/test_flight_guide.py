"""The guide's page on the network door is run as it stands."""

import contextlib
import io
import os
import pathlib
import re
import subprocess

from flight_door import needs_door
from test_guide import commands

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
PAGE = "docs/guide/flight.md"
pytestmark = needs_door


def test_d1_the_page_is_run_as_it_stands(build, tmp_path, monkeypatch):
    text = (ROOT / PAGE).read_text()
    monkeypatch.chdir(tmp_path)
    (tmp_path / "build").symlink_to(build)
    *before, serve = commands(PAGE, "build/tools/rh/rh exec")
    done = subprocess.run(["sh", "-e", "-c", "\n".join(before + commands(PAGE, "build/tools/rh/rh serve --make-user"))],
                          input="the password\n", capture_output=True, text=True, timeout=60)
    assert done.returncode == 0 and (tmp_path / "users").read_text().startswith("ada:$argon2id$"), done.stderr
    assert "31337" in serve
    server = subprocess.Popen(["sh", "-c", "exec " + serve.replace("31337", "0")], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
                              env=dict(os.environ, LC_ALL="C.UTF-8"))
    try:
        line = server.stdout.readline()
        shown = re.search(r"It prints `(Flight SQL on [^`]*)`", text).group(1) if "It prints `Flight" in text else None
        assert re.match(re.escape(shown).replace("31337", r"\d+"), line), line
        port = line.strip().rsplit(":", 1)[1]
        programs = re.findall(r"```python\n(.*?)```\n\nIt prints `([^`]*)`", text, re.S)
        assert len(programs) == 2
        names = {}
        for program, printed in programs:
            output = io.StringIO()
            with contextlib.redirect_stdout(output):
                exec(program.replace("31337", port), names)  # noqa: S102 (that is what it is for)
            assert output.getvalue() == printed + "\n"
        for name in ("connection", "slow_link"):
            names[name].close()
        server.terminate()
        assert server.wait(timeout=60) == 0
    finally:
        server.kill()
        server.wait()
        server.stdout.close()
