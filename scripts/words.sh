# Sourced by dev: what each of its commands may be told. Nothing is installed, built or written for a word that is wrong.

# Exits with 2, as rh does.
wrong_use() {
    echo "rhei: $*" >&2
    exit 2
}

variants='VARIANT: --asan (addresses and undefined behaviour), --tsan (data races), --clang, --release,
--system-sqlite; each has its own build folder.'

# What a command is told, and what it does with it; nothing of a command that isn't there.
help_of() { # command
    case $1 in
    setup) cat <<'TEXT' ;;
./dev setup [--with datafusion] [GROUP...]    installs and fetches what is missing

GROUP: core, tests, demo, bench; all of them if none is named. --with datafusion compiles that plug-in, too, which takes
about 25 minutes the first time.
TEXT
    build) cat <<TEXT ;;
./dev build [VARIANT]    compiles into build/ (RHEI_BUILD names another folder)

$variants
TEXT
    test) cat <<TEXT ;;
./dev test [VARIANT] [options]    builds, then runs the unit tests and the end-to-end tests

  --unit, --e2e            one of them
  -k TEXT                  those with TEXT in their name; of end-to-end tests also "one or another"
  -v, --verbose            names each end-to-end test
  --backend ENGINE         duckdb (default) or datafusion
  --timeout-factor N       tests may take N times as long
  --jobs N                 at a time; as many as there are processors by default

$variants
TEXT
    bench) cat <<'TEXT' ;;
./dev bench [options]    measures, beside bare SQLite and bare DuckDB

  --rows N, --disk-rows N  rows of the big table (default 1000000), and of the one in a folder
  --runs N                 of each comparison, in turn (default 7)
  --threads N              of the analytical engines (default 1)
  --only GROUP             shapes write ingest doors sync history face tables read auto disk bucket buffer feed sidecar tpch datafusion
  --scale X, --query N, --tpch-file FILE
                           of TPC-H: its scale factor (default 1), one query only, the database to use or to make and keep
  --json FILE              the figures as JSON, too
TEXT
    demo) cat <<'TEXT' ;;
./dev demo [DATABASE]            shows Rhei on real data; DATABASE isn't there yet (default: a file in the cache, made anew)
./dev demo --sidecar [options]   a PostgreSQL database, followed from the side

  --seconds N, --scale N, --rate N
                           how long pgbench writes (10), hundred thousands of accounts (10), transactions a second (1000)
TEXT
    check) cat <<'TEXT' ;;
./dev check [NAME...]    what is proved beside the tests; all but the last three if none is named

NAME: format layers circles invariants mutants text promises warnings symbols abi install sbom image service docs sanitizers
threads system_sqlite packages
TEXT
    wheel) cat <<'TEXT' ;;
./dev wheel [FOLDER]    builds the Python package with the libraries inside, as a wheel, into build-wheel/ or FOLDER
TEXT
    deb) cat <<'TEXT' ;;
./dev deb [FOLDER]    builds Debian packages (library, headers, network door, rh with its service) into build-deb/ or FOLDER
TEXT
    mutate) cat <<'TEXT' ;;
./dev mutate [--check | NAME...]    breaks the lines of tests/mutants/mutants.toml one at a time; a test must catch each

  --check                  only whether the lines are still there
TEXT
    fmt) cat <<'TEXT' ;;
./dev fmt    lets clang-format lay out the C files
TEXT
    docs) cat <<'TEXT' ;;
./dev docs    makes the guide as a site, the HTML reference and the man page in build/docs
TEXT
    help) cat <<'TEXT' ;;
./dev help [COMMAND]    what there is, or what one command is told
TEXT
    esac
}

# Options of a command; "=" behind one: it has a value.
options_of() { # command
    local variant='--asan --tsan --clang --release --system-sqlite'
    case $1 in
    setup) echo '--with=' ;;
    build) echo "$variant" ;;
    test) echo "$variant --unit --e2e -k= -v --verbose --backend= --timeout-factor= --jobs=" ;;
    bench) echo '--rows= --disk-rows= --runs= --threads= --only= --scale= --query= --tpch-file= --json=' ;;
    demo) echo '--sidecar --seconds= --scale= --rate=' ;;
    mutate) echo '--check' ;;
    esac
}

# How many words may stand beside the options.
most_words_of() { # command
    case $1 in
    setup | check | mutate) echo 1000 ;;
    demo | wheel | deb | help) echo 1 ;;
    *) echo 0 ;;
    esac
}

# Answers -h and --help, and refuses what the command doesn't know.
check_words() { # command, its words
    local command=$1 known most name words=0
    known=" $(options_of "$command") "
    most=$(most_words_of "$command")
    shift
    while [ $# -gt 0 ]; do
        name=${1%%=*}
        case $1 in
        -h | --help)
            help_of "$command"
            exit 0
            ;;
        -?*)
            if [[ $known == *" $name= "* ]]; then
                [[ $1 == *=* ]] || shift
                [ $# -gt 0 ] || wrong_use "./dev $command $name needs a value (./dev $command --help)"
            else
                [[ $known == *" $1 "* ]] || wrong_use "./dev $command has no option $name (./dev $command --help)"
            fi
            ;;
        *)
            words=$((words + 1))
            [ $words -le "$most" ] || wrong_use "./dev $command: '$1' is one word too many (./dev $command --help)"
            ;;
        esac
        shift
    done
}
