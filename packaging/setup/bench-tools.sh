#!/usr/bin/env bash
# Debian's packages for `make bench`: loaders, nginx and a C compiler; as root, where they are missing. What can't be
# had is said, and the comparison leaves out what needs it.
set -euo pipefail

here=$(dirname "$0")
policy=/usr/sbin/policy-rc.d
# Debian starts a web server on port 80 as soon as it is installed, and again at each boot: the comparison runs its
# own nginx on a port of its own, so this one stays off.
quiet=no
if [ "$(id -u)" = 0 ] && ! command -v nginx >/dev/null && [ ! -e "$policy" ]; then
    quiet=yes
    trap 'rm -f "$policy"' EXIT
    printf '#!/bin/sh\nexit 101\n' >"$policy"
    chmod 755 "$policy"
fi
bash "$here/need.sh" --optional gcc=gcc /usr/include/stdio.h=libc6-dev wrk=wrk h2load=nghttp2-client \
    /usr/sbin/nginx=nginx node=nodejs npm=npm
if [ "$quiet" = yes ] && command -v nginx >/dev/null && [ -d /run/systemd/system ]; then
    systemctl --quiet disable nginx || echo "nginx will start at the next boot: systemctl disable nginx" >&2
fi
