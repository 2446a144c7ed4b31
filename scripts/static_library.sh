#!/usr/bin/env bash
# Makes the static librhei of the rooms' archives and of the third-party archives under them.
#
#   static_library.sh OUT.a NUMBER-OF-ROOMS ROOM.a... THIRD-PARTY.a...
#
# Everything is linked into one object whose only global symbols are rhei_*.
set -euo pipefail
out=$1
rooms=$2
shift 2
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
ld -r -o "$work/all.o" --whole-archive "${@:1:rooms}" --no-whole-archive "${@:rooms+1}"
objcopy --wildcard --keep-global-symbol='rhei_*' "$work/all.o" "$work/rhei.o"
rm -f "$out"
ar rcs "$out" "$work/rhei.o"
