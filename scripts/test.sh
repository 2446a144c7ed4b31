#!/usr/bin/env bash
# Builds, then runs the unit tests and the end-to-end tests, and ends with 'N passed, N failed, N skipped'.
#
#   scripts/test.sh [VARIANT] [--unit|--e2e] [-k TEXT] [-v]
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/common.sh
parse_variant "$@"
build
python=$(scripts/venv.sh)
exec "$python" scripts/run_tests.py "$build_folder" --jobs "$(jobs_count)" "${rest[@]}"
