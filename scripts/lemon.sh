#!/usr/bin/env bash
# lemon LEMPAR GRAMMAR OUT.c OUT.h: lemon names its outputs itself, so it runs in a folder of its own.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"$1" -q -T"$2" -d"$work" "$3" >&2
stem=$(basename "$3" .y)
cp "$work/$stem.c" "$4"
cp "$work/$stem.h" "$5"
