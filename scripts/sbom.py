"""What Rhei's binaries hold that isn't Rhei's, as a CycloneDX document in JSON: names, versions, licenses and hashes, out of the pinned lists.

  sbom.py library [FILE...]      librhei, librhei_adbc and rh, with libraries of this Debian that are packed with them (a wheel, a package)
  sbom.py plugin                 librhei_datafusion.so: every crate of plugins/datafusion/versions.lock
  sbom.py --licenses             read the output of `cargo metadata` from standard input, write plugins/datafusion/licenses.txt

A pin of deps/pins.txt or a crate without a known license is an error. The same tree makes the same document. What libduckdb.so holds is told by DuckDB.
"""

import hashlib
import json
import pathlib
import re
import subprocess
import sys
import tomllib
import urllib.parse
import uuid

ROOT = pathlib.Path(__file__).resolve().parent.parent
CRATES = ROOT / "plugins" / "datafusion"
LICENSES = CRATES / "licenses.txt"
# Of each pinned package that goes into what is built: the components that are taken from it, with their licenses as SPDX writes them.
TAKEN = {
    "libsqlite3-sys": [("sqlite", "blessing")],
    "@duckdb/node-bindings-linux-x64": [("duckdb", "MIT")],
    "libduckdb-sys": [("duckdb.h", "MIT")],
    "nanoarrow": [("nanoarrow", "Apache-2.0"), ("flatcc", "Apache-2.0")],
    "adbc_driver_manager": [("adbc.h", "Apache-2.0")],
}
# Debian's packages whose libraries are packed, or linked statically.
DEBIAN = {"libroaring0": "Apache-2.0", "libutf8proc-dev": "MIT AND Unicode-DFS-2016", "liblz4-1": "BSD-2-Clause", "libzstd1": "BSD-3-Clause OR GPL-2.0-only"}
REGISTRY = {"npm": "npm", "cargo": "cargo", "pip": "pypi"}


def licensed(expression):
    return [{"license": {"id": expression}}] if re.fullmatch(r"[\w.-]+", expression) else [{"expression": expression}]


def component(name, version, license, purl, sha256, **more):
    # what is taken from one package has its purl, and a reference of its own
    return {"type": "library", "bom-ref": f"{purl}#{name}", "name": name, "version": version, "licenses": licensed(license), "purl": purl,
            "hashes": [{"alg": "SHA-256", "content": sha256}], **more}


def version_of(name, pinned):
    """SQLite's and DuckDB's own; a registry's package has a version of its own."""
    if name == "sqlite":
        return re.search(r"SQLite (\d+\.\d+\.\d+)", (ROOT / "meson_options.txt").read_text())[1]
    if name == "duckdb.h":  # 1.10505.0 is of 1.5.5
        packed = pinned.split(".")[1]
        return f"{int(packed[0])}.{int(packed[1:3])}.{int(packed[3:])}"
    return pinned.split("-")[0]


def pinned():
    for line in (ROOT / "deps" / "pins.txt").read_text().splitlines():
        if not line.startswith("package core "):
            continue
        _, _, client, name, version, sha256 = line.split()
        if name not in TAKEN:
            sys.exit(f"rhei: {name} is pinned, and scripts/sbom.py doesn't say what is taken of it and under which license")
        purl = f"pkg:{REGISTRY[client]}/{urllib.parse.quote(name, safe='/')}@{urllib.parse.quote(version)}"
        for part, license in TAKEN[name]:
            own = version_of(part, version) if part != "flatcc" else f"of nanoarrow {version}"
            yield component(part, own, license, purl, sha256)


def debian(path):
    """A library of this machine's Debian, as it is packed."""
    path = pathlib.Path(path).resolve()
    owner = subprocess.run(["dpkg", "-S", path], capture_output=True, text=True, check=True).stdout.split(":")[0]
    version, architecture = subprocess.run(["dpkg-query", "-W", "-f", "${Version} ${Architecture}", owner], capture_output=True, text=True, check=True).stdout.split()
    if owner not in DEBIAN:
        sys.exit(f"rhei: {path.name} is of Debian's {owner}, and scripts/sbom.py doesn't say under which license")
    purl = f"pkg:deb/debian/{owner}@{urllib.parse.quote(version)}?arch={architecture}"
    return component(owner, version, DEBIAN[owner], purl, hashlib.sha256(path.read_bytes()).hexdigest())


def crates():
    known = dict(line.rsplit("\t", 1) for line in LICENSES.read_text().splitlines())
    lock = tomllib.loads((CRATES / "versions.lock").read_text())["package"]
    outside = {f"{package['name']} {package['version']}": package for package in lock if "source" in package}
    if set(outside) != set(known):
        sys.exit(f"rhei: plugins/datafusion/licenses.txt and versions.lock differ in {', '.join(sorted(set(outside) ^ set(known)))}: scripts/plugin.sh --licenses")
    for at, package in outside.items():
        purl = f"pkg:cargo/{package['name']}@{urllib.parse.quote(package['version'])}"
        yield component(package["name"], package["version"], known[at], purl, package["checksum"])


def document(name, components):
    version = re.search(r"version: '([\d.]+)'", (ROOT / "meson.build").read_text())[1]
    whole = {"bomFormat": "CycloneDX", "specVersion": "1.6", "version": 1,
             "metadata": {"component": {"type": "library", "bom-ref": name, "name": name, "version": version, "licenses": licensed("Apache-2.0")}},
             "components": components, "dependencies": [{"ref": name, "dependsOn": [one["bom-ref"] for one in components]}]}
    whole["serialNumber"] = f"urn:uuid:{uuid.uuid5(uuid.NAMESPACE_URL, json.dumps(whole, sort_keys=True))}"
    return json.dumps(whole, indent=1) + "\n"


def library(files=()):
    return document("rhei", [*pinned(), *map(debian, files)])


def write_licenses():
    packages = [package for package in json.load(sys.stdin)["packages"] if package["source"]]
    lines = sorted(f"{package['name']} {package['version']}\t{package['license'].replace('/', ' OR ')}" for package in packages)
    LICENSES.write_text("\n".join(lines) + "\n")


def main():
    match sys.argv[1:]:
        case ["library", *files]:
            print(library(files), end="")
        case ["plugin"]:
            print(document("rhei_datafusion", list(crates())), end="")
        case ["--licenses"]:
            write_licenses()
        case _:
            sys.exit(__doc__)


if __name__ == "__main__":
    main()
