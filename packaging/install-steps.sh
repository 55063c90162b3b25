# shellcheck shell=bash
# shellcheck disable=SC2034
# What install.sh, update.sh and rollback.sh share. It is read by them, not run.
#
#   PREFIX/releases/NAME   a release: a virtual environment of the locked wheels
#   PREFIX/current         the one that runs;  PREFIX/previous: the one before
#   PREFIX/bin             a link to current/bin: what the units and /usr/local/bin/lodestarctl name
#
# A release is complete where .complete is in it; a switch is one rename.
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
prefix=/opt/lodestard
config=/etc/lodestard/lodestard.toml
state=/var/lib/lodestard
units=/etc/systemd/system
python=python3
wheels=
dry=no
start=yes
READY_S=60

say() { printf '%s\n' "$*" >&2; }
fail() {
    say "${0##*/}: $*"
    exit 1
}

run() { # COMMAND...: carried out, or only told
    if [ "$dry" = yes ]; then say "+ $*"; else "$@"; fi
}

run_quietly() { # the same, for what may well fail
    if [ "$dry" = yes ]; then say "+ $*"; else "$@" 2>/dev/null || true; fi
}

usage() { # the script's own head
    sed -n '2,/^set /{/^set /d;s/^# \{0,1\}//;p}' "$0"
}

read_common() { # one option that all know; sets taken to the number of words
    case $1 in
        --prefix) prefix=${2:?--prefix needs a folder} taken=2 ;;
        --wheels) wheels=$(cd "${2:?--wheels needs a folder}" && pwd) taken=2 ;;
        --python) python=${2:?--python needs a program} taken=2 ;;
        --no-start) start=no taken=1 ;;
        --dry-run) dry=yes taken=1 ;;
        -h | --help) usage && exit 0 ;;
        *) say "${0##*/}: unknown option $1 (see --help)" && exit 2 ;;
    esac
}

require_machine() {
    [ "$(id -u)" = 0 ] || [ "$dry" = yes ] || fail "this needs root"
    command -v systemctl >/dev/null || fail "there is no systemd here; make onefile makes a program that needs none"
    case $prefix in /*) ;; *) fail "--prefix needs a path from the root" ;; esac
    if command -v dpkg-query >/dev/null && dpkg-query -W -f '${db:Status-Status}' lodestard 2>/dev/null | grep -q '^installed'; then
        fail "the package lodestard is installed; update it with apt, or remove it first (apt remove keeps all data)"
    fi
    if [ -e "$prefix/bin" ] && [ ! -L "$prefix/bin" ]; then
        fail "$prefix was not made by install.sh. Move it away (mv $prefix $prefix.old): configuration and data are elsewhere"
    fi
}

require_python() {
    command -v "$python" >/dev/null || fail "there is no $python; Debian: apt-get install python3-venv"
    "$python" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 15))' ||
        fail "Lodestar needs Python 3.11 to 3.14; $python is $("$python" --version 2>&1). Name another: --python python3.12"
    "$python" -c 'import ensurepip, venv' 2>/dev/null || fail "Python's venv is missing; Debian: apt-get install python3-venv"
}

require_compiler() { # unless a wheel of systemd-python was brought along
    [ -z "$(prebuilt_systemd)" ] || return 0
    local tool
    for tool in gcc pkg-config; do
        command -v $tool >/dev/null || fail "systemd-python is built here, and $tool is missing; $(apt_line)"
    done
    pkg-config --exists libsystemd || fail "systemd-python is built here, and libsystemd is missing; $(apt_line)"
}

apt_line() { printf 'Debian: apt-get install gcc pkg-config libsystemd-dev python3-dev'; }

prebuilt_systemd() { # the one of the locked version
    [ -n "$wheels" ] || return 0
    local tag locked
    tag=$("$python" -c 'import sys; print("cp%d%d" % sys.version_info[:2])')
    locked=$(sed -n 's/^systemd-python==\([^ ]*\).*/\1/p' "$root/packaging/locks/systemd.txt")
    find "$wheels" -name "systemd_python-$locked-$tag-*.whl" | head -n 1
}

# Builds the release and leaves its name in $name. One that is there is kept.
build_release() {
    work=$(mktemp -d)
    trap 'rm -rf "$work"' EXIT
    source=() # where pip looks
    [ -z "$wheels" ] || source=(--no-index --find-links "$wheels")
    pip=("$work/builder/bin/python" -m pip --disable-pip-version-check --no-input -q)
    locks=$root/packaging/locks
    version=$(sed -n 's/^version = "\(.*\)"/\1/p' "$root/pyproject.toml")
    if [ "$dry" = yes ]; then
        name=$version-NEW
        say "+ build $prefix/releases/$name from $root with $("$python" --version) and the locks of $locks"
        return
    fi
    # A copy, for the checkout may be read-only and belongs to somebody.
    mkdir "$work/source"
    tar -C "$root" --sort=name --mtime=@0 --owner=0 --group=0 --mode=go=rX --exclude=__pycache__ -c pyproject.toml README.md \
        LICENSE config lodestard lodestarctl packaging/scripts packaging/systemd >"$work/source.tar"
    tar -C "$work/source" -x -f "$work/source.tar"
    made_of=("$work/source.tar" "$locks/run.txt" "$locks/build.txt" "$locks/systemd.txt")
    name=$version-$(cat "${made_of[@]}" <("$python" --version) | sha256sum | cut -c1-8)
    release=$prefix/releases/$name
    [ ! -e "$release/.complete" ] || return 0
    require_compiler
    "$python" -m venv "$work/builder"
    "${pip[@]}" install "${source[@]}" --require-hashes --no-deps -r "$locks/build.txt"
    SOURCE_DATE_EPOCH=315532800 "${pip[@]}" wheel --no-deps --no-build-isolation --wheel-dir "$work/ours" "$work/source"
    rm -rf "$release"
    mkdir -p "$prefix/releases"
    "$python" -m venv --without-pip "$release"
    into=(--python "$release/bin/python" install --no-deps)
    "${pip[@]}" "${into[@]}" "${source[@]}" --only-binary :all: --require-hashes -r "$locks/run.txt"
    built=$(prebuilt_systemd)
    if [ -z "$built" ]; then
        "${pip[@]}" wheel "${source[@]}" --require-hashes --no-deps --no-build-isolation --wheel-dir "$work/systemd" -r "$locks/systemd.txt"
        built=$(find "$work/systemd" -name 'systemd_python-*.whl')
    fi
    "${pip[@]}" "${into[@]}" --no-index "$built" "$work"/ours/*.whl
    mkdir "$release/units"
    cp -r "$root/packaging/systemd/." "$release/units"
    cp "$root/config/lodestard.toml" "$release/lodestard.toml"
    chmod -R go+rX "$prefix/releases" && chmod 755 "$prefix"
    : >"$release/.complete"
}

current_name() { basename "$(readlink "$prefix/current" 2>/dev/null || true)"; }
previous_name() { basename "$(readlink "$prefix/previous" 2>/dev/null || true)"; }

link() { # TARGET LINK: at once
    ln -sfn "$1" "$2.new" && mv -T "$2.new" "$2"
}

switch_to() { # NAME
    local left
    left=$(current_name)
    if [ -n "$left" ] && [ "$left" != "$1" ]; then run link "releases/$left" "$prefix/previous"; fi
    run link "releases/$1" "$prefix/current"
    run link current/bin "$prefix/bin"
    install_units "$1"
}

# The units and users are the release's own, so that a way back takes them back too.
install_units() { # NAME
    local from=$prefix/releases/$1/units unit
    if [ "$dry" = yes ]; then say "+ install the units, users and folders of $1 into $units" && return; fi
    for unit in "$from"/*.service "$from"/*.socket "$from"/*.timer; do
        [ -e "$unit" ] || continue
        sed "s#/opt/lodestard/#$prefix/#g" "$unit" >"$units/.$(basename "$unit").new"
        mv "$units/.$(basename "$unit").new" "$units/$(basename "$unit")"
    done
    install -D -m 644 "$from/sysusers.d/lodestard.conf" /etc/sysusers.d/lodestard.conf
    install -D -m 644 "$from/tmpfiles.d/lodestard.conf" /etc/tmpfiles.d/lodestard.conf
    systemd-sysusers /etc/sysusers.d/lodestard.conf
    systemd-tmpfiles --create /etc/tmpfiles.d/lodestard.conf
    [ -e "$config" ] || install -D -m 644 "$prefix/releases/$1/lodestard.toml" "$config"
    systemctl daemon-reload
}

check_release() { # NAME: whether it would start with the configuration that is there
    [ -e "$config" ] || return 0
    run runuser -u lodestar -- "$prefix/releases/$1/bin/lodestard" --config "$config" --check >/dev/null
}

is_running() { systemctl --quiet is-active lodestard.service; }

# Restarts and waits for an answer. Clients wait in systemd's sockets meanwhile.
restart_and_look() { # NAME
    run_quietly systemctl reset-failed lodestard.service
    run systemctl restart lodestard.service || return 1
    [ "$dry" = no ] || return 0
    local wanted=${1%-*} deadline
    deadline=$((SECONDS + READY_S))
    while [ $SECONDS -lt $deadline ]; do
        case $(version_and_state) in "$wanted ready" | "$wanted degraded") return 0 ;; esac
        systemctl --quiet is-failed lodestard.service && return 1
        sleep 0.2
    done
    return 1
}

version_and_state() { # of the daemon that answers
    "$prefix/bin/lodestarctl" status --json 2>/dev/null | "$prefix/bin/python3" -c '
import json, sys
status = json.loads(sys.stdin.read() or "{}").get("data") or {}
print(status.get("version"), status.get("state"))
'
}

last_words() { journalctl -u lodestard --no-pager --lines=15 --output=cat >&2 || true; }

# A backup of the ledger before another release may change its schema. Its id stands in the release that is left.
back_up_ledger() { # NAME that is left
    local said
    say "Backing the ledger up ..."
    if [ "$dry" = yes ]; then say "+ $prefix/releases/$1/bin/lodestard --backup now" && return; fi
    if ! said=$("$prefix/releases/$1/bin/lodestard" --config "$config" --backup now); then
        case $said in *"no ledger yet"*) return 0 ;; esac
        say "$said"
        fail "the ledger could not be backed up (above); nothing has changed"
    fi
    printf '%s' "$said" | "$prefix/releases/$1/bin/python3" -c '
import json, sys
print(json.load(sys.stdin)["data"]["made"]["backup"]["id"])
' >"$prefix/releases/$1/backup"
}

# The ledger that NAME left behind comes back; the newer one is set aside, with all that was spent since. The sockets
# stop too, for a client that waits there would start the daemon in the midst of it.
restore_ledger() { # NAME
    local release=$prefix/releases/$1
    [ -s "$release/backup" ] || fail "$1 has left no backup; lodestarctl backup list shows all"
    run systemctl stop lodestard.socket lodestard-control.socket lodestard.service || fail "lodestard can't be stopped"
    run "$release/bin/lodestarctl" --config "$config" backup restore "$(cat "$release/backup")" --yes >&2 ||
        fail "the ledger is as it was, and lodestard is stopped. lodestarctl backup list shows what else there is"
}

# The current release and the one before stay; older ones go.
tidy_releases() {
    for folder in "$prefix"/releases/*; do
        case $(basename "$folder") in
            "$(current_name)" | "$(previous_name)") ;;
            *) run rm -rf "$folder" ;;
        esac
    done
}
