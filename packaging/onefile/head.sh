#!/bin/sh
# @NAME@ @VERSION@ in one file: this script, and behind it an archive that it unpacks when it is first started.
# Made by `make onefile` for Python @PYTHON@ on @MACHINE@. State: @DIGEST@
# Where it is unpacked already it is started from there at once. A folder that is not our own is never started from.
state=@DIGEST@
# A shell that does not know -O (dash, bash and busybox do) goes the slower way below.
# shellcheck disable=SC3067
start() {
    [ -O "$1" ] && [ ! -L "$1" ] && [ -O "$1/$state" ] && [ -x "$1/$state/bin/python3" ] || return 0
    folder=$1/$state
    shift
    exec "$folder/bin/python3" -I "$folder/bin/@NAME@" "$@"
}
[ -z "${LODESTAR_ONEFILE_DIR:-}" ] || start "$LODESTAR_ONEFILE_DIR" "$0" "$@"
[ -z "${XDG_CACHE_HOME:-}" ] || start "$XDG_CACHE_HOME/lodestard-onefile" "$0" "$@"
[ -z "${HOME:-}" ] || start "$HOME/.cache/lodestard-onefile" "$0" "$@"
[ -z "${XDG_RUNTIME_DIR:-}" ] || start "$XDG_RUNTIME_DIR/lodestard-onefile" "$0" "$@"
[ -z "${STATE_DIRECTORY:-}" ] || start "$STATE_DIRECTORY/lodestard-onefile" "$0" "$@"
start "/var/tmp/lodestard-onefile-$(id -u)" "$0" "$@"
start "/tmp/lodestard-onefile-$(id -u)" "$0" "$@"

found=
for python in python@PYTHON@ /usr/bin/python@PYTHON@ python3 /usr/bin/python3; do
    command -v "$python" >/dev/null 2>&1 || continue
    version=$("$python" -IS -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null) || continue
    [ "$version" != @PYTHON@ ] || exec "$python" -IB "$0" "$@"
    found="$version ($(command -v "$python"))"
done
echo "@NAME@: this file is made for Python @PYTHON@; this machine has ${found:-none}." >&2
echo "Install it (Debian 12: apt-get install python3), or make a file for yours: make onefile PYTHON=python3" >&2
exit 78
