#!/usr/bin/env bash
# Everything that is proved beside the tests. Runs every check, prints one line each (and what it found), and
# exits with 1 when any failed.
#
#   scripts/check.sh            all
#   scripts/check.sh NAME...    some of: format layers circles invariants mutants text promises warnings
#                               symbols install docs sanitizers threads system_sqlite
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/common.sh

scripts/setup.sh core
python=$(scripts/venv.sh)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

check_format() {
    c_files | xargs -d '\n' clang-format-14 --dry-run --Werror
}

check_layers() {
    "$python" scripts/check_layers.py
}

# Rooms whose files can be understood one after another.
check_circles() {
    parse_variant
    build
    "$python" scripts/check_circles.py "$build_folder"
}

# What READMEs number is looked at, and only looked at.
check_invariants() {
    "$python" scripts/check_invariants.py
}

# The lines that ./dev mutate breaks are still there.
check_mutants() {
    "$python" scripts/mutate.py --check
}

# Hosts of package registries and paths of one machine have no place in files. The brackets keep this file clean.
check_text() {
    local pattern='registry[.]npmjs|crates[.]io|pypi[.]org|pythonhost[e]d|deb[.]debian[.]org|proxy[.]golang|maven[.]org|(^|[^a-z.])/wor[k]/'
    ! git grep -nIE "$pattern"
}

check_promises() {
    "$python" scripts/check_promises.py
}

check_warnings() {
    (parse_variant --clang && build) || return 1
    parse_variant
    build
    # a list may name a file that nobody has written yet, but not in what is handed on
    ! grep 'which does not exist' "$build_folder/meson-logs/meson-log.txt"
}

# The same engine over Debian's SQLite, which the Meson option offers to programs that link SQLite themselves.
check_system_sqlite() {
    scripts/test.sh --system-sqlite --unit
}

check_symbols() {
    parse_variant
    build
    local foreign
    foreign=$(nm -D --defined-only "$build_folder/src/librhei.so" | awk '{ print $3 }' | grep -v '^rhei_' || true)
    [ -z "$foreign" ] || { echo "librhei.so exports more than rhei_*: $foreign"; return 1; }
    foreign=$(nm -g --defined-only "$build_folder/src/librhei.a" | awk 'NF == 3 { print $3 }' | grep -v '^rhei_' || true)
    [ -z "$foreign" ] || { echo "librhei.a exports more than rhei_*: $foreign"; return 1; }
}

# The installed library as somebody else's program sees it: C and C++, shared and static.
check_install() {
    parse_variant
    build
    meson install -C "$build_folder" --no-rebuild --destdir "$work/root" >"$work/install.log" || {
        cat "$work/install.log"
        return 1
    }
    local pc prefix
    pc=$(find "$work/root" -name rhei.pc)
    prefix=$work/root/usr/local
    sed -i "s|^prefix=.*|prefix=$prefix|" "$pc"
    export PKG_CONFIG_PATH
    PKG_CONFIG_PATH=$(dirname "$pc")
    local libdir flags
    libdir=$(pkg-config --variable=libdir rhei)
    flags=$(pkg-config --cflags rhei)
    cp tests/install/hello_rhei.c "$work/hello.c"
    cp tests/install/hello_rhei.c "$work/hello.cc"
    # shellcheck disable=SC2086,SC2046
    {
        cc -std=c17 -Wall -Wextra -Wshadow -Werror $flags "$work/hello.c" -o "$work/shared" $(pkg-config --libs rhei) &&
            c++ -std=c++17 -Wall -Wextra -Wshadow -Werror $flags "$work/hello.cc" -o "$work/cpp" $(pkg-config --libs rhei) &&
            cc -std=c17 $flags "$work/hello.c" -o "$work/static" "$libdir/librhei.a" $(pkg-config --libs --static rhei | sed 's/-lrhei//')
    } || return 1
    for program in shared cpp static; do
        LD_LIBRARY_PATH=$libdir "$work/$program" "$work/$program.db" || {
            echo "the program linked $program failed"
            return 1
        }
    done
    env -u LD_LIBRARY_PATH "$prefix/bin/rh" query --db :memory: "SELECT 1" >"$work/rh.log" || {
        echo "the installed rh doesn't run in a prefix of one's own"
        return 1
    }
}

check_docs() {
    parse_variant
    scripts/docs.sh "$build_folder/docs"
}

check_sanitizers() {
    scripts/test.sh --asan --unit --timeout-factor 5
}

check_threads() {
    scripts/test.sh --tsan --unit --timeout-factor 10
}

names=("$@")
[ $# -gt 0 ] || names=(format layers circles invariants mutants text promises warnings symbols install docs sanitizers)
failed=()
for name in "${names[@]}"; do
    declare -F "check_$name" >/dev/null || die "there is no check named $name"
    started=$SECONDS
    # the counts of a test run inside a check are not the closing line of the whole
    if ("check_$name") >"$work/log" 2>&1; then
        grep '^warning:' "$work/log" || true
        echo "check $name: ok ($((SECONDS - started)) s)"
    else
        sed 's/^\([0-9]* passed\)/counts: \1/' "$work/log"
        echo "check $name: FAILED ($((SECONDS - started)) s)"
        failed+=("$name")
    fi
done
if [ ${#failed[@]} -gt 0 ]; then
    echo "checks failed: ${failed[*]}"
    exit 1
fi
echo "all checks are ok"
