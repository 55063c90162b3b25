#!/usr/bin/env bash
# Checks what is handed out beside the program: `check-artefacts.sh BIN`, a folder with the tools of locks/artefacts.txt.
# The image's recipe, Compose's and Kubernetes' files, the workflows, the issue forms and the shell scripts.
set -euo pipefail

bin=$1
root=$(cd "$(dirname "$0")/.." && pwd)
cd "$root"
failed=0

check() { # WHAT COMMAND...
    what=$1
    shift
    if said=$("$@" 2>&1); then return; fi
    printf '%s:\n%s\n' "$what" "$said" >&2
    failed=1
}

schema() { # NAME FILE...
    name=$1
    shift
    check "$name" "$bin/check-jsonschema" --builtin-schema "vendor.$name" "$@"
}

# podmonitor.yaml is of a kind that a cluster learns from the operator; kustomization.yaml is kubectl's own.
manifests=()
for file in packaging/kubernetes/*.yaml; do
    case $file in */kustomization.yaml | */podmonitor.yaml) ;; *) manifests+=("$file") ;; esac
done
scripts=()
for file in packaging/*.sh packaging/setup/*.sh packaging/onefile/head.sh packaging/deb/scripts/*; do
    scripts+=("$file")
done

check hadolint "$bin/hadolint" packaging/docker/Dockerfile
check kubernetes "$bin/kubernetes-validate" --strict "${manifests[@]}"
check shellcheck "$bin/shellcheck" "${scripts[@]}"
schema compose-spec packaging/docker/compose.yaml
schema github-workflows .github/workflows/*.yml
schema dependabot .github/dependabot.yml
schema github-issue-forms .github/ISSUE_TEMPLATE/[!c]*.yml .github/ISSUE_TEMPLATE/compatibility.yml
[ $failed = 0 ] && echo "artefacts: ok"
exit $failed
