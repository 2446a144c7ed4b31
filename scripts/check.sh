#!/usr/bin/env bash
# Everything that is proved beside the tests. Runs every check, prints one line each (and what it found), and
# exits with 1 when any failed.
#
#   scripts/check.sh            all
#   scripts/check.sh NAME...    some of: format layers circles invariants mutants text promises warnings
#                               symbols abi install sbom image service docs sanitizers threads system_sqlite packages
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/common.sh

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
    foreign=$(nm -D --defined-only "$build_folder/src/adbc/librhei_adbc.so" | awk '{ print $3 }' | grep -v '^AdbcDriverInit$' || true)
    [ -z "$foreign" ] || { echo "librhei_adbc.so exports more than AdbcDriverInit: $foreign"; return 1; }
    foreign=$(nm -g --defined-only "$build_folder/src/librhei.a" | awk 'NF == 3 { print $3 }' | grep -v '^rhei_' || true)
    [ -z "$foreign" ] || { echo "librhei.a exports more than rhei_*: $foreign"; return 1; }
}

# A program that was linked with the last release runs with this library.
check_abi() {
    parse_variant
    build
    "$python" scripts/abi.py "$build_folder"
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
    # the driver by its manifest, whose library is found beside it
    sed -i "s|= \"/usr/local|= \"$prefix|" "$prefix/etc/adbc/drivers/rhei.toml" || return 1
    env -u LD_LIBRARY_PATH ADBC_DRIVER_PATH="$prefix/etc/adbc/drivers" "$python" - "$work/adbc.db" <<'PYTHON' || {
import sys
import adbc_driver_manager.dbapi as dbapi
with dbapi.connect(driver="rhei", db_kwargs={"uri": sys.argv[1]}) as connection, connection.cursor() as cursor:
    cursor.execute("SELECT 1")
    assert cursor.fetchone() == (1,)
PYTHON
        echo "the installed ADBC driver isn't found by its manifest"
        return 1
    }
    env -u LD_LIBRARY_PATH "$prefix/bin/rh" query --db :memory: "SELECT 1" >"$work/rh.log" || {
        echo "the installed rh doesn't run in a prefix of one's own"
        return 1
    }
}

# The Debian packages, in bare roots of Debian 12 and 13; builds what they are made of, and is asked for by name.
check_packages() {
    command -v mmdebstrap >/dev/null || die "mmdebstrap is missing: apt-get install mmdebstrap"
    [ "$(id -u)" -eq 0 ] || die "only root may enter a bare root"
    scripts/deb.sh "$work/packages" || return 1
    RHEI_PACKAGES=$work/packages "$python" -m pytest -q -p no:cacheprovider tests/packages
}

# What is bundled is told whole, in words of CycloneDX.
check_sbom() {
    python3 scripts/sbom.py library >"$work/rhei.cdx.json" && python3 scripts/sbom.py plugin >"$work/plugin.cdx.json" || return 1
    "$(scripts/venv.sh checks)" - "$work"/*.cdx.json <<'PYTHON'
import sys
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
for path in sys.argv[1:]:
    found = JsonStrictValidator(SchemaVersion.V1_6).validate_str(open(path).read())
    if found:
        sys.exit(f"{path}: {found}")
PYTHON
}

# The image can't be built where no engine of containers runs; what hadolint knows of mistakes isn't in it.
check_image() {
    local checks
    checks=$(dirname "$(scripts/venv.sh checks)")
    "$checks/hadolint" packaging/image/Dockerfile || return 1
    command -v docker-compose >/dev/null || { echo "warning: the compose file isn't looked at, since docker-compose is missing"; return 0; }
    docker-compose -f packaging/image/compose.yaml config --quiet
}

# As far as systemd says offline: that it understands the unit, and how much is open to it.
check_service() {
    command -v systemd-analyze >/dev/null || { echo "warning: rhei.service isn't looked at, since systemd-analyze is missing"; return 0; }
    local unit=$work/rhei.service found
    sed 's|=/usr/bin/rh |=/bin/true |; /^Documentation=/d' packaging/systemd/rhei.service >"$unit"
    found=$(systemd-analyze verify --recursive-errors=no "$unit" 2>&1 | grep rhei || :)
    [ -z "$found" ] || { echo "$found"; return 1; }
    systemd-analyze security --offline=yes --threshold=20 --no-pager packaging/systemd/rhei.service >"$work/security" || { cat "$work/security"; return 1; }
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
[ $# -gt 0 ] || names=(format layers circles invariants mutants text promises warnings symbols abi install sbom image service docs sanitizers)
for name in "${names[@]}"; do
    declare -F "check_$name" >/dev/null || die "there is no check named $name; ./dev check --help lists them"
done
scripts/setup.sh core
python=$(scripts/venv.sh)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
failed=()
for name in "${names[@]}"; do
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
