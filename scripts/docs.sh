#!/usr/bin/env bash
# The reference of include/rhei: HTML and man pages into the folder that is named. Undocumented or wrongly
# documented parts of the public headers are errors.
set -euo pipefail
cd "$(dirname "$0")/.."
out=$1
mkdir -p "$out"
version=$(sed -n "s/^ *version: '\(.*\)',/\1/p" meson.build | head -1)
doxygen -q - <<TEXT
PROJECT_NAME = Rhei
PROJECT_NUMBER = $version
PROJECT_BRIEF = "One handle, two views of the same data"
INPUT = include/rhei README.md
USE_MDFILE_AS_MAINPAGE = README.md
FILE_PATTERNS = *.h
OUTPUT_DIRECTORY = $out
OPTIMIZE_OUTPUT_FOR_C = YES
JAVADOC_AUTOBRIEF = YES
EXTRACT_ALL = NO
GENERATE_LATEX = NO
GENERATE_MAN = YES
MAN_EXTENSION = .3
MACRO_EXPANSION = YES
EXPAND_ONLY_PREDEF = YES
PREDEFINED = RHEI_API= RHEI_PRINTF(a,b)=
HAVE_DOT = NO
WARN_IF_UNDOCUMENTED = YES
WARN_NO_PARAMDOC = NO
WARN_AS_ERROR = FAIL_ON_WARNINGS
QUIET = YES
TEXT
echo "reference: $out/html/index.html, man pages: $out/man/man3"
