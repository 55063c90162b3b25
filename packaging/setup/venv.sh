#!/usr/bin/env bash
# Makes a virtual environment: `venv.sh PYTHON FOLDER`. One that is there and works is kept.
set -euo pipefail

python=$1
folder=$2
here=$(dirname "$0")

if [ -x "$folder/bin/python" ] && "$folder/bin/python" -m pip --version >/dev/null 2>&1; then
    exit 0
fi
if ! command -v "$python" >/dev/null; then
    bash "$here/need.sh" "$python=python3"
fi
if ! "$python" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 15))'; then
    echo "Lodestar needs Python 3.11 to 3.14; $python is $("$python" --version 2>&1)." >&2
    echo "Name another one: make PYTHON=python3.12 ..." >&2
    exit 1
fi
# Debian splits ensurepip off into a package of its own; without it venv fails half-way.
if ! "$python" -c 'import ensurepip, venv' 2>/dev/null; then
    bash "$here/need.sh" /nonexistent=python3-venv
fi
rm -rf "$folder"
"$python" -m venv "$folder"
