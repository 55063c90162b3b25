#!/usr/bin/env bash
# Sees to it that Debian's packages are there: `need.sh [--optional] PROBE=PACKAGE ...`.
# A probe is a command's name or a file's path. As root, what is missing is installed; otherwise the line to type is
# printed, and the exit status is 1 (0 with --optional: the tests say themselves what they leave out).
set -euo pipefail

optional=no
if [ "${1:-}" = --optional ]; then
    optional=yes
    shift
fi

is_there() {
    case "$1" in
        /*) [ -e "$1" ] ;;
        *) command -v "$1" >/dev/null ;;
    esac
}

missing=()
for pair in "$@"; do
    is_there "${pair%%=*}" || missing+=("${pair#*=}")
done
[ ${#missing[@]} -gt 0 ] || exit 0

line="apt-get install --yes --no-install-recommends ${missing[*]}"
if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    echo "Installing from Debian: ${missing[*]}"
    export DEBIAN_FRONTEND=noninteractive
    log=$(mktemp)
    trap 'rm -f "$log"' EXIT
    { apt-get update && $line; } </dev/null >"$log" 2>&1 && exit 0
    tail -n 20 "$log" >&2
fi
echo "Missing on this machine; as root, type: $line" >&2
[ "$optional" = yes ]
