#!/usr/bin/env bash
# Prints the Python of the cache's virtual environment, making it when it is missing.
#
#   scripts/venv.sh --bare     only pip in it
#   scripts/venv.sh            with the packages of deps/requirements.txt, by hash
#   scripts/venv.sh SET        with those of deps/requirements-SET.txt
set -euo pipefail

root=$(cd "$(dirname "$0")/.." && pwd)
cache=${RHEI_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/rhei}

die() {
    echo "rhei: $*" >&2
    exit 1
}

if [ "${1:-}" = --bare ]; then
    wanted=
    name=venv-bare
else
    wanted=$root/deps/requirements${1:+-$1}.txt
    name=venv-$(sha256sum "$wanted" | cut -c1-12)
fi
folder=$cache/$name
if [ ! -e "$folder/ready" ]; then
    mkdir -p "$cache" || die "the cache folder $cache can't be created: set RHEI_CACHE to a folder that can be written"
    command -v python3 >/dev/null || die "'python3' is missing: install it (apt-get install python3-venv) and run ./dev setup again"
    exec 8>"$cache/lock-$name"
    flock 8
    if [ ! -e "$folder/ready" ]; then
        rm -rf "$folder"
        # a virtual environment can't be renamed into place, so a file says that it is whole
        python3 -m venv "$folder" >"$cache/$name.log" 2>&1 </dev/null ||
            die "python3 -m venv failed: install python3-venv (apt-get install python3-venv) and run ./dev setup again; its own words are in $cache/$name.log"
        if [ -n "$wanted" ]; then
            echo "rhei: fetching the Python packages of ${wanted#"$root"/} with pip" >&2
            "$folder/bin/python" -m pip install --require-hashes --only-binary :all: -r "$wanted" >"$cache/$name.log" 2>&1 </dev/null ||
                die "pip could not download the packages of ${wanted#"$root"/}: check that this machine reaches its package registry (the first set-up needs it) and run ./dev setup again; pip's own words are in $cache/$name.log"
        fi
        rm -f "$cache/$name.log"
        : >"$folder/ready"
    fi
    exec 8>&-
fi
echo "$folder/bin/python"
