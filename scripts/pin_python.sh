#!/usr/bin/env bash
# Writes deps/requirements.txt from deps/requirements.in: every package that pip chooses, with its hash.
set -euo pipefail
cd "$(dirname "$0")/.."
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python=$(scripts/venv.sh --bare)
"$python" -m pip download --quiet --only-binary :all: -r deps/requirements.in -d "$work"
{
    echo "# written by scripts/pin_python.sh from deps/requirements.in"
    for wheel in "$work"/*.whl; do
        name=$(basename "$wheel" | cut -d- -f1 | tr '_' '-')
        version=$(basename "$wheel" | cut -d- -f2)
        echo "$name==$version --hash=sha256:$(sha256sum "$wheel" | cut -d' ' -f1)"
    done
} >deps/requirements.txt
