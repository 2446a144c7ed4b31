#!/usr/bin/env bash
# Builds, then runs the unit tests and the end-to-end tests, and ends with 'N passed, N failed, N skipped'.
#
#   scripts/test.sh [VARIANT] [--backend duckdb|datafusion] [--unit|--e2e] [-k TEXT] [-v]
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/common.sh
arguments=()
while [ $# -gt 0 ]; do
    case $1 in
    --backend | --backend=*)
        RHEI_BACKEND=${1#--backend}
        RHEI_BACKEND=${RHEI_BACKEND#=}
        [ -n "$RHEI_BACKEND" ] || { shift; RHEI_BACKEND=${1:-}; }
        export RHEI_BACKEND
        ;;
    *) arguments+=("$1") ;;
    esac
    shift
done
case ${RHEI_BACKEND:-duckdb} in
duckdb) ;;
datafusion) scripts/setup.sh --with datafusion core tests ;;
*) die "there is no backend \"$RHEI_BACKEND\": --backend takes duckdb or datafusion" ;;
esac
parse_variant "${arguments[@]}"
build
python=$(scripts/venv.sh)

# A locale with a decimal comma, whether or not this machine has one: an application's locale must change nothing.
comma_locale() {
    local folder=$cache/locale made
    if [ ! -d "$folder/de_DE.UTF-8" ]; then
        mkdir -p "$folder"
        made=$(mktemp -d "$folder/new.XXXXXX")
        localedef -i de_DE -f UTF-8 "$made/de_DE.UTF-8" && mv -T "$made/de_DE.UTF-8" "$folder/de_DE.UTF-8" || true
        rm -rf "$made"
    fi
    export LOCPATH=$folder
}
comma_locale

exec "$python" scripts/run_tests.py "$build_folder" --jobs "$(jobs_count)" "${rest[@]}"
