#!/usr/bin/env bash
# Compiles the pinned SQLite once, into the cache (about 40 s), and prints the folder that holds libsqlite3.a,
# sqlite3.h and sqlite3ext.h. Build folders of all variants and compilers share it: a sanitizer sees SQLite's
# allocations and locks through its own interceptors. SQLITE_CC names another compiler than cc.
set -euo pipefail

compiler=${SQLITE_CC:-cc}
root=$(cd "$(dirname "$0")/.." && pwd)
cache=${RHEI_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/rhei}
source=$("$root/scripts/fetch.sh" --path libsqlite3-sys)
read -r -d '' -a flags < <(sed 's/#.*//' "$root/deps/sqlite_flags.txt") || true
key=$({
    "$compiler" --version
    echo "$source ${flags[*]}"
} | sha256sum | cut -c1-16)
folder=$cache/deps/sqlite-$key

if [ ! -d "$folder" ]; then
    exec 9>"$cache/lock-sqlite-$key"
    flock 9
    if [ ! -d "$folder" ]; then
        echo "rhei: compiling SQLite (once, about 40 s)" >&2
        work=$(mktemp -d "$cache/tmp.XXXXXX")
        trap 'rm -rf "$work"' EXIT
        "$compiler" "${flags[@]}" -w -c "$source/sqlite3.c" -o "$work/sqlite3.o"
        ar rcs "$work/libsqlite3.a" "$work/sqlite3.o"
        rm "$work/sqlite3.o"
        cp "$source/sqlite3.h" "$source/sqlite3ext.h" "$work/"
        mv -T "$work" "$folder"
    fi
    exec 9>&-
fi
echo "$folder"
