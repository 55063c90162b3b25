"""``lodestarctl config set KEY VALUE`` and ``config unset KEY``."""

from lodestarctl import exit_codes
from lodestarctl.render.findings import render_reload
from lodestarctl.session import Session
from lodestard.control.messages import ReloadReport


def run(session: Session) -> int:
    key, value = session.args.key, getattr(session.args, "value", None)
    verb, arguments = (
        ("config.unset", {"key": key}) if value is None else ("config.set", {"key": key, "value": value})
    )
    report = session.report(verb, arguments, ReloadReport, render_reload)
    return exit_codes.OK if report.ok else exit_codes.FAILURE
