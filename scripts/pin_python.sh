#!/usr/bin/env bash
# Writes deps/requirements.txt from deps/requirements.in: every package that pip chooses, with its hash; one that is made for a machine with the
# hashes for the machines and Pythons below.
#
#   scripts/pin_python.sh [SET]      of deps/requirements-SET.in
set -euo pipefail
cd "$(dirname "$0")/.."
list=deps/requirements${1:+-$1}
pythons="3.11 3.12 3.13 3.14"
# pip takes the wheel for the newest C library that the machine has
machines="manylinux_2_34_x86_64 manylinux_2_28_x86_64 manylinux_2_17_x86_64 manylinux_2_34_aarch64 manylinux_2_28_aarch64 manylinux_2_17_aarch64"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python=$(scripts/venv.sh --bare)
"$python" -m pip download --quiet --only-binary :all: -r "$list.in" -d "$work"

hash_for() { # NAME==VERSION PYTHON MACHINE; nothing where there is no wheel for that
    "$python" -m pip install --quiet --dry-run --ignore-installed --no-deps --only-binary :all: --target "$work/none" \
        --python-version "$2" --platform "$3" --report "$work/report.json" "$1" 2>/dev/null || return 0
    "$python" -c 'import json, sys
print(json.load(open(sys.argv[1]))["install"][0]["download_info"]["archive_info"]["hashes"]["sha256"])' "$work/report.json"
}

hashes_for() { # NAME==VERSION, and the wheel of this machine
    local one machine
    sha256sum "$2" | cut -d' ' -f1
    for one in $pythons; do
        for machine in $machines; do
            hash_for "$1" "$one" "$machine"
        done
    done
}

{
    echo "# written by scripts/pin_python.sh from $list.in"
    for wheel in "$work"/*.whl; do
        name=$(basename "$wheel" | cut -d- -f1 | tr '_' '-')
        version=$(basename "$wheel" | cut -d- -f2)
        marker=$(sed -n "s/^$name==[^;]*\(;.*\)$/ \1/p" "$list.in")
        printf '%s==%s%s' "$name" "$version" "$marker"
        if [[ $wheel == *-none-any.whl ]]; then
            printf ' --hash=sha256:%s' "$(sha256sum "$wheel" | cut -d' ' -f1)"
        else
            hashes=$(hashes_for "$name==$version" "$wheel" | LC_ALL=C sort -u)
            # shellcheck disable=SC2086
            printf ' --hash=sha256:%s' $hashes
        fi
        echo
    done
} >"$work/requirements.txt"
mv "$work/requirements.txt" "$list.txt"
