"""S3 servers of the tests (tests/support/s3_server.py), as places for the column store: each test has a prefix of its own."""

import os
import pathlib
import subprocess
import sys

import pytest

SERVER = pathlib.Path(__file__).resolve().parent.parent / "support" / "s3_server.py"
BUCKET = "rhei-test"


class Server:
    def __init__(self, kind):
        self.process = subprocess.Popen([sys.executable, SERVER, kind], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        word, _, rest = self.process.stdout.readline().strip().partition(" ")
        if word != "ok":
            self.close()
            pytest.skip(rest or "no S3 server came up")
        port, self.key, self.secret = rest.split()
        self.port = int(port)

    def variables(self, port=None, key=None, secret=None):
        """Those by which a process finds it, and nothing else of the machine's own."""
        return {"AWS_ENDPOINT_URL_S3": f"http://127.0.0.1:{port or self.port}", "AWS_REGION": "us-east-1",
                "AWS_ACCESS_KEY_ID": key or self.key, "AWS_SECRET_ACCESS_KEY": secret or self.secret,
                "AWS_SHARED_CREDENTIALS_FILE": os.devnull, "AWS_CONFIG_FILE": os.devnull}

    def close(self):
        self.process.stdin.close()
        self.process.wait()
        self.process.stdout.close()
