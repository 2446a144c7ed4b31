#!/usr/bin/env bash
# Builds the programs in Go, an example and a client of the tests (pinned with all that they need by examples/go/go.sum), once into the cache, and prints the
# folder where they are: orders, client. Exits with 3, and says why in one line, where this machine has no Go that can; their tests are then skipped.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/common.sh

key=$(cat examples/go/* tests/e2e/go_client/* | sha256sum | cut -c1-12)
folder=$cache/deps/go_clients-$key

if [ ! -d "$folder" ]; then
    need_go examples/go "Go's ADBC drivers are tried with"
    mkdir -p "$cache/deps"
    exec 9>"$cache/lock-go_clients-$key"
    flock 9
    if [ ! -d "$folder" ]; then
        echo "rhei: building the programs in Go (the first time this takes some minutes)" >&2
        work=$(mktemp -d "$cache/tmp.XXXXXX")
        trap 'rm -rf "$work"' EXIT
        mkdir "$work/source" "$work/programs"
        cp -r examples/go "$work/source/orders"
        mv "$work"/source/orders/go.* "$work/source/"
        cp -r tests/e2e/go_client "$work/source/client"
        # the driver manager is C++, for which Go knows a compiler
        (cd "$work/source" && env -u CC -u CXX CGO_ENABLED=1 GOTOOLCHAIN=local GOFLAGS=-mod=readonly go build -trimpath -buildvcs=false \
            -o "$work/programs/" ./orders ./client) >"$cache/go_clients.log" 2>&1 </dev/null ||
            die "Go could not build its ADBC programs: check that this machine reaches its module proxy (the first set-up needs it) and run ./dev setup again; Go's own words are in $cache/go_clients.log"
        rm -f "$cache/go_clients.log"
        mv -T "$work/programs" "$folder"
    fi
    exec 9>&-
fi
echo "$folder"
