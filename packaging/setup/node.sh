#!/usr/bin/env bash
# Installs what is locked of Node.js: `node.sh FOLDER LOCKS WHAT`. Where there is no npm, or it can't be had, the folder
# stays empty, and whoever wants to run it says that it was left out. WHAT is for these messages.
set -euo pipefail

folder=$1
locks=$2
what=$3
rm -rf "$folder"
mkdir -p "$folder"
if ! command -v npm >/dev/null; then
    echo "No npm here, so without $what." >&2
    exit 0
fi
cp "$locks/package.json" "$locks/package-lock.json" "$folder"
echo "Installing $what into $folder ..."
(cd "$folder" && npm ci --silent --ignore-scripts --no-audit --no-fund) || {
    rm -rf "$folder/node_modules"
    echo "Can't be installed here: $what." >&2
}
