"""``lodestarctl backup restore ID|FILE``: with the daemon stopped.

Law: what will happen is shown before anything does; nothing is put in place until a person, or ``--yes``, says so.
The work is done by a ``lodestard`` that is run for it alone: it tells its plan, and waits for a line.
"""

from typing import TYPE_CHECKING

import msgspec

from lodestarctl import exit_codes
from lodestarctl.offline import find_lodestard
from lodestarctl.render.backup import render_plan, render_restored
from lodestarctl.session import Session
from lodestarctl.usage import UsageError
from lodestard.control.client import read_data, read_envelope
from lodestard.control.messages.backup import RestoreItem

if TYPE_CHECKING:
    from subprocess import Popen

VERB = "backup.restore"
AGREED = b"yes\n"


def run(session: Session) -> int:
    import subprocess

    resumes = not session.args.backup  # which asks nothing
    if not (resumes or session.args.yes or session.stdin.isatty()):
        raise UsageError("a restore asks before it changes anything; say --yes to have it done")
    child = subprocess.Popen(_command(session), stdin=subprocess.PIPE, stdout=subprocess.PIPE)  # noqa: S603  our own
    try:
        return _talk(session, child)
    finally:
        child.communicate()  # without an agreement it changes nothing and ends


def _talk(session: Session, child: "Popen[bytes]") -> int:
    assert child.stdin is not None
    item = _next_item(session, child)
    if item is None:
        return exit_codes.FAILURE
    if item.plan is not None:
        if not session.output.json:
            session.output.show(render_plan(item.plan))
        if not _agreed(session):
            session.output.say("Nothing was changed.")
            return exit_codes.FAILURE
        child.stdin.write(AGREED)
        child.stdin.flush()
        item = _next_item(session, child)
    if item is None or item.restored is None:
        return exit_codes.FAILURE
    if not session.output.json:
        session.output.show(render_restored(item.restored, elsewhere=bool(session.args.to)))
    return exit_codes.OK


def _next_item(session: Session, child: "Popen[bytes]") -> RestoreItem | None:
    """What it tells next. Raises ``ControlError`` where it refused; None where it ended without a word."""
    assert child.stdout is not None
    line = child.stdout.readline()
    if not line:
        return None
    data: msgspec.Raw = read_envelope(line.strip())
    if session.output.json:
        session.output.envelope(VERB, data, indent=0)
    return read_data(data, RestoreItem)


def _agreed(session: Session) -> bool:
    if session.args.yes:
        return True
    session.output.stderr.write("Put it in place? [y/N] ")
    session.output.stderr.flush()
    return session.stdin.readline().strip().lower() in ("y", "yes")


def _command(session: Session) -> list[str]:
    args = session.args
    config = ("--config", args.config) if args.config else ()
    words = ["restore", *([args.backup] if args.backup else [])]
    words += ["--to", args.to] if args.to else []
    words += ["--keep-spent"] if args.keep_spent else []
    return [*find_lodestard(), *config, "--backup", *words]
