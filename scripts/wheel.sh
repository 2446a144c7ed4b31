#!/usr/bin/env bash
# Builds the Python package as a wheel with everything inside that Rhei loads.
#
#   scripts/wheel.sh [FOLDER]      where the wheel goes; build-wheel/ if nothing is said
#
# RHEI_WHEEL_BUILD names a build folder that is taken as it is, instead of a release build.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/common.sh
take_folder build-wheel "$@"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

if [ -n "${RHEI_WHEEL_BUILD:-}" ]; then
    build_folder=$(cd "$RHEI_WHEEL_BUILD" && pwd)
else
    parse_variant --release
    build_folder+=-wheel
    meson_options+=(-Dtests=false -Dbench=false -Dpackaged=true)
    build
fi
# Meson writes the paths of an installation into what it installs
meson install -C "$build_folder" --no-rebuild --destdir "$work/root" --tags runtime,python >"$work/install.log" || {
    cat "$work/install.log" >&2
    die "Meson could not install what the wheel is made of; its own words are above"
}
python=$(scripts/venv.sh)
"$python" scripts/wheel.py "$work/root" "$(scripts/fetch.sh --path '@duckdb/node-bindings-linux-x64')" "$out"
