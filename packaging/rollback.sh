#!/usr/bin/env bash
# Goes back to the version before the last update.sh; run again, it goes forward again.
#
#   rollback.sh [--with-ledger] [--prefix /opt/lodestard] [--no-start] [--dry-run]
#
# The ledger's schema goes forward only. Where the newer version has changed it, the older one refuses to start on it;
# --with-ledger restores the backup that update.sh made. The newer ledger is set aside, and what was spent since the
# update is then in no sum and no budget.
set -euo pipefail
# shellcheck source=packaging/install-steps.sh
. "$(dirname "$0")/install-steps.sh"

with_ledger=no
while [ $# -gt 0 ]; do
    case $1 in
        --with-ledger) with_ledger=yes taken=1 ;;
        *) read_common "$@" ;;
    esac
    shift "$taken"
done

require_machine
was=$(current_name)
to=$(previous_name)
[ -n "$to" ] && [ -e "$prefix/releases/$to/.complete" ] || fail "there is no version to go back to in $prefix"
check_release "$to" || fail "the configuration is not right for $to (above); nothing has changed"
running=no
is_running && running=yes
waiting=no
systemctl --quiet is-active lodestard.socket && waiting=yes
[ $with_ledger = no ] || restore_ledger "$to"
switch_to "$to"
[ $waiting = no ] || run systemctl start lodestard.socket lodestard-control.socket
if [ $start = no ] || [ $running = no ]; then
    say "Lodestar $to takes over at the next start."
    exit 0
fi
if restart_and_look "$to"; then
    say "Lodestar $to runs; it was $was."
    exit 0
fi
last_words
say "Lodestar $to does not get ready; going back to $was ..."
switch_to "$was"
restart_and_look "$was" || fail "$was does not get ready either: journalctl -u lodestard"
fail "$was runs as before. If the ledger is too new for $to: rollback.sh --with-ledger"
