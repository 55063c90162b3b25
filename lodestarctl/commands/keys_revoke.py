"""``lodestarctl keys revoke NAME``: asks a person, and does it."""

from lodestarctl import exit_codes
from lodestarctl.render.keys import render_revoked
from lodestarctl.session import Session
from lodestarctl.usage import UsageError
from lodestard.control.messages.keys import KeyRevoked


def run(session: Session) -> int:
    name = session.args.name
    if not _agreed(session, name):
        return exit_codes.OK
    revoked = session.report("keys.revoke", {"name": name}, KeyRevoked, render_revoked)
    return exit_codes.OK if revoked.report.ok else exit_codes.FAILURE


def _agreed(session: Session, name: str) -> bool:
    if session.args.yes:
        return True
    if not session.stdin.isatty():
        raise UsageError(f"say --yes to revoke the key of {name}")
    session.output.stderr.write(f"Revoke the key of {name}? Whoever uses it is refused from now on. [y/N] ")
    session.output.stderr.flush()
    return session.stdin.readline().strip().lower() in ("y", "yes")
