"""The Debian packages, in bare roots of Debian 12 and 13: installed by apt, used, removed, and nothing of them is left. ./dev check packages builds them and
runs this; the roots are made once, into the cache, from the mirror that this machine's apt is set to.

RHEI_PACKAGES names the folder of the packages.
"""

import os
import pathlib
import re
import shutil
import subprocess

import pytest

CACHE = pathlib.Path(os.environ["RHEI_CACHE"])
PACKAGES = {path.name.split("_")[0]: path for path in pathlib.Path(os.environ["RHEI_PACKAGES"]).glob("*.deb")}
GUIDE = pathlib.Path(__file__).resolve().parent.parent.parent / "docs" / "guide" / "installing.md"
ENVIRONMENT = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C.UTF-8", "HOME": "/root", "DEBIAN_FRONTEND": "noninteractive"}
SETTINGS = 'APT::Get::Assume-Yes "true";\nAPT::Install-Recommends "false";\n'


class Root:
    def __init__(self, path):
        self.path = path

    def run(self, command, code=0):
        """A command inside; what it prints on standard output."""
        done = subprocess.run(["unshare", "--mount", "--pid", "--fork", "chroot", self.path, "sh", "-c", f"mount -t proc proc /proc; {command}"],
                              capture_output=True, text=True, env=ENVIRONMENT)
        assert done.returncode == code, f"{command}\n{done.stdout}{done.stderr}"
        return done.stdout

    def files(self):
        """What lies in it, but for what apt and dpkg write for themselves."""
        own = re.compile(r"^(proc|dev|tmp|build-deb|root)/|^var/(lib/(apt|dpkg)|cache|log)/|^etc/ld\.so\.cache")
        found = {str(path.relative_to(self.path)) for path in self.path.rglob("*") if path.is_symlink() or not path.is_dir()}
        return {path for path in found if not own.match(path)}


def archive(release):
    kept = CACHE / "roots" / f"{release}.tar"
    if not kept.exists():
        kept.parent.mkdir(parents=True, exist_ok=True)
        new = kept.with_name(f"{release}.new.tar")
        subprocess.run(["mmdebstrap", "--variant=minbase", "--include=ca-certificates", release, new], check=True)
        new.replace(kept)
    return kept


@pytest.fixture(params=["bookworm", "trixie"])
def root(request, tmp_path):
    path = tmp_path / request.param
    path.mkdir()
    subprocess.run(["tar", "-xf", archive(request.param), "-C", path], check=True)
    shutil.copy("/etc/resolv.conf", path / "etc" / "resolv.conf")
    (path / "etc" / "apt" / "apt.conf.d" / "90settings").write_text(SETTINGS)
    (path / "build-deb").mkdir()
    for package in PACKAGES.values():
        shutil.copy(package, path / "build-deb")
    yield Root(path)
    shutil.rmtree(path, ignore_errors=True)


def install(root, *names):
    root.run("apt-get install " + " ".join(f"./build-deb/{PACKAGES[name].name}" for name in names))


def test_installed_used_and_removed(root):
    root.run("apt-get update -q")
    before = root.files()
    line, = re.findall(r"^    (apt-get install .*)$", GUIDE.read_text(), re.M)
    root.run(line)
    assert re.fullmatch(r"rh \d+\.\d+\.\d+\n", root.run("rh --version"))
    rows = "\\n".join(f"{number},{number % 7}" for number in range(1000))
    root.run(f"printf 'id,kind\\n{rows}\\n' > /tmp/rows.csv")
    root.run("rh import /tmp/rows.csv rows --create --capture --db /tmp/shop.db")
    # DuckDB, which is in the package, and the ones that SQLite answers
    asked = "rh query 'SELECT kind, count(*) FROM rows GROUP BY kind ORDER BY kind' --db /tmp/shop.db --format csv --route"
    assert root.run(f"{asked} olap") == root.run(f"{asked} oltp") == "kind,count(*)\n" + "".join(f"{kind},{143 if kind < 6 else 142}\n" for kind in range(7))
    assert root.run("rh info --config /etc/rhei/rhei.toml --db /tmp/shop.db")
    # what a package names is in it
    assert "/var/lib/rhei" in (root.path / "etc/rhei/rhei.toml").read_text()
    for name in ("usr/lib/systemd/system/rhei.service", "etc/adbc/drivers/rhei.toml", "usr/share/man/man1/rh-query.1.gz", "usr/share/bash-completion/completions/rh"):
        assert (root.path / name).is_file()
    root.run("apt-get purge rhei librhei0 librhei-flight0; apt-get autoremove --purge")
    assert root.files() == before


def test_the_door_is_loaded_from_its_package(root):
    root.run("apt-get update -q")
    install(root, "librhei0", "rhei")
    root.run("rh exec 'CREATE TABLE t (id INTEGER PRIMARY KEY)' --db /tmp/t.db")
    serve = "timeout --foreground --preserve-status -s TERM 10 rh serve --flight 127.0.0.1:0 --no-auth --db /tmp/t.db"
    assert "rhei_flight" in root.run(f"{serve} 2>&1", code=1)
    install(root, "librhei-flight0")
    assert re.search(r"127\.0\.0\.1:\d+", root.run(f"{serve} 2>&1"))


def test_a_program_is_built_with_the_headers(root):
    root.run("apt-get update -q")
    install(root, "librhei0", "librhei-flight0", "librhei-dev")
    root.run("apt-get install gcc libc6-dev pkg-config")
    (root.path / "shop.c").write_text('#include <rhei/rhei.h>\n#include <stdio.h>\nint main(void)\n{\n    puts(rhei_version());\n    return 0;\n}\n')
    version = PACKAGES["librhei0"].name.split("_")[1]
    assert root.run("cc /shop.c $(pkg-config --cflags --libs rhei) -o /shop && /shop") == f"{version}\n"


@pytest.mark.parametrize("name", PACKAGES)
def test_no_path_of_the_builder_is_inside(name, tmp_path):
    """Neither the cache nor the checkout: whoever could write there could have a library loaded."""
    subprocess.run(["dpkg-deb", "-x", PACKAGES[name], tmp_path], check=True)
    places = [str(CACHE).encode(), str(pathlib.Path(__file__).resolve().parent.parent.parent).encode()]
    for path in tmp_path.rglob("*"):
        if path.is_file() and not path.is_symlink() and path.name != "libduckdb.so":
            data = path.read_bytes()
            assert not [place for place in places if place in data], path


def test_every_package_has_its_license_and_what_it_may_change():
    for name, path in PACKAGES.items():
        listed = subprocess.run(["dpkg-deb", "-c", path], check=True, capture_output=True, text=True).stdout
        assert f"./usr/share/doc/{name}/copyright" in listed
        assert not re.search(r"^[-d]\S+ (?!root/root)", listed, re.M)
    conffiles = {name: subprocess.run(["dpkg-deb", "-I", path, "conffiles"], capture_output=True, text=True).stdout.split() for name, path in PACKAGES.items()}
    assert conffiles == {"rhei": ["/etc/rhei/rhei.toml"], "librhei0": ["/etc/adbc/drivers/rhei.toml"], "librhei-dev": [], "librhei-flight0": []}
