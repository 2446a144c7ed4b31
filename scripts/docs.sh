#!/usr/bin/env bash
# The reference of include/rhei: HTML and man pages into the folder that is named. An undocumented function
# or type, or a comment that doxygen can't follow, is an error.
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
echo "reference: $out/html/index.html, man pages: $out/man/man3"
