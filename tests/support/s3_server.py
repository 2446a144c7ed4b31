"""S3 servers of the tests, on free ports of this machine, with what they keep in memory or in a folder of their own.

    s3_server.py fake    gofakes3, which takes any credentials
    s3_server.py moto    moto's, which looks at credentials, signatures and rights
    s3_server.py tls PORT FOLDER    TLS in front of a server at that port; FOLDER gets the authority's certificate, ca.pem

Prints one line, "ok PORT KEY SECRET", or "missing WHY"; ends, with its server, at the end of its input.
"""

import json
import os
import pathlib
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import threading
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
BUCKET = "rhei-test"


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def wait_for(port, process):
    limit = time.monotonic() + 120
    while time.monotonic() < limit:
        if process.poll() is not None:
            raise SystemExit(f"the server ended with {process.returncode}")
        with socket.socket() as probe:
            probe.settimeout(1)
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.02)
    raise SystemExit("no server came up within two minutes")


def run(command, folder, env=None):
    with open(folder / "log", "wb") as log:
        return subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=folder, env=env, start_new_session=True)


def serve(process, port, words=""):
    try:
        print("ok", port, words or "test test-secret", flush=True)
        sys.stdin.read()
    finally:
        process.kill()
        process.wait()


def fake(folder):
    found = subprocess.run([ROOT / "scripts" / "gofakes3.sh"], capture_output=True, text=True)
    if found.returncode != 0:
        print("missing", (found.stderr.strip().splitlines() or ["gofakes3 could not be built"])[-1], flush=True)
        return
    port = free_port()
    process = run([found.stdout.strip(), "-host", f"127.0.0.1:{port}", "-backend", "memory", "-initialbucket", BUCKET], folder)
    wait_for(port, process)
    serve(process, port)


def moto(folder):
    python = subprocess.run([ROOT / "scripts" / "venv.sh"], check=True, capture_output=True, text=True).stdout.strip()
    code = subprocess.run([python, "-c", "import moto.server, flask"], capture_output=True).returncode
    if code != 0:
        print("missing moto isn't in the tests' Python packages (deps/requirements.in)", flush=True)
        return
    port = free_port()
    # the first requests, by which user, rights and bucket are made, are let through
    process = run([python, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)], folder,
                  dict(os.environ, INITIAL_NO_AUTH_ACTION_COUNT="4", MOTO_S3_CUSTOM_ENDPOINTS=f"http://127.0.0.1:{port}"))
    wait_for(port, process)
    try:
        made = subprocess.run([python, __file__, "make", str(port)], check=True, capture_output=True, text=True)
    except subprocess.CalledProcessError as error:
        process.kill()
        raise SystemExit(error.stderr + (folder / "log").read_text()) from error
    serve(process, port, made.stdout.strip())


def make(port):
    import boto3
    common = dict(endpoint_url=f"http://127.0.0.1:{port}", region_name="us-east-1", aws_access_key_id="x", aws_secret_access_key="y")
    iam = boto3.client("iam", **common)
    iam.create_user(UserName="rhei")
    rights = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": ["s3:*", "s3-object-lambda:*"], "Resource": "*"}]}
    iam.put_user_policy(UserName="rhei", PolicyName="all", PolicyDocument=json.dumps(rights))
    key = iam.create_access_key(UserName="rhei")["AccessKey"]
    boto3.client("s3", **common).create_bucket(Bucket=BUCKET)
    print(key["AccessKeyId"], key["SecretAccessKey"])


def pump(source, sink):
    try:
        while chunk := source.recv(65536):
            sink.sendall(chunk)
    except OSError:
        pass
    for end in (source, sink):
        try:
            end.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass


def handle(plain, context, backend):
    try:
        with context.wrap_socket(plain, server_side=True) as outer, socket.create_connection(("127.0.0.1", backend)) as inner:
            back = threading.Thread(target=pump, args=(inner, outer), daemon=True)
            back.start()
            pump(outer, inner)
            back.join()
    except OSError:
        pass


def accept_all(listener, context, backend):
    while True:
        plain, _ = listener.accept()
        threading.Thread(target=handle, args=(plain, context, backend), daemon=True).start()


def tls(backend, folder):
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "30", "-subj",
                    "/CN=rhei-test", "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", folder / "key.pem", "-out", folder / "ca.pem"],
                   check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "ca.pem", folder / "key.pem")
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(64)
        threading.Thread(target=accept_all, args=(listener, context, backend), daemon=True).start()
        print("ok", listener.getsockname()[1], "test test-secret", flush=True)
        sys.stdin.read()


def main():
    # a signal for the whole group must not leave the server's folder behind
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    kind = sys.argv[1]
    if kind == "make":
        make(int(sys.argv[2]))
    elif kind == "tls":
        tls(int(sys.argv[2]), pathlib.Path(sys.argv[3]))
    else:
        with tempfile.TemporaryDirectory(prefix="rhei-s3-") as folder:
            {"fake": fake, "moto": moto}[kind](pathlib.Path(folder))


if __name__ == "__main__":
    main()
