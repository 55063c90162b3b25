#!/usr/bin/env bash
# Installs the Aider that the client tests run: `aider.sh PYTHON FOLDER LOCK`. Aider itself needs Python < 3.13; where
# there is none, the folder stays empty and its tests say that they were skipped.
set -euo pipefail

folder=$2
lock=$3
for python in "$1" python3.12 python3.11 python3.10; do
    if "$python" -c 'import sys; sys.exit(not (3, 10) <= sys.version_info < (3, 13))' 2>/dev/null; then
        rm -rf "$folder"
        bash "$(dirname "$0")/venv.sh" "$python" "$folder"
        echo "Installing Aider into $folder (half a gigabyte, once) ..."
        exec "$folder/bin/python" -m pip install -qq --no-input --disable-pip-version-check \
            --require-hashes --no-deps -r "$lock"
    fi
done
echo "No Python below 3.13 here, so no Aider: its tests will be skipped." >&2
mkdir -p "$folder"
