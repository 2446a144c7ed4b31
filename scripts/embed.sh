#!/usr/bin/env bash
# embed OUT.c HEADER SYMBOL FILE...: the files, one behind another, as an array of bytes that HEADER declares.
set -euo pipefail
out=$1 header=$2 symbol=$3
shift 3
{
    printf '/* made of: %s */\n#include "%s"\n\nconst unsigned char %s[] = {\n' "$(basename -a "$@" | tr '\n' ' ')" "$header" "$symbol"
    cat "$@" | od -An -v -tu1 | sed 's/  */,/g; s/^,//; s/$/,/'
    printf '};\nconst size_t %s_size = sizeof %s;\n' "$symbol" "$symbol"
} >"$out"
