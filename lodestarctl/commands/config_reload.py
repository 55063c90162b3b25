"""``lodestarctl config reload``."""

from lodestarctl import exit_codes
from lodestarctl.render.findings import render_reload
from lodestarctl.session import Session
from lodestard.control.messages import ReloadReport


def run(session: Session) -> int:
    report = session.report("config.reload", {}, ReloadReport, render_reload)
    return exit_codes.OK if report.ok else exit_codes.FAILURE
