#!/usr/bin/env bash
# Installs the LiteLLM proxy that `make bench` compares with: `litellm.sh PYTHON FOLDER LOCK`. Where it can't be had,
# the folder stays without it and the comparison says that it left it out.
set -euo pipefail

folder=$2
lock=$3
rm -rf "$folder"
bash "$(dirname "$0")/venv.sh" "$1" "$folder"
echo "Installing the LiteLLM proxy into $folder (three quarters of a gigabyte, once) ..."
"$folder/bin/python" -m pip install -qq --no-input --disable-pip-version-check --require-hashes --no-deps \
    --only-binary :all: -r "$lock" || {
    rm -f "$folder/bin/litellm"
    echo "The LiteLLM proxy can't be installed here: the comparison leaves it out." >&2
}
