#!/usr/bin/env bash
# Builds the DataFusion plug-in (plugins/datafusion), once for each state of its sources and each compiler, into the cache.
#
#   scripts/plugin.sh             build it if it isn't there
#   scripts/plugin.sh --path      print where it is, or would be
#   scripts/plugin.sh --clients   print the Debian packages that building it needs and the machine lacks, one a line
#   scripts/plugin.sh --licenses  write plugins/datafusion/licenses.txt anew, after a change of versions.lock
#   scripts/plugin.sh --why-not   print why this machine can't build it; nothing: it can, or has it
#
# The compiled dependencies stay in the cache's target folder, shared by all checkouts, so a change of our own sources costs two
# minutes and a new machine 25. No LTO: it would cost as much again at every link.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/common.sh

crate=plugins/datafusion
name=librhei_datafusion.so

# The compiler must know what the dependencies are written in.
fresh_compiler() {
    local wanted
    wanted=$(sed -n 's/^rust-version = "1\.\([0-9]*\).*/\1/p' $crate/Cargo.toml)
    rustc --version 2>/dev/null | awk -v wanted="$wanted" '{ split($2, v, "."); exit !(v[1] > 1 || (v[1] == 1 && v[2] >= wanted)) }'
}

state() { # of the sources and the compiler
    {
        rustc --version --verbose 2>/dev/null || echo none
        find $crate -type f \( -name '*.rs' -o -name Cargo.toml -o -name versions.lock -o -name '*.h' \) | LC_ALL=C sort |
            xargs -d '\n' sha256sum
    } | sha256sum | cut -c1-16
}

path() {
    echo "$cache/datafusion/$(state)/$name"
}

cargo_line() {
    local newest
    newest=$(grep '^ *Compiling ' "$1" | tail -n 1 | awk '{ print $2 }')
    [ -n "$newest" ] || return 1
    echo "rhei: compiling DataFusion: crate $(grep -c '^ *Compiling ' "$1") of about $(grep -c '^name = ' plugins/datafusion/versions.lock) ($newest)"
}

# What this machine's cargo calls the registry that crates come from: versions.lock leaves it open.
registry() {
    local probe=$cache/datafusion/probe
    mkdir -p "$probe/src"
    : >"$probe/src/lib.rs"
    printf '[package]\nname = "probe"\nversion = "0.0.0"\nedition = "2021"\n[dependencies]\ncfg-if = "1"\n[workspace]\n' >"$probe/Cargo.toml"
    [ -e "$probe/Cargo.lock" ] || cargo generate-lockfile --manifest-path "$probe/Cargo.toml" >/dev/null 2>&1 </dev/null ||
        die "cargo reaches no registry of crates: check that this machine reaches it (the first set-up needs it) and run ./dev setup --with datafusion again"
    sed -n 's/^source = "\(.*\)"$/\1/p' "$probe/Cargo.lock" | head -n 1
}

# The crate with its lockfile, where cargo may write.
copy_crate() { # to
    local from
    from=$(registry)
    [ -n "$from" ] || die "cargo didn't say where its crates come from: remove $cache/datafusion/probe and run ./dev setup --with datafusion again"
    mkdir -p "$1"
    rm -rf "${1:?}/src"
    cp -R "$crate/src" "$crate/Cargo.toml" "$1"
    sed "s|^source = \"registry\"\$|source = \"$from\"|" "$crate/versions.lock" >"$1/Cargo.lock"
}

build_plugin() {
    local wanted log watcher
    wanted=$(path)
    [ ! -e "$wanted" ] || return 0
    fresh_compiler || die "the DataFusion plug-in needs Rust $(sed -n 's/^rust-version = "\(.*\)"/\1/p' $crate/Cargo.toml) or later: install it (Debian: apt-get install rustc-web cargo-web; else rustup) and run ./dev setup --with datafusion again"
    mkdir -p "$(dirname "$wanted")"
    exec 5>"$cache/datafusion/lock"
    flock 5
    [ ! -e "$wanted" ] || return 0
    log=$cache/datafusion/cargo.log
    copy_crate "$cache/datafusion/crate"
    echo "rhei: compiling the DataFusion plug-in into $cache/datafusion: on two cores about 25 minutes the first time, two after a change of its sources" >&2
    : >"$log"
    watch_log "$log" cargo_line 5>&- &
    watcher=$!
    # what names another C compiler would have everything compiled again
    env -u CC -u CXX -u AR -u CFLAGS -u CXXFLAGS CARGO_TARGET_DIR="$cache/datafusion/target" cargo build --release --locked \
        --manifest-path "$cache/datafusion/crate/Cargo.toml" -j "$(jobs_count)" >"$log" 2>&1 </dev/null 5>&- || {
        end_watch "$watcher"
        tail -n 60 "$log" >&2
        die "the DataFusion plug-in could not be built; cargo's own words are above (the first time it needs the network)"
    }
    end_watch "$watcher"
    cp "$cache/datafusion/target/release/$name" "$wanted.new"
    mv "$wanted.new" "$wanted"
    rm -f "$log"
    # of older sources: the newest few stay, other checkouts may use them
    find "$cache/datafusion" -mindepth 2 -maxdepth 2 -name "$name" -printf '%T@ %h\n' | sort -rn | tail -n +6 | cut -d' ' -f2- |
        xargs -r -d '\n' rm -rf
    exec 5>&-
}

why_not() {
    [ ! -e "$(path)" ] || return 0
    fresh_compiler || { echo "there is no Rust $(sed -n 's/^rust-version = "\(.*\)"/\1/p' $crate/Cargo.toml) or later"; return 0; }
    (registry >/dev/null 2>&1) || echo "cargo reaches no registry of crates"
}

licenses() {
    copy_crate "$cache/datafusion/crate"
    cargo metadata --locked --format-version 1 --manifest-path "$cache/datafusion/crate/Cargo.toml" | python3 scripts/sbom.py --licenses
}

case ${1:-} in
--path) path ;;
--licenses) licenses ;;
--why-not) why_not ;;
--clients) fresh_compiler || printf 'rustc-web\ncargo-web\n' ;;
*) build_plugin ;;
esac
