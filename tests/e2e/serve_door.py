"""A running `rh serve`: its addresses, its log, its socket, and what systemd would hear of it."""

import contextlib
import http.client
import json
import os
import re
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request

LIMIT = 60


def wait_for(condition, what):
    """Until the condition gives something true, which is the result."""
    end = time.monotonic() + LIMIT
    while time.monotonic() < end:
        found = condition()
        if found:
            return found
        time.sleep(0.02)
    raise AssertionError(f"{what} never came")


class SocketConnection(http.client.HTTPConnection):
    def __init__(self, path):
        super().__init__("localhost", timeout=LIMIT)
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(LIMIT)
        folder = os.open(self.path.parent, os.O_PATH | os.O_DIRECTORY)
        try:
            self.sock.connect(f"/proc/self/fd/{folder}/{self.path.name}")
        finally:
            os.close(folder)


class Service:
    def __init__(self, rh, *options, env=None):
        self.rh = rh
        self.log_path = rh.folder / "serve.log"
        self.log_file = open(self.log_path, "ab")
        self.out_path = rh.folder / "serve.out"
        self.out_file = open(self.out_path, "wb")
        self.process = subprocess.Popen(
            [rh.path, "serve", *map(str, options)], cwd=rh.folder, stdin=subprocess.DEVNULL, stdout=self.out_file,
            stderr=self.log_file, env=dict(os.environ, LC_ALL="C.UTF-8", **(env or {})))

    def log(self):
        return self.log_path.read_text()

    def said(self, pattern):
        """What it wrote on standard output, once it did."""
        def look():
            assert self.process.poll() is None, self.log()
            return re.search(pattern, self.out_path.read_text())
        return wait_for(look, pattern)

    def logged(self, pattern):
        return wait_for(lambda: re.search(pattern, self.log()), pattern)

    @property
    def metrics(self):
        return self.said(r"Metrics on (http://\S+)/metrics\n").group(1)

    def get(self, path, headers=None, code=200):
        request = urllib.request.Request(self.metrics + path, headers=headers or {})
        try:
            with urllib.request.urlopen(request, timeout=LIMIT) as answer:
                status, found, text = answer.status, answer.headers, answer.read().decode()
        except urllib.error.HTTPError as error:
            status, found, text = error.code, error.headers, error.read().decode()
        assert status == code, (status, text)
        return found, text

    def ask(self, path="/status", method="GET", code=200):
        """By the socket, as a dashboard does."""
        from pathlib import Path
        connection = SocketConnection(Path(self.said(r"Status on (\S+)\n").group(1)))
        try:
            connection.request(method, path)
            answer = connection.getresponse()
            text = answer.read().decode()
            assert answer.status == code, (answer.status, text)
            return json.loads(text)
        finally:
            connection.close()

    def built(self):
        """Its column store answers for every table: what is written from now on is a change."""
        wait_for(lambda: (lambda sync: sync["tables"] == sync["tables_ready"] > 0)(self.ask()["sync"]), "the column store")

    def stop(self, sig=signal.SIGTERM, code=0):
        if self.process.poll() is None:
            self.process.send_signal(sig)
        try:
            assert self.process.wait(timeout=LIMIT) == code, self.log()
        finally:
            self.kill()

    def kill(self):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        self.log_file.close()
        self.out_file.close()


@contextlib.contextmanager
def service(rh, *options, schema="CREATE TABLE t (id INTEGER PRIMARY KEY, name TEXT, v REAL)", **more):
    if schema:
        rh.run("exec", "--db", "a.db", schema)
    made = Service(rh, *options, **more)
    try:
        yield made
        made.stop()
    finally:
        made.kill()


class Systemd:
    """The socket that NOTIFY_SOCKET names."""

    def __init__(self, path):
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(path)
        self.socket.settimeout(LIMIT)

    def hear(self, wanted):
        """Everything up to a message of this beginning."""
        heard = []
        while not heard or not heard[-1].startswith(wanted):
            heard.append(self.socket.recv(4096).decode())
        return heard

    def close(self):
        self.socket.close()
