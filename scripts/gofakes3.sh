#!/usr/bin/env bash
# Builds the S3 server of the tests (deps/gofakes3, pinned with all that it needs by go.sum) once into the cache, and prints where it is. Exits with 3,
# and says why in one line, where this machine has no Go that can; the tests of it are then skipped.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/common.sh

key=$(cat deps/gofakes3/go.mod deps/gofakes3/go.sum | sha256sum | cut -c1-12)
folder=$cache/deps/gofakes3-$key

if [ ! -d "$folder" ]; then
    need_go deps/gofakes3 "the tests' S3 server is built with"
    mkdir -p "$cache/deps"
    exec 9>"$cache/lock-gofakes3-$key"
    flock 9
    if [ ! -d "$folder" ]; then
        echo "rhei: building gofakes3, an S3 server of the tests (once, about a minute)" >&2
        work=$(mktemp -d "$cache/tmp.XXXXXX")
        trap 'rm -rf "$work"' EXIT
        (cd deps/gofakes3 && GOTOOLCHAIN=local GOFLAGS=-mod=readonly go build -trimpath -buildvcs=false -o "$work/gofakes3" \
            github.com/johannesboyne/gofakes3/cmd/gofakes3) >"$cache/gofakes3.log" 2>&1 </dev/null ||
            die "Go could not build gofakes3: check that this machine reaches its module proxy (the first set-up needs it) and run ./dev setup again; Go's own words are in $cache/gofakes3.log"
        rm -f "$cache/gofakes3.log"
        mv -T "$work" "$folder"
        trap - EXIT
    fi
    exec 9>&-
fi
echo "$folder/gofakes3"
