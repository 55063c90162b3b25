#!/usr/bin/env bash
# Fills a folder with all wheels that install.sh --wheels takes: `wheels.sh PYTHON FOLDER`. For this Python's version and
# this kind of machine; PYTHON has packaging/locks/build.txt installed.
set -euo pipefail

python=$1
folder=$2
pip=("$python" -m pip --disable-pip-version-check --no-input -qq)
locks=packaging/locks
rm -rf "$folder" # what is left of other versions
mkdir -p "$folder"
"${pip[@]}" download --only-binary :all: --require-hashes --no-deps --dest "$folder" -r "$locks/run.txt" -r "$locks/build.txt"
CFLAGS=-g0 LDFLAGS=-Wl,-s "${pip[@]}" wheel --no-cache-dir --require-hashes --no-deps --no-build-isolation --wheel-dir "$folder" -r "$locks/systemd.txt"
