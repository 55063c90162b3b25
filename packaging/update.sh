#!/usr/bin/env bash
# Brings an installation of install.sh to the version of this checkout or release, and back if it does not get ready.
#
#   update.sh [--prefix /opt/lodestard] [--python python3] [--wheels DIR] [--no-start] [--dry-run]
#
# The new version is built beside the old one and checks the configuration; only then it takes the old one's place.
# Clients that connect meanwhile wait in systemd's sockets; what is under way has server.restart_drain_s.
# The ledger is backed up before, for its schema goes forward only: an older version does not open a newer ledger.
set -euo pipefail
# shellcheck source=packaging/install-steps.sh
. "$(dirname "$0")/install-steps.sh"

while [ $# -gt 0 ]; do
    read_common "$@"
    shift "$taken"
done

# Called plainly: behind an "if" or "||" the shell would go on after whatever fails in it.
go_back() { # NAME; sets is_back
    is_back=yes
    last_words
    say "The new version does not get ready; going back to $1 ..."
    switch_to "$1"
    run rm -f "$prefix/previous"
    if restart_and_look "$1"; then return; fi
    say "It does not start with the ledger as the new version left it."
    restore_ledger "$1"
    if restart_and_look "$1"; then return; fi
    is_back=no
}

require_machine
was=$(current_name)
[ -n "$was" ] || fail "nothing is installed in $prefix; install.sh does that"
require_python
build_release
if [ "$was" = "$name" ]; then
    say "Lodestar $name is installed already."
    exit 0
fi
say "Updating $was to $name ..."
check_release "$name" || fail "the configuration is not right for the new version (above); nothing has changed"
back_up_ledger "$was"
running=no
is_running && running=yes
before=$(previous_name)
switch_to "$name"
if [ $start = no ] || [ $running = no ]; then
    say "Lodestar $name is installed and takes over at the next start."
    exit 0
fi
if restart_and_look "$name"; then
    tidy_releases
    say "Lodestar $name runs. rollback.sh goes back to $was."
    exit 0
fi
go_back "$was"
if [ $is_back = no ]; then
    last_words
    fail "$was does not get ready either; the lines above are its last words"
fi
[ -z "$before" ] || run link "releases/$before" "$prefix/previous"
fail "$name did not get ready; $was runs as before. The journal says why: journalctl -u lodestard"
