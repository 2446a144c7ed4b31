#!/usr/bin/env bash
# Brings the machine to where ./dev build works: Debian packages, pinned packages, Python test environment.
# Installs only what is missing, so a machine that has everything needs no network and no root.
#
#   scripts/setup.sh [GROUP...]     groups of deps/pins.txt; default: all
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/common.sh

groups=("$@")
[ $# -gt 0 ] || groups=(core demo bench)

packages=$(sed 's/#.*//' deps/apt.txt)

missing_packages() {
    local installed package
    # shellcheck disable=SC2086
    installed=$(dpkg-query -W -f '${db:Status-Abbrev} ${Package}\n' $packages 2>/dev/null | awk '$1 == "ii" { print $2 }')
    for package in $packages; do
        grep -qx "$package" <<<"$installed" || echo "$package"
    done
}

install_packages() {
    local missing as_root=() log
    command -v dpkg-query >/dev/null && command -v apt-get >/dev/null ||
        die "this set-up installs Debian packages, and apt-get is missing: install the packages of deps/apt.txt by your system's own means and use Meson directly (docs/design/building.md)"
    missing=$(missing_packages | tr '\n' ' ')
    [ -n "$missing" ] || return 0
    if [ "$(id -u)" -ne 0 ]; then
        command -v sudo >/dev/null || die "these Debian packages are missing and only root may install them: run 'apt-get install $missing' as root, then ./dev setup again"
        as_root=(sudo)
    fi
    echo "rhei: installing Debian packages: $missing" >&2
    mkdir -p "$cache"
    exec 7>"$cache/lock-apt"
    flock 7
    log=$cache/apt.log
    local install=("${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends)
    # the lists may be missing or old: only then are they fetched
    # shellcheck disable=SC2086
    "${install[@]}" $missing >"$log" 2>&1 </dev/null ||
        { "${as_root[@]}" apt-get update >>"$log" 2>&1 </dev/null && "${install[@]}" $missing >>"$log" 2>&1 </dev/null; } ||
        die "apt-get could not install $missing: check that this machine reaches its Debian mirror (the first set-up needs it) and run ./dev setup again; apt-get's own words are in $log"
    rm -f "$log"
    exec 7>&-
}

mkdir -p "$cache" 2>/dev/null || die "the cache folder $cache can't be created: set RHEI_CACHE to a folder that can be written"
install_packages
scripts/fetch.sh "${groups[@]}"
scripts/venv.sh >/dev/null
