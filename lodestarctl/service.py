"""What systemd knows of the daemon, where it runs it: why it does not answer, and what a person should know.

Law: looked at only where the daemon is silent or ``doctor`` asks, for it costs a process; what can't be found out is
left out, and never an error. (Source: systemctl(1), ``show``; systemd.exec(5), "process exit codes".)
"""

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

UNIT = "lodestard.service"
BOOTED = Path("/run/systemd/system")
ASKED = (
    *("LoadState", "ActiveState", "SubState", "Result", "ExecMainCode", "ExecMainStatus", "NRestarts"),
    *("UnitFileState", "DropInPaths", "NeedDaemonReload"),
)
PORT = "Port"
"""Beside systemd's own properties: why the port can't be opened."""
PATIENCE_S = 5.0
LAST_LINES = 20
OWN_DROP_IN = "/50-lodestarctl-setup.conf"
PORT_UNIT = "lodestard.socket"
PORT_REFUSED = "Failed to create listening socket "
STATUSES = {
    "78": "the configuration is wrong, or a package is missing",
    "203": "its program is not there",
    "217": "its user is not there",
    "226": "its folders can't be set up",
    "243": "one of its keys can't be read or decrypted",
}
RESULTS = {
    "core-dump": "it crashed",
    "oom-kill": "the machine's memory ran out",
    "protocol": "it did not report that it was ready",
    "resources": "systemd could not give it what its unit asks for",
    "start-limit-hit": "it was started too often in a row",
    "timeout": "it took too long to start or to stop",
    "watchdog": "it was frozen, and systemd killed it",
}

Shown = Mapping[str, str]
Run = Callable[[Sequence[str]], str]


def run_quietly(words: Sequence[str]) -> str:
    """A command's standard output; empty where it can't be run."""
    import subprocess  # which most commands never need

    try:
        done = subprocess.run(  # noqa: S603 - words without a shell
            words, capture_output=True, text=True, errors="replace", timeout=PATIENCE_S, check=False
        )
    except (OSError, subprocess.SubprocessError):
        return ""
    return done.stdout


def look(run: Run = run_quietly, booted: Path = BOOTED) -> Shown:
    """What systemd shows of the unit; empty where there is no systemd, or it knows no such unit."""
    if not booted.is_dir():
        return {}
    lines = run(["systemctl", "show", f"--property={','.join(ASKED)}", UNIT]).splitlines()
    shown = dict(line.split("=", 1) for line in lines if "=" in line)
    if shown.get("ActiveState") == "inactive":  # where it never got as far as a failure of its own
        shown[PORT] = _look_at_port(run)
    return shown if shown.get("LoadState") in ("loaded", "masked") else {}


def _look_at_port(run: Run) -> str:
    """What keeps systemd from opening the port; empty where nothing does."""
    if run(["systemctl", "is-failed", PORT_UNIT]).strip() != "failed":
        return ""
    words = ("--quiet", "--no-pager", "--output=cat", "--lines=1", f"--grep={PORT_REFUSED}")
    said = run(["journalctl", f"--unit={PORT_UNIT}", *words]).strip()
    return said.partition(PORT_REFUSED)[2] or "systemd can't open it"


def explain(shown: Shown) -> str:
    """Why it does not answer, in a sentence; empty where systemd does not know either. Pure."""
    match shown.get("ActiveState"), shown.get("SubState"):
        case ("activating", "auto-restart"):
            return f"It fails to start, and systemd tries again ({_times(shown)} so far): {reason(shown)}."
        case ("activating", _):
            return "It is starting."
        case ("deactivating", _):
            return "It is stopping."
        case ("failed", _):
            return f"{UNIT} has failed: {reason(shown)}."
        case ("inactive", _) if shown.get(PORT):
            return f"{UNIT} can't start, for its port can't be opened: {shown[PORT]}."
        case ("inactive", _):
            return f"{UNIT} is stopped."
    return ""


def _times(shown: Shown) -> str:
    tries = shown["NRestarts"]
    return "once" if tries == "1" else f"{tries} times"


def fails(shown: Shown) -> bool:
    """Whether it makes no sense to wait for its answer, though its socket takes the question. Pure."""
    return shown.get("ActiveState") == "failed" or shown.get("SubState") == "auto-restart"


def reason(shown: Shown) -> str:
    """What ended it. Pure."""
    result, status = shown.get("Result", ""), shown.get("ExecMainStatus", "")
    if result == "exit-code":
        return STATUSES.get(status, f"it ended with status {status}")
    if result == "signal":
        return f"it was killed by signal {status}"
    return RESULTS.get(result, result or "the reason is unknown")


def last_words(run: Run = run_quietly) -> str:
    """The last line that it wrote itself; empty where the journal has none, or not for us."""
    fields = ("--output=json", "--output-fields=MESSAGE,SYSLOG_IDENTIFIER")
    lines = run(["journalctl", "--quiet", "--no-pager", f"--unit={UNIT}", f"--lines={LAST_LINES}", *fields])
    return find_last_words(lines.splitlines())


def find_last_words(lines: Sequence[str]) -> str:
    """The newest message of the daemon's own among the journal's records. Pure."""
    import msgspec

    for line in reversed(lines):
        try:
            record = msgspec.json.decode(line, type=dict[str, object])
        except msgspec.DecodeError:
            continue
        message = record.get("MESSAGE")
        if record.get("SYSLOG_IDENTIFIER") == "lodestard" and isinstance(message, str):
            return message
    return ""


def advise(shown: Shown, words: str = "") -> Iterator[str]:
    """What to do about one that does not answer, a line each. Pure."""
    if not shown:
        yield "Start it with: lodestard, or lodestard --config FILE. lodestarctl setup makes a configuration."
        return
    if words and shown["ActiveState"] in ("failed", "activating"):
        yield f"Its last words: {words}"
    if shown["ActiveState"] != "inactive":
        yield f"More: journalctl -u lodestard -n {LAST_LINES}"
    if shown.get(PORT):
        yield "Who has it: ss -ltnp. Stop that, or listen elsewhere: systemctl edit lodestard.socket"
        yield f"Then: systemctl reset-failed {PORT_UNIT}"
    if shown["ActiveState"] in ("failed", "inactive") and shown.get("LoadState") != "masked":
        yield "Start it with: systemctl start lodestard"
    yield from remarks(shown)


def remarks(shown: Shown) -> Iterator[str]:
    """What a person should know of the unit, whether or not the daemon answers. Pure."""
    if shown.get("UnitFileState") == "disabled":
        yield "It does not start with the machine: systemctl enable lodestard"
    if shown.get("UnitFileState", "").startswith("masked"):
        yield "It can't be started, for it is masked: systemctl unmask lodestard"
    if shown.get("NeedDaemonReload") == "yes":
        yield "Its unit has changed since systemd read it: systemctl daemon-reload"
    if paths := [path for path in shown.get("DropInPaths", "").split() if not path.endswith(OWN_DROP_IN)]:
        yield f"Its unit is changed by {', '.join(paths)} (systemctl cat lodestard)"


def tell_silence(say: Callable[[str], object]) -> None:
    """Somebody waits in the socket and nobody answers: say why, where systemd knows."""
    shown = look()
    if why := explain(shown):
        say(f"lodestard does not answer yet. {why}")
        for line in advise(shown, last_words()):
            say(line)
        say("Waiting for it; Ctrl-C stops.")


def is_ours_to_ask(socket: str | None) -> bool:
    """Whether the command means the system's daemon: nobody has named another one's socket."""
    return not (socket or os.environ.get("LODESTAR_SOCKET"))
