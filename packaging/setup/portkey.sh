#!/usr/bin/env bash
# Installs the Portkey gateway that `make bench` compares with: `portkey.sh FOLDER LOCKS`. Where there is no Node.js,
# or it can't be had, the folder stays empty and the comparison says that it left it out.
set -euo pipefail

folder=$1
locks=$2
rm -rf "$folder"
mkdir -p "$folder"
if ! command -v npm >/dev/null; then
    echo "No npm here, so no Portkey gateway: the comparison leaves it out." >&2
    exit 0
fi
cp "$locks/package.json" "$locks/package-lock.json" "$folder"
echo "Installing the Portkey gateway into $folder ..."
(cd "$folder" && npm ci --silent --ignore-scripts --no-audit --no-fund) || {
    rm -rf "$folder/node_modules"
    echo "The Portkey gateway can't be installed here: the comparison leaves it out." >&2
}
