"""Packs the wheel: python/rhei, the extension, and the libraries that it needs or loads, but for those that every Linux has.

  wheel.py ROOT DUCKDB OUT     what Meson installed, the folder of libduckdb.so, where the wheel goes

The tag says which C library it needs: the newest version of glibc that any of its files asks for. What a file needs must be in the wheel, or be one of
the libraries that the manylinux standard (PEP 600) counts on.
"""

import base64
import hashlib
import pathlib
import platform
import re
import shutil
import subprocess
import sys
import tempfile
import tomllib
import zipfile

import sbom

ROOT = pathlib.Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "python" / "rhei"
EVERYWHERE = re.compile(r"(libc|libm|libdl|libpthread|librt|libgcc_s|libstdc\+\+|ld-linux-[\w-]+)\.so\.\d+")
NEWEST_GLIBCXX = {(2, 34): (3, 4, 29), (2, 28): (3, 4, 24)}  # that systems of such a C library have; otherwise unknown


def output(*command):
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def found(root, name):
    places = [place for place in root.rglob(name) if not place.is_symlink()]
    if len(places) != 1:
        sys.exit(f"rhei: {name} is {len(places)} times in what was installed: build it first")
    return places[0]


def needed(path):
    return re.findall(r"\(NEEDED\)\s+Shared library: \[(.*)\]", output("readelf", "-d", path))


def versions(path, family):
    return {tuple(map(int, version.split("."))) for version in re.findall(rf"\b{family}_([\d.]+)", output("readelf", "-V", path))}


def look_beside(path):
    """Of the folders in which an installed file looks for libraries, its own is left: a shorter text in the place of the longer one."""
    for runpath in re.findall(r"\(R(?:UN)?PATH\).*\[(\$ORIGIN:.*)\]", output("readelf", "-d", path)):
        data, old = path.read_bytes(), runpath.encode() + b"\0"
        assert data.count(old) == 1
        path.write_bytes(data.replace(old, b"$ORIGIN".ljust(len(old), b"\0")))


def gather(root, duckdb, stage):
    """The files of the package into stage/rhei; the folder of each library's license."""
    package = stage / "rhei"
    package.mkdir()
    for source in [*PACKAGE.glob("*.py"), *PACKAGE.glob("*.pyi"), PACKAGE / "py.typed"]:
        shutil.copy(source, package)
    version = re.search(r"version: '([\d.]+)'", (ROOT / "meson.build").read_text()).group(1)
    libraries = {"_native.abi3.so": found(root, "_native.abi3.so"), "librhei.so.0": found(root, f"librhei.so.{version}"),
                 "librhei_adbc.so": found(root, "librhei_adbc.so")}
    system = {}
    for path in list(libraries.values()):
        for name in needed(path):
            if name not in libraries and not EVERYWHERE.fullmatch(name):
                where = re.search(rf"{re.escape(name)} => (/\S+)", output("ldd", path))
                if not where:
                    sys.exit(f"rhei: {name}, which {path.name} needs, isn't on this machine")
                system[name] = libraries[name] = pathlib.Path(where.group(1)).resolve()
    for name, path in libraries.items():
        shutil.copy(path, package / name)
        look_beside(package / name)
        subprocess.run(["strip", "--strip-unneeded", package / name], check=True)
    (package / "rhei").mkdir()  # where librhei looks for it
    shutil.copy(duckdb / "libduckdb.so", package / "rhei")
    return version, system


def tag_of(stage):
    """manylinux_2_X of all files together; an error where one needs what isn't there."""
    glibc, own = {(2, 17)}, {path.name for path in stage.rglob("*.so*")}
    for path in stage.rglob("*.so*"):
        glibc |= versions(path, "GLIBC")
        for name in needed(path):
            if name not in own and not EVERYWHERE.fullmatch(name):
                sys.exit(f"rhei: {path.name} needs {name}, which is neither in the wheel nor on every Linux")
        runpath = re.findall(r"\(R(?:UN)?PATH\).*\[(.*)\]", output("readelf", "-d", path))
        if any(part not in ("$ORIGIN", "") for one in runpath for part in one.split(":")):
            sys.exit(f"rhei: {path.name} looks for libraries in {runpath}")
    newest = max(glibc)
    for path in stage.rglob("*.so*"):
        beyond = [version for version in versions(path, "GLIBCXX") if version > NEWEST_GLIBCXX.get(newest, version)]
        if beyond:
            sys.exit(f"rhei: {path.name} needs libstdc++ of {max(beyond)}, which a system with glibc {newest} may lack")
    return f"cp39-abi3-manylinux_{newest[0]}_{newest[1]}_{platform.machine()}"


def licenses(system, duckdb):
    yield "LICENSE", (ROOT / "LICENSE").read_bytes()
    yield "LICENSE.duckdb", (duckdb / "LICENSE").read_bytes()
    for name, path in system.items():
        package = output("dpkg", "-S", path).split(":")[0] if shutil.which("dpkg") else ""
        text = pathlib.Path("/usr/share/doc") / package / "copyright"
        if package and text.exists():
            yield f"LICENSE.{name.split('.')[0]}", text.read_bytes()


def metadata(version):
    project = tomllib.loads((ROOT / "python" / "pyproject.toml").read_text())["project"]
    lines = ["Metadata-Version: 2.1", f"Name: {project['name']}", f"Version: {version}", f"Summary: {project['description']}",
             f"License: {project['license']['text']}", f"Requires-Python: {project['requires-python']}"]
    for extra, packages in project["optional-dependencies"].items():
        lines.append(f"Provides-Extra: {extra}")
        lines += [f"Requires-Dist: {package}; extra == \"{extra}\"" for package in packages]
    points = [f"[{group}]\n" + "".join(f"{name} = {value}\n" for name, value in entries.items()) for group, entries in project["entry-points"].items()]
    return "\n".join([*lines, "Description-Content-Type: text/markdown", "", (ROOT / "docs" / "guide" / "python.md").read_text()]), "\n".join(points)


def pack(stage, out, version, tag, texts, bundled):
    """Deterministic: the same files make the same wheel."""
    info = f"rhei-{version}.dist-info"
    description, points = metadata(version)
    files = {path.relative_to(stage).as_posix(): path.read_bytes() for path in sorted(stage.rglob("*")) if path.is_file()}
    files |= {f"{info}/licenses/{name}": text for name, text in texts}
    files[f"{info}/sboms/rhei.cdx.json"] = bundled.encode()
    files[f"{info}/METADATA"] = description.encode()
    files[f"{info}/entry_points.txt"] = points.encode()
    files[f"{info}/WHEEL"] = f"Wheel-Version: 1.0\nGenerator: rhei {version}\nRoot-Is-Purelib: false\nTag: {tag}\n".encode()
    record = [f"{name},sha256={base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b'=').decode()},{len(data)}" for name, data in files.items()]
    files[f"{info}/RECORD"] = "\n".join([*record, f"{info}/RECORD,,", ""]).encode()
    wheel = out / f"rhei-{version}-{tag}.whl"
    with tempfile.NamedTemporaryFile(dir=out, suffix=".new", delete=False) as new:
        with zipfile.ZipFile(new, "w", zipfile.ZIP_DEFLATED, compresslevel=6) as archive:
            for name, data in files.items():
                entry = zipfile.ZipInfo(name, (2020, 1, 1, 0, 0, 0))
                entry.external_attr = (0o755 if ".so" in name else 0o644) << 16
                archive.writestr(entry, data, zipfile.ZIP_DEFLATED)
    pathlib.Path(new.name).chmod(0o644)
    pathlib.Path(new.name).replace(wheel)
    return wheel


def main():
    root, duckdb, out = map(pathlib.Path, sys.argv[1:4])
    with tempfile.TemporaryDirectory() as work:
        stage = pathlib.Path(work)
        version, system = gather(root, duckdb, stage)
        tag = tag_of(stage)
        print(pack(stage, out, version, tag, list(licenses(system, duckdb)), sbom.library(system.values())))


if __name__ == "__main__":
    main()
