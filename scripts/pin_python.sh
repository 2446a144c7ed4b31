#!/usr/bin/env bash
# Writes deps/requirements.txt from deps/requirements.in: every package that pip chooses, with its hash; one that is made for a machine with the
# hashes for the machines and Pythons below.
set -euo pipefail
cd "$(dirname "$0")/.."
pythons="3.11 3.12 3.13 3.14"
machines="manylinux_2_28_x86_64 manylinux_2_28_aarch64"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python=$(scripts/venv.sh --bare)
"$python" -m pip download --quiet --only-binary :all: -r deps/requirements.in -d "$work"

hash_for() { # NAME==VERSION PYTHON MACHINE
    "$python" -m pip install --quiet --dry-run --ignore-installed --no-deps --only-binary :all: --target "$work/none" \
        --python-version "$2" --platform "$3" --report "$work/report.json" "$1"
    "$python" -c 'import json, sys
print(json.load(open(sys.argv[1]))["install"][0]["download_info"]["archive_info"]["hashes"]["sha256"])' "$work/report.json"
}

{
    echo "# written by scripts/pin_python.sh from deps/requirements.in"
    for wheel in "$work"/*.whl; do
        name=$(basename "$wheel" | cut -d- -f1 | tr '_' '-')
        version=$(basename "$wheel" | cut -d- -f2)
        marker=$(sed -n "s/^$name==[^;]*\(;.*\)$/ \1/p" deps/requirements.in)
        printf '%s==%s%s' "$name" "$version" "$marker"
        if [[ $wheel == *-none-any.whl ]]; then
            printf ' --hash=sha256:%s' "$(sha256sum "$wheel" | cut -d' ' -f1)"
        else
            for one in $pythons; do
                for machine in $machines; do
                    printf ' --hash=sha256:%s' "$(hash_for "$name==$version" "$one" "$machine")"
                done
            done
        fi
        echo
    done
} >"$work/requirements.txt"
mv "$work/requirements.txt" deps/requirements.txt
