#!/usr/bin/env bash
# tools/format.sh [--check]
#
# Formats every C++ file of the tree with clang-format 14; --check only lists those that differ and
# fails when there are any.
set -euo pipefail
cd "$(dirname "$0")/.."

case ${1:-} in
  '') mode=(-i) ;;
  --check) mode=(--dry-run --Werror) ;;
  *) sed -n '2,5s/^# \{0,1\}//p' "$0"; [ "$1" = --help ] && exit 0; exit 2 ;;
esac
command -v clang-format-14 >/dev/null ||
  { echo "format.sh: no clang-format-14; script/setup --check installs it" >&2; exit 1; }
find crayon tests examples \( -name '*.h' -o -name '*.cpp' \) -print0 |
  xargs -0 -r clang-format-14 "${mode[@]}"
