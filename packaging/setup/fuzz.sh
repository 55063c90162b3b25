#!/usr/bin/env bash
# Installs the fuzzer: `fuzz.sh PYTHON FOLDER LOCK LOCK`. It has a wheel for Python 3.11 alone; where that is not there, the
# folder stays empty, and what needs it says so.
set -euo pipefail

folder=$2
for python in "$1" python3.11; do
    if "$python" -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11))' 2>/dev/null; then
        rm -rf "$folder"
        bash "$(dirname "$0")/venv.sh" "$python" "$folder"
        echo "Installing the fuzzer into $folder ..."
        exec "$folder/bin/python" -m pip install -qq --no-input --disable-pip-version-check \
            --require-hashes --no-deps -r "$3" -r "$4"
    fi
done
echo "No Python 3.11 here, so no fuzzer: make fuzz does nothing." >&2
mkdir -p "$folder"
