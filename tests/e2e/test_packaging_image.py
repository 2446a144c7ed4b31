"""What the image brings besides the packages: its health check, and settings that this program reads."""

import http.server
import subprocess
import threading

import pytest

from rh_program import ROOT, rh  # noqa: F401

IMAGE = ROOT / "packaging" / "image"


@pytest.fixture
def service():
    """Answers /readyz with the status that its `status` says."""
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            assert self.path == "/readyz"
            self.send_response(server.status)
            self.end_headers()

        def log_message(self, *words):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def healthy(port):
    return subprocess.run([IMAGE / "healthy", str(port)], capture_output=True, timeout=60).returncode == 0


def test_it_is_healthy_when_the_service_says_that_it_is_ready(service):
    port = service.server_address[1]
    for service.status, good in ((200, True), (503, False), (404, False)):
        assert healthy(port) == good
    service.shutdown()
    service.server_close()
    assert not healthy(port)


@pytest.mark.parametrize("path", [IMAGE / "image.toml", ROOT / "packaging" / "systemd" / "service.toml"], ids=lambda path: path.stem)
def test_a_program_takes_the_settings(rh, path):  # noqa: F811
    """Each key is one of this program's, whether it stands there or behind a #, and the file opens a database."""
    text = path.read_text().replace("/var/lib/rhei", str(rh.folder))
    known = set(rh.run("settings", "--format", "csv", "--no-header").stdout.replace(",", "\n").split("\n"))
    keys = {line.removeprefix("# ").split(" = ")[0] for line in text.splitlines() if " = " in line and not line.startswith("# The")}
    assert len(keys) > 3 and keys - known <= {"metrics_listen"}
    (rh.folder / "rhei.toml").write_text("\n".join(line for line in text.splitlines() if not line.startswith("metrics_listen")))
    rh.run("exec", "--capture", "--config", "rhei.toml", "SELECT 1")
    assert (rh.folder / "rhei.db").exists() and (rh.folder / "mirror").is_dir()
