# Sourced by dev and the scripts beside this file; the working folder is the checkout.

cache=${RHEI_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/rhei}
export RHEI_CACHE=$cache

die() {
    echo "rhei: $*" >&2
    exit 1
}

# Makes the folder that a script writes into, as `out`: the one that it is told, or the usual one. What looks like an option is none.
take_folder() { # the usual one, and the script's words
    out=${2:-$1}
    [ $# -le 2 ] && [[ $out != -* ]] || die "one word is taken, the folder to write into; one that begins with a dash is written ./$out"
    case $out in /*) ;; *) out=$PWD/$out ;; esac
    mkdir -p "$out"
}

# Ends with 3, and a line that says why, where this machine has no Go for the module in a folder; Debian 12's is too old for all of them.
need_go() { # folder, and what is done with it
    local wanted
    wanted=$(sed -n 's/^go 1\.\([0-9]*\).*/\1/p' "$1/go.mod")
    GOTOOLCHAIN=local go env GOVERSION 2>/dev/null |
        awk -v wanted="$wanted" '{ sub(/^go/, ""); split($0, v, "."); exit !(NR == 1 && (v[1] > 1 || v[2] >= wanted)) } END { exit NR == 0 }' || {
        echo "Go 1.$wanted or later is missing, which $2: install it (https://go.dev/dl) and run ./dev setup again" >&2
        exit 3
    }
}

# Takes the variant options off the front; sets build_folder, meson_options, compiler and `rest`.
parse_variant() {
    build_folder=${RHEI_BUILD:-build}
    meson_options=()
    compiler=${CC:-cc}
    rest=()
    local word
    for word in "$@"; do
        case $word in
        --asan) meson_options+=(-Doptimization=2 -Db_sanitize=address,undefined -Db_lundef=false -Dbench=false -Dpython=false) ;;
        --tsan) meson_options+=(-Doptimization=2 -Db_sanitize=thread -Db_lundef=false -Dbench=false -Dpython=false) ;;
        --clang) compiler=clang-14 ;;
        --system-sqlite) meson_options+=(-Dsqlite=system -Dbench=false) ;;
        --release) meson_options+=(--buildtype=release -Db_lto=false) ;;
        *)
            rest+=("$word")
            continue
            ;;
        esac
        build_folder+=-${word#--}
    done
    [ -n "$build_folder" ] || die "RHEI_BUILD is empty"
    case $build_folder in /*) ;; *) build_folder=$PWD/$build_folder ;; esac
}

# Configures once, compiles (all, or the targets that are named), and says little unless something is wrong. One build at a time per folder.
build() {
    mkdir -p "$(dirname "$build_folder")"
    exec 6>"$cache/lock-build-$(cksum <<<"$build_folder" | cut -d' ' -f1)"
    flock 6
    configure
    local log=$build_folder.log watcher
    : >"$log"
    watch_log "$log" build_line 6>&- &
    watcher=$!
    NINJA_STATUS='[%f/%t] ' ninja -C "$build_folder" -j "$(jobs_count)" "$@" >>"$log" 2>&1 || {
        end_watch "$watcher"
        grep -vE '^(ninja: Entering|\[[0-9]+/[0-9]+\] )' "$log" >&2 || :
        die "the build failed; the compiler's own words are above"
    }
    end_watch "$watcher"
    rm -f "$log"
    exec 6>&-
}

# Where something long stands, from its second second on: in one line that stays where it is on a terminal, else a line now and then.
watch_log() { # what it writes, and the function that makes a line of that or fails
    local started=$SECONDS said=-10 line
    trap 'exit 0' TERM
    [ ! -t 2 ] || trap 'printf "\r\033[K" >&2; exit 0' TERM
    while kill -0 $$ 2>/dev/null; do
        sleep 0.2 &
        wait $! # which TERM ends, as it wouldn't end a sleep
        [ $((SECONDS - started)) -gt 1 ] || continue
        line=$("$2" "$1") || continue
        if [ -t 2 ]; then
            printf '\r%.*s\033[K' "$(($(tput cols 2>/dev/null || echo 80) - 1))" "$line" >&2
        elif [ $((SECONDS - said)) -ge 10 ]; then
            said=$SECONDS
            echo "$line" >&2
        fi
    done
}

build_line() {
    local line done
    line=$(grep -aE '^\[[0-9]+/[0-9]+\] ' "$1" | tail -n 1) || return 1
    done=${line%%]*}
    done=${done#[}
    echo "rhei: building ${done/\// of }: ${line##*[ /]}"
}

end_watch() {
    kill "$1" 2>/dev/null || :
    wait "$1" 2>/dev/null || :
}

configure() {
    local log=$build_folder.log cxx=c++ again=() new=no
    [ -e "$build_folder" ] || new=yes
    [ "$compiler" = clang-14 ] && cxx=clang++-14
    use_plugin
    if [ -e "$build_folder/build.ninja" ]; then
        uses_missing_packages || [ "$plugin" != "$(cat "$build_folder/plugin" 2>/dev/null)" ] || return 0
        again=(--reconfigure)
    fi
    echo "rhei: configuring $build_folder"
    CC=$compiler CXX=$cxx meson setup "${again[@]}" "$build_folder" . "${meson_options[@]}" >"$log" 2>&1 || {
        [ $new = no ] || rm -rf "$build_folder"
        cat "$log" >&2
        die "the build could not be configured; Meson's own words are above"
    }
    echo "$plugin" >"$build_folder/plugin"
    rm -f "$log"
}

# Where the DataFusion plug-in was built for these sources, if it was (./dev setup --with datafusion).
use_plugin() {
    plugin=
    [ ! -d "$cache/datafusion" ] || plugin=$(scripts/plugin.sh --path)
    # no sanitizer knows it
    [ -e "$plugin" ] && [[ " ${meson_options[*]} " != *" -Db_sanitize="* ]] || plugin=
    meson_options+=("-Ddatafusion=$plugin")
}

# A cache that was emptied or moved leaves a build folder with paths that lead nowhere.
uses_missing_packages() {
    local folder
    while read -r folder; do
        [ -d "$folder" ] || return 0
    done < <(grep -oE '[^ ="]*/deps/(adbc_driver_manager|nanoarrow|sqlite|libduckdb-sys|node-bindings[^/ ]*)-[^/ ]*' "$build_folder/build.ninja" | sed 's/^-isystem//' | grep '^/' | sort -u)
    return 1
}

jobs_count() {
    echo "${RHEI_JOBS:-$(nproc)}"
}

c_files() {
    git ls-files --cached --others --exclude-standard -- 'src/*.[ch]' 'include/*.h' 'tools/*.[ch]' 'tests/*.[ch]' \
        'bench/*.[ch]' 'plugins/*.[ch]' 'python/*.[ch]' 'examples/*.[ch]' | while read -r file; do [ ! -e "$file" ] || echo "$file"; done
}
