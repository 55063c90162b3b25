#!/usr/bin/env bash
# Installs a client program that the tests run, locked, into a venv of its own: `client.sh PYTHON FOLDER LOCK`.
set -euo pipefail

python=$1
folder=$2
lock=$3
rm -rf "$folder"
bash "$(dirname "$0")/venv.sh" "$python" "$folder"
echo "Installing $(basename "$lock" .txt) into $folder ..."
exec "$folder/bin/python" -m pip install -qq --no-input --disable-pip-version-check --require-hashes --no-deps -r "$lock"
