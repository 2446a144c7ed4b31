#!/usr/bin/env bash
# Brings the pinned packages of deps/pins.txt into the cache, each checked by hash, and tells where they are.
#
#   scripts/fetch.sh GROUP...        fetch what is missing of these groups (core, tests, demo, bench, peer, datafusion)
#   scripts/fetch.sh --clients GROUP...   print the clients (npm, cargo, pip, maven) that what is missing needs, one a line
#   scripts/fetch.sh --path NAME     print the folder of one package, fetching it if it is missing
#   scripts/fetch.sh --paths GROUP   print the folders of a group's packages, one a line, fetching what is missing
#
# A package's folder appears by one rename after everything in it was verified, so whoever sees it may use it.
# Several runs at once are safe: one fetches, the others wait.
set -euo pipefail

root=$(cd "$(dirname "$0")/.." && pwd)
pins=$root/deps/pins.txt
cache=${RHEI_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/rhei}

die() {
    echo "rhei: $*" >&2
    exit 1
}

# The folder's name holds a digest of the package's lines in pins.txt, so a changed pin is another folder.
folder_of() {
    local name=$1 lines version
    lines=$(awk -v n="$name" '($1 == "package" && $4 == n) || (($1 == "file" || $1 == "tree" || $1 == "link") && $2 == n)' "$pins")
    [ -n "$lines" ] || die "deps/pins.txt has no package named $name"
    version=$(awk -v n="$name" '$1 == "package" && $4 == n { print $5 }' "$pins")
    printf '%s/deps/%s-%s-%s\n' "$cache" "$(basename "${name/*:/}")" "$version" "$(sha256sum <<<"$lines" | cut -c1-12)"
}

need_client() {
    command -v "$1" >/dev/null || die "'$1' is missing, it fetches $2: install it ($3) and run ./dev setup again"
}

failed_download() {
    die "$1 could not download $2: check that this machine reaches its package registry (the first set-up needs it) and run ./dev setup again; $1's own words are in $3"
}

verify() { # what file sha256
    [ "$3" = - ] && return 0
    local found
    found=$(sha256sum "$2" | cut -d' ' -f1)
    [ "$found" = "$3" ] || die "$1 has sha256 $found, but deps/pins.txt expects $3: it is not what was pinned, so nothing of it is used"
}

tree_digest() {
    (cd "$1" && find . -type f | LC_ALL=C sort | xargs -d '\n' sha256sum | sha256sum | cut -d' ' -f1)
}

download_npm() { # name version sha256 dir
    need_client npm "$1" "apt-get install npm"
    (cd "$4" && npm pack --silent "$1@$2") >"$4/file" 2>"$4/log" </dev/null || failed_download npm "$1 $2" "$log"
    local archive
    archive=$(find "$4" -maxdepth 1 -name '*.tgz')
    verify "$1 $2" "$archive" "$3"
    mkdir "$4/x"
    tar -xzf "$archive" -C "$4/x" --no-same-owner
}

download_cargo() { # name version sha256 dir
    need_client cargo "$1" "apt-get install cargo-web; rustup, or any cargo of 1.68 or later"
    mkdir -p "$4/m/src"
    : >"$4/m/src/lib.rs"
    printf '[package]\nname = "pins"\nversion = "0.0.0"\nedition = "2021"\n[dependencies]\n%s = { version = "=%s", default-features = false }\n[workspace]\n' \
        "$1" "$2" >"$4/m/Cargo.toml"
    (cd "$4/m" && cargo vendor --versioned-dirs "$4/vendor") >"$4/log" 2>&1 </dev/null ||
        failed_download cargo "$1 $2" "$log"
    local crate=$4/vendor/$1-$2 recorded
    # cargo verified the archive against this checksum before it unpacked it
    recorded=$(sed 's/.*"package":"\([0-9a-f]*\)".*/\1/' "$crate/.cargo-checksum.json")
    [ "$recorded" = "$3" ] || die "the crate $1 $2 has sha256 $recorded, but deps/pins.txt expects $3: nothing of it is used"
    mv "$crate" "$4/x"
}

download_pip() { # name version sha256 dir
    local python
    python=$("$root/scripts/venv.sh" --bare) || exit 1
    printf '%s==%s --hash=sha256:%s\n' "$1" "$2" "$3" >"$4/requirements.txt"
    mkdir "$4/archive" "$4/x"
    PYTHONPATH=$root/scripts/pip_shim PYTHONDONTWRITEBYTECODE=1 "$python" -m pip download --no-deps --require-hashes \
        --no-build-isolation --use-pep517 -r "$4/requirements.txt" -d "$4/archive" >"$4/log" 2>&1 </dev/null ||
        failed_download pip "$1 $2" "$log"
    local archive
    archive=$(find "$4/archive" -type f)
    verify "$1 $2" "$archive" "$3"
    case $archive in
    *.whl) "$python" -m zipfile -e "$archive" "$4/x" ;;
    *) tar -xzf "$archive" -C "$4/x" --strip-components=1 --no-same-owner ;;
    esac
}

download_maven() { # group:name version sha256 dir
    need_client mvn "$1" "apt-get install maven"
    mkdir "$4/x"
    (cd "$4" && mvn -q -B org.apache.maven.plugins:maven-dependency-plugin:2.8:copy \
        "-Dartifact=$1:$2" "-DoutputDirectory=$4/x") >"$4/log" 2>&1 </dev/null || failed_download maven "$1 $2" "$log"
    verify "$1 $2" "$4/x/${1#*:}-$2.jar" "$3"
}

take_files() { # name dir target
    local kind path place sha source
    while read -r kind path place sha; do
        source=$2/x/${path#*:}
        mkdir -p "$(dirname "$3/$place")"
        if [[ $path == *:* ]]; then
            tar -xzf "$2/x/${path%%:*}" -C "$2/x" --no-same-owner "${path#*:}"
        fi
        [ -e "$source" ] || die "$1 holds no $path although deps/pins.txt names it"
        if [ "$kind" = tree ]; then
            cp -r "$source" "$3/$place"
            local digest
            digest=$(tree_digest "$3/$place")
            [ "$sha" = - ] || [ "$digest" = "$sha" ] ||
                die "$path of $1 has digest $digest, but deps/pins.txt expects $sha: nothing of it is used"
        else
            verify "$path of $1" "$source" "$sha"
            cp "$source" "$3/$place"
        fi
    done < <(awk -v n="$1" '($1 == "file" || $1 == "tree") && $2 == n { print $1, $3, $4, $5 }' "$pins")
    while read -r path place; do
        ln -s "$path" "$3/$place"
    done < <(awk -v n="$1" '$1 == "link" && $2 == n { print $3, $4 }' "$pins")
}

work=
cleanup() { [ -z "$work" ] || rm -rf "$work"; }
trap cleanup EXIT

fetch() { # client name version sha256
    local folder
    folder=$(folder_of "$2")
    [ -d "$folder" ] && return 0
    exec 9>"$cache/lock-$(basename "$folder")"
    flock 9
    if [ ! -d "$folder" ]; then
        echo "rhei: fetching $2 $3 with $1" >&2
        work=$(mktemp -d "$cache/tmp.XXXXXX")
        log=$cache/$(basename "$folder").log
        mkdir "$work/got" "$work/out"
        : >"$log"
        ln -s "$log" "$work/got/log"
        "download_$1" "$2" "$3" "$4" "$work/got"
        take_files "$2" "$work/got" "$work/out"
        mkdir -p "$cache/deps"
        mv -T "$work/out" "$folder"
        rm -rf "$work" "$log"
        work=
    fi
    exec 9>&-
}

fetch_where() { # awk condition
    local client name version sha
    mkdir -p "$cache" || die "the cache folder $cache can't be created: set RHEI_CACHE to a folder that can be written"
    while read -r client name version sha; do
        fetch "$client" "$name" "$version" "$sha"
    done < <(awk "\$1 == \"package\" && ($1) { print \$3, \$4, \$5, \$6 }" "$pins")
}

clients_of() { # groups
    local group client name rest
    for group in "$@"; do
        while read -r client name rest; do
            [ -d "$(folder_of "$name")" ] || echo "$client"
        done < <(awk -v g="$group" '$1 == "package" && $2 == g { print $3, $4 }' "$pins")
    done | sort -u
}

case ${1:-} in
--clients)
    shift
    clients_of "$@"
    ;;
--path)
    fetch_where "\$4 == \"$2\""
    folder_of "$2"
    ;;
--paths)
    fetch_where "\$2 == \"$2\""
    while read -r name; do
        folder_of "$name"
    done < <(awk -v g="$2" '$1 == "package" && $2 == g { print $4 }' "$pins")
    ;;
core | tests | demo | bench | peer | datafusion)
    for group in "$@"; do
        fetch_where "\$2 == \"$group\""
    done
    ;;
*) die "usage: scripts/fetch.sh GROUP... | --clients GROUP... | --path NAME | --paths GROUP" ;;
esac
