#!/usr/bin/env bash
# Installs Lodestar as a service of systemd from this checkout or release, for machines without apt.
#
#   install.sh [--prefix /opt/lodestard] [--python python3] [--wheels DIR] [--no-start] [--dry-run]
#   install.sh --uninstall [--purge] [--prefix DIR] [--dry-run]
#
# The wheels are those of packaging/locks, with their hashes. --wheels DIR takes them from a folder and asks no index
# (make wheels fills dist/wheels on another machine). Configuration and data that are there are kept. Run again, it
# changes nothing, or goes on where it was broken off. --uninstall keeps /etc/lodestard and /var/lib/lodestard; with
# --purge they go too. update.sh and rollback.sh change the version later.
set -euo pipefail
# shellcheck source=packaging/install-steps.sh
. "$(dirname "$0")/install-steps.sh"

uninstall=no
purge=no
while [ $# -gt 0 ]; do
    case $1 in
        --uninstall) uninstall=yes taken=1 ;;
        --purge) purge=yes taken=1 ;;
        *) read_common "$@" ;;
    esac
    shift "$taken"
done

remove_everything() {
    run_quietly systemctl disable --now lodestard.socket lodestard-control.socket lodestard.service
    for unit in lodestard.service lodestard.socket lodestard-control.socket; do run rm -f "$units/$unit"; done
    run rm -f /etc/sysusers.d/lodestard.conf /etc/tmpfiles.d/lodestard.conf
    [ "$(readlink /usr/local/bin/lodestarctl || true)" != "$prefix/bin/lodestarctl" ] || run rm -f /usr/local/bin/lodestarctl
    run systemctl daemon-reload
    run rm -rf "$prefix/releases" "$prefix/current" "$prefix/previous" "$prefix/bin"
    [ ! -d "$prefix" ] || run rmdir --ignore-fail-on-non-empty "$prefix"
    if [ $purge = yes ]; then
        run rm -rf /etc/lodestard "$state"
        if getent passwd lodestar >/dev/null; then run userdel lodestar; fi
        if getent group lodestar >/dev/null; then run groupdel lodestar; fi
    fi
    [ $dry = no ] || return 0
    if [ $purge = yes ]; then
        say "Lodestar is removed, with its configuration and data. Keys in /etc/credstore and /etc/credstore.encrypted," \
            "and drop-ins of lodestard.service, are yours to remove."
    else
        say "Lodestar is removed. /etc/lodestard and $state are kept; --purge removes them too."
    fi
}

require_machine
if [ $uninstall = yes ]; then
    remove_everything
    exit 0
fi
[ $purge = no ] || fail "--purge goes with --uninstall"
require_python
build_release
was=$(current_name)
if [ -n "$was" ] && [ "$was" != "$name" ]; then
    fail "$was is installed; update.sh brings it to $name"
fi
switch_to "$name"
run ln -sfn "$prefix/bin/lodestarctl" /usr/local/bin/lodestarctl
check_release "$name" || fail "the configuration is not right for it: $prefix/bin/lodestard --config $config --check"
if [ $start = no ]; then
    say "Lodestar $name is installed. Start it: systemctl enable --now lodestard.socket lodestard-control.socket lodestard"
    exit 0
fi
run systemctl enable --quiet lodestard.socket lodestard-control.socket lodestard.service
if is_running && [ "$was" = "$name" ]; then
    say "Lodestar $name is installed and runs already."
    exit 0
fi
run systemctl start lodestard.socket lodestard-control.socket
if ! restart_and_look "$name"; then
    last_words
    fail "it is installed, but does not get ready; the lines above are its last words"
fi
say "Lodestar $name runs. Next: lodestarctl setup; lodestarctl doctor says what is missing"
