#!/usr/bin/env bash
# The reference of include/rhei (HTML and man pages) and the guide as a site, into the folder that is named. An undocumented function
# or type, a comment that doxygen can't follow, a link that leads nowhere and a page that loads something from elsewhere are errors.
set -euo pipefail
cd "$(dirname "$0")/.."
out=$1
rm -rf "$out"
mkdir -p "$out"
version=$(sed -n "s/^ *version: '\(.*\)',/\1/p" meson.build | head -1)
log=$out/doxygen.log
doxygen -q - >"$log" 2>&1 <<TEXT
PROJECT_NAME = Rhei
PROJECT_NUMBER = $version
PROJECT_BRIEF = "One handle, two views of the same data"
INPUT = include/rhei docs/reference.md
USE_MDFILE_AS_MAINPAGE = docs/reference.md
OUTPUT_DIRECTORY = $out
OPTIMIZE_OUTPUT_FOR_C = YES
JAVADOC_AUTOBRIEF = YES
EXTRACT_ALL = NO
GENERATE_LATEX = NO
GENERATE_MAN = YES
MAN_EXTENSION = .3
STRIP_FROM_PATH = include
STRIP_FROM_INC_PATH = include
MACRO_EXPANSION = YES
EXPAND_ONLY_PREDEF = YES
PREDEFINED = RHEI_API= RHEI_PRINTF(a,b)=
EXCLUDE_SYMBOLS = RHEI_API RHEI_PRINTF
HAVE_DOT = NO
WARN_IF_UNDOCUMENTED = YES
WARN_AS_ERROR = NO
QUIET = YES
TEXT
# a field or a constant whose name says it all needs no words; functions, structs, types and macros do
if grep -vE '\((variable|enumvalue|enumeration)\) of .* is not documented' "$log" | grep .; then
    exit 1
fi
# its theme would advertise a successor
NO_MKDOCS_2_WARNING=1 "$(dirname "$(scripts/venv.sh checks)")/mkdocs" build --quiet --strict --site-dir "$out/guide"
if grep -rlE '<(script|img|iframe|source)[^>]* src="?(https?:)?//|<link[^>]* rel="?(stylesheet|preload|preconnect)"?[^>]* href="?(https?:)?//' "$out/guide" --include='*.html'; then
    echo "rhei: the pages named above load something from elsewhere" >&2
    exit 1
fi
echo "guide: $out/guide/index.html; with its search: python3 -m http.server -b 127.0.0.1 -d $out/guide 8000, then http://127.0.0.1:8000"
echo "reference: $out/html/index.html, man pages: $out/man/man3"
