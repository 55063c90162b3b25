"""``lodestarctl config check``: by the daemon, or by ``lodestard --check`` for a file or when it is down."""

from lodestarctl import exit_codes
from lodestarctl.offline import of_the_machine, report_offline
from lodestarctl.render.findings import render_config_report
from lodestarctl.session import Session
from lodestard.control.client import DaemonNotRunning
from lodestard.control.messages import ConfigReport


def run(session: Session) -> int:
    report = _check(session)
    return exit_codes.OK if report is not None and report.ok else exit_codes.FAILURE


def _check(session: Session) -> ConfigReport | None:
    if not session.args.config:
        try:
            return session.report("config.check", {}, ConfigReport, render_config_report)
        except DaemonNotRunning:
            session.output.say("lodestard is not running; checking without it.")
    return report_offline(
        session, (*of_the_machine(session), "--check"), "config.check", ConfigReport, render_config_report
    )
