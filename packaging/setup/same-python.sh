#!/usr/bin/env bash
# Fails where two Pythons are of different versions: `same-python.sh NAMED OURS`.
set -euo pipefail

version() { "$1" -IS -c 'import sys; print("%d.%d" % sys.version_info[:2])'; }
[ "$(version "$1")" = "$(version "$2")" ] && exit 0
echo "$1 is Python $(version "$1"), and $2 was made with $(version "$2"): make clean, then again." >&2
exit 1
