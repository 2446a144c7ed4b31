"""The service of the package under a real systemd: it is process 1 of namespaces of its own in a bare root, in which the package is installed, and systemctl
is asked as the guide says. Secrets by LoadCredential= aren't asked for: they need a kernel that keeps ACLs on tmpfs, which not every builder's has.
"""

import os
import re
import signal
import subprocess
import time

import pytest

from test_deb import ENVIRONMENT, GUIDE, root  # noqa: F401 (fixture)

LIMIT = 60
METRICS = "http://127.0.0.1:9464"
# what a manager of containers does before systemd: file systems that are its own, few devices, and a group of processes below which it makes others
BEGIN = r"""
set -e
root=$1 groups=$2 group=$2/$3
mount -t cgroup2 cgroup "$groups"
mkdir "$group"
echo $$ >"$group/cgroup.procs"
exec unshare --mount --pid --fork --kill-child --cgroup --net --uts --ipc --propagation private sh -ec '
root=$1
ip link set lo up
mount --bind "$root" "$root"
mount -t proc proc "$root/proc"
mount -t sysfs -o ro sysfs "$root/sys"
mount -t cgroup2 cgroup "$root/sys/fs/cgroup"
for place in run dev; do mount -t tmpfs -o mode=755 tmpfs "$root/$place"; done
mount -t tmpfs -o mode=1777 tmpfs "$root/tmp"
for device in null zero full random urandom tty; do
    : >"$root/dev/$device"
    mount --bind "/dev/$device" "$root/dev/$device"
done
ln -s /proc/self/fd "$root/dev/fd"
mkdir "$root/dev/shm" "$root/dev/pts" "$root/run/old"
mount -t tmpfs -o mode=1777 tmpfs "$root/dev/shm"
mount -t devpts -o newinstance,ptmxmode=0666 devpts "$root/dev/pts"
ln -s pts/ptmx "$root/dev/ptmx"
cd "$root"
pivot_root . run/old
umount -l /run/old
exec env -i container=rhei PATH=/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C.UTF-8 /lib/systemd/systemd --system --show-status=no </dev/null
' sh "$root"
"""


# behind it, when nothing runs in them any more
END = 'mount -t cgroup2 cgroup "$1" && find "$1/$2" -depth -type d -exec rmdir {} ";"'


class Machine:
    def __init__(self, root, folder):  # noqa: F811
        self.groups, self.group = folder / "cgroups", f"rhei-test-{os.getpid()}-{folder.name}"
        self.groups.mkdir()
        self.console = open(folder / "console", "w+")
        self.process = subprocess.Popen(["unshare", "--mount", "sh", "-c", BEGIN, "sh", str(root.path), str(self.groups), self.group], env=ENVIRONMENT, stdin=subprocess.DEVNULL,
                                        stdout=self.console, stderr=subprocess.STDOUT)
        self.init = self.wait(self.find_init)

    def find_init(self):
        """systemd, as this machine numbers it; the last of those that begin one another."""
        if self.process.poll() is not None:
            self.console.seek(0)
            pytest.fail(f"systemd can't be begun on this machine: {self.console.read()}")
        number = self.process.pid
        while True:
            children = open(f"/proc/{number}/task/{number}/children").read().split()
            if open(f"/proc/{number}/comm").read() == "systemd\n":
                return number
            if not children:
                return None
            number = int(children[0])

    @staticmethod
    def wait(what):
        until = time.monotonic() + LIMIT
        while True:
            found = what()
            if found:
                return found
            assert time.monotonic() < until, what
            time.sleep(0.1)

    def run(self, command, code=0):
        inside = ["nsenter", f"--target={self.init}", "--mount", "--pid", "--net", "--uts", "--ipc", "--cgroup", "--root", "--wd", "sh", "-c", command]
        done = subprocess.run(inside, capture_output=True, text=True, env=ENVIRONMENT, timeout=LIMIT)
        assert code is None or done.returncode == code, f"{command}\n{done.stdout}{done.stderr}\n{self.journal()}"
        return done.stdout

    def journal(self):
        return self.run("journalctl -u rhei --no-pager -o cat", code=None)

    def has_journal(self, words):
        return self.wait(lambda: words in self.journal())

    def told(self, name):
        return self.run(f"systemctl show rhei --value -p {name}").strip()

    def get(self, path):
        """Over the loopback of its own network."""
        ask = f"import urllib.request; print(urllib.request.urlopen('{METRICS}{path}', timeout=10).read().decode(), end='')"
        done = subprocess.run(["nsenter", f"--target={self.init}", "--net", "python3", "-c", ask], capture_output=True, text=True)
        return done.stdout if done.returncode == 0 else None

    def end(self):
        os.kill(self.init, signal.SIGKILL)  # and all that it began
        self.process.wait(LIMIT)
        self.wait(lambda: subprocess.run(["unshare", "--mount", "sh", "-c", END, "sh", str(self.groups), self.group], capture_output=True).returncode == 0)
        self.console.close()


@pytest.fixture
def machine(root, tmp_path):  # noqa: F811
    root.run("apt-get update -q")
    line, = re.findall(r"^    (apt-get install .*)$", GUIDE.read_text(), re.M)
    root.run(line)
    root.run("apt-get install systemd systemd-sysv")
    settings = root.path / "etc/rhei/rhei.toml"
    settings.write_text(settings.read_text().replace("# metrics_listen", "metrics_listen"))
    one = Machine(root, tmp_path)
    one.wait(lambda: one.run("systemctl is-system-running", code=None).strip() in ("running", "degraded"))
    yield one
    one.end()


def test_the_service_under_systemd(machine, root):  # noqa: F811
    enable, reload = re.findall(r"^    (systemctl (?:enable|reload) [^#\n]*?) *(?:#.*)?$", GUIDE.read_text(), re.M)
    assert machine.told("ActiveState") == "inactive"  # an installation begins nothing
    machine.run(enable)
    assert machine.run("systemctl is-enabled rhei") == "enabled\n" and machine.told("ActiveState") == "active"
    # it said itself that it is ready, so it is when systemctl returns
    assert machine.get("/healthz") == "ok\n" and machine.told("Type") == "notify"
    journal = machine.journal()
    assert f"Metrics on {METRICS}/metrics" in journal and "Started" in journal
    assert not re.search(r"^\d+$", journal, re.M), journal  # nothing that a statement gave
    machine.run("rh exec 'CREATE TABLE kept (id INTEGER PRIMARY KEY); INSERT INTO kept VALUES (7)' --db /var/lib/rhei/rhei.db")

    first = machine.told("MainPID")
    settings = root.path / "etc/rhei/rhei.toml"
    settings.write_text(settings.read_text().replace("[engine]\n", "[engine]\nslow_query_ms = 250\nread_pool_size = 3\n", 1))
    machine.run(reload)
    machine.has_journal("read_pool_size")  # changes with the next start, it says
    assert machine.told("MainPID") == first and machine.get("/healthz") == "ok\n"

    exposure = float(re.search(r"exposure level for rhei.service: ([\d.]+)", machine.run("systemd-analyze security rhei --no-pager"))[1])
    assert exposure <= 2.0, exposure

    machine.run(f"kill -9 {first}")
    machine.wait(lambda: machine.told("NRestarts") == "1" and machine.told("ActiveState") == "active")
    assert machine.get("/healthz") == "ok\n"
    assert machine.run("rh query 'SELECT id FROM kept' --db /var/lib/rhei/rhei.db --no-header") == "7\n"

    # one that stands still is ended and begun anew
    machine.run("mkdir -p /run/systemd/system/rhei.service.d && printf '[Service]\\nWatchdogSec=2\\n' >/run/systemd/system/rhei.service.d/soon.conf && systemctl daemon-reload")
    machine.run("systemctl restart rhei")
    stands = machine.told("MainPID")
    machine.run(f"kill -STOP {stands}")
    machine.wait(lambda: machine.told("ActiveState") == "active" and machine.told("MainPID") not in ("0", stands))
    assert "atchdog" in machine.journal()
    machine.wait(lambda: machine.get("/healthz") == "ok\n")

    machine.run("systemctl stop rhei")
    assert machine.told("Result") == "success" and machine.get("/healthz") is None
    assert machine.run("rh query 'SELECT id FROM kept' --db /var/lib/rhei/rhei.db --no-header") == "7\n"

    # with the door of the network, whose libraries are loaded in the sandbox
    settings.write_text(settings.read_text().replace("[engine]\n", '[engine]\nflight_listen = "127.0.0.1:31337"\nflight_auth_token = "a-token-of-a-test-0123456789"\n', 1))
    machine.run("systemctl start rhei")
    machine.has_journal("127.0.0.1:31337")


def test_settings_that_are_wrong_are_told_in_the_journal(machine, root):  # noqa: F811
    settings = root.path / "etc/rhei/rhei.toml"
    settings.write_text(settings.read_text().replace("[engine]\n", "[engine]\nread_pool_sise = 3\n", 1))
    machine.run("systemctl start rhei", code=1)
    assert "read_pool_size" in machine.journal() and "rhei.toml" in machine.journal()
