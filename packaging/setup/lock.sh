#!/usr/bin/env bash
# Resolves the locks: `lock.sh PYTHON [--upgrade]`. Universal, from Python 3.11 up, with hashes, naming no index.
set -euo pipefail

python=$1
shift
locks=packaging/locks
if command -v uv >/dev/null; then
    uv=uv
else
    [ -x .venv-uv/bin/uv ] || {
        bash packaging/setup/venv.sh "$python" .venv-uv
        .venv-uv/bin/pip install --quiet uv
    }
    uv=.venv-uv/bin/uv
fi

resolve() { # OUTPUT SOURCE...
    output=$1
    shift
    "$uv" pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --no-annotate \
        --no-emit-index-url --no-emit-find-links --output-file "$locks/$output" "$@"
}

resolve run.txt "$@" pyproject.toml
resolve dev.txt "$@" --constraints "$locks/run.txt" --group pyproject.toml:dev pyproject.toml
resolve build.txt "$@" --constraints "$locks/dev.txt" "$locks/build.in"
resolve fuzz.txt "$@" --constraints "$locks/run.txt" "$locks/fuzz.in"
resolve aider.txt "$@" "$locks/aider.in"
resolve artefacts.txt "$@" "$locks/artefacts.in"
resolve llm.txt "$@" "$locks/llm.in"
resolve bench-litellm.txt "$@" "$locks/bench-litellm.in"
if command -v npm >/dev/null; then
    for folder in bench-portkey clients-node clients-codex clients-claude-code; do
        (cd "$locks/$folder" && npm install --package-lock-only --ignore-scripts --omit-lockfile-registry-resolved --silent)
    done
else
    echo "No npm here: the locks of Node.js stay as they are." >&2
fi
# systemd-python says what it needs only when it is built.
bash packaging/setup/need.sh gcc=gcc pkg-config=pkg-config /usr/include/systemd/sd-daemon.h=libsystemd-dev
resolve systemd.txt "$@" "$locks/systemd.in"
