#!/usr/bin/env bash
# Brings the machine to where ./dev build works: Debian packages, pinned packages, Python test environment.
# Installs only what is missing, so a machine that has everything needs no network and no root.
#
#   scripts/setup.sh [--with datafusion] [GROUP...]     groups of deps/pins.txt; default: all. With the plug-in of that name, compiled
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/common.sh

groups=()
with=
while [ $# -gt 0 ]; do
    case $1 in
    --with | --with=*)
        with=${1#--with}
        with=${with#=}
        [ -n "$with" ] || { shift; with=${1:-}; }
        [ "$with" = datafusion ] || die "there is no plug-in \"$with\": --with takes datafusion"
        ;;
    core | tests | demo | bench | peer | datafusion) groups+=("$1") ;;
    *) die "there is no group \"$1\": core, tests, demo, bench" ;;
    esac
    shift
done
whole=
[ ${#groups[@]} -gt 0 ] || { whole=yes; groups=(core tests demo bench); }

missing_packages() { # packages
    local installed package
    installed=$(dpkg-query -W -f '${db:Status-Abbrev} ${Package}\n' "$@" 2>/dev/null | awk '$1 == "ii" { print $2 }')
    for package in "$@"; do
        grep -qx "$package" <<<"$installed" || echo "$package"
    done
}

# Debian's PostgreSQL makes and starts a cluster where it is installed, unless its settings say not to. Whoever has it already has settings.
leave_clusters() { # what runs a command as root, if anything is needed
    local settings=/etc/postgresql-common/createcluster.conf
    [ ! -e "$settings" ] && [ -n "$(missing_packages postgresql-common)" ] || return 0
    "$@" mkdir -p "$(dirname "$settings")"
    "$@" tee "$settings" >/dev/null <<<'create_main_cluster = false'
}

install_packages() { # packages
    local missing as_root=() log
    [ $# -gt 0 ] || return 0
    command -v dpkg-query >/dev/null && command -v apt-get >/dev/null ||
        die "this set-up installs Debian packages, and apt-get is missing: install the packages of deps/apt.txt by your system's own means and use Meson directly (docs/design/building.md)"
    missing=$(missing_packages "$@" | tr '\n' ' ')
    [ -n "$missing" ] || return 0
    if [ "$(id -u)" -ne 0 ]; then
        command -v sudo >/dev/null || die "these Debian packages are missing and only root may install them: run 'apt-get install $missing' as root, then ./dev setup again"
        as_root=(sudo)
    fi
    leave_clusters "${as_root[@]}"
    echo "rhei: installing Debian packages: $missing" >&2
    mkdir -p "$cache"
    exec 7>"$cache/lock-apt"
    flock 7
    log=$cache/apt.log
    local install=("${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y --no-remove --no-install-recommends)
    # the lists may be missing or old: only then are they fetched
    # shellcheck disable=SC2086
    "${install[@]}" $missing >"$log" 2>&1 </dev/null ||
        { "${as_root[@]}" apt-get update >>"$log" 2>&1 </dev/null && "${install[@]}" $missing >>"$log" 2>&1 </dev/null; } ||
        die "apt-get could not install $missing: check that this machine reaches its Debian mirror (the first set-up needs it) and run ./dev setup again; apt-get's own words are in $log"
    rm -f "$log"
    exec 7>&-
}

# Whether the machine's own client can fetch what deps/pins.txt names; a user's newer one is used as it is.
usable_client() {
    case $1 in
    cargo) cargo --version 2>/dev/null | awk '{ split($2, v, "."); exit !(v[1] > 1 || (v[1] == 1 && v[2] >= 68)) }' ;;
    npm) npm --version >/dev/null 2>&1 </dev/null ;;
    maven) mvn --version >/dev/null 2>&1 </dev/null ;;
    *) true ;; # pip comes with the virtual environment
    esac
}

# Clients of the packages that aren't in the cache yet, where the machine has none. Debian's `cargo` is too old for today's
# registries, its `cargo-web` isn't.
client_packages() {
    local client
    for client in $(scripts/fetch.sh --clients "${groups[@]}"); do
        usable_client "$client" && continue
        case $client in
        cargo) echo cargo-web ;;
        npm) echo npm ;;
        maven) echo maven ;;
        esac
    done
}

mkdir -p "$cache" 2>/dev/null || die "the cache folder $cache can't be created: set RHEI_CACHE to a folder that can be written"
read -r -d '' -a packages < <(sed 's/#.*//' deps/apt.txt) || true
install_packages "${packages[@]}"
read -r -d '' -a packages < <(client_packages) || true
install_packages "${packages[@]}"
if [ -n "$with" ]; then
    read -r -d '' -a packages < <(scripts/plugin.sh --clients) || true
    install_packages "${packages[@]}"
fi
scripts/fetch.sh "${groups[@]}"
[ -z "$with" ] || scripts/plugin.sh
scripts/venv.sh >/dev/null
# of checks that not every build runs
[ -z "$whole" ] || scripts/venv.sh checks >/dev/null
# Debian 12's Go is too old for these, so a machine without another one goes without
if [[ " ${groups[*]} " == *" tests "* ]]; then
    scripts/gofakes3.sh >/dev/null || { [ $? -eq 3 ] && echo "rhei: the tests of stores in a bucket will be skipped" >&2; }
    scripts/go_clients.sh >/dev/null || { [ $? -eq 3 ] && echo "rhei: the tests of Go's ADBC drivers will be skipped" >&2; }
fi
