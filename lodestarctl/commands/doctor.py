"""``lodestarctl doctor``: by the daemon, or by ``lodestard --doctor`` when it is down."""

import os
from pathlib import Path

from lodestarctl import exit_codes, service
from lodestarctl.offline import of_the_machine, report_offline
from lodestarctl.render.findings import render_doctor
from lodestarctl.session import Session
from lodestard.control.client import SYSTEM_SOCKET, DaemonNotRunning, socket_paths
from lodestard.control.messages import DoctorReport


def run(session: Session) -> int:
    report = _ask(session)
    down = report is None
    if down:
        words = (*of_the_machine(session), "--doctor")
        report = report_offline(session, words, "doctor", DoctorReport, render_doctor)
    if not session.output.json and service.is_ours_to_ask(session.args.socket):
        _tell_unit(session, down=down)
    if report is None or any(finding.severity == "error" for finding in report.findings):
        return exit_codes.FAILURE
    return exit_codes.OK


def _ask(session: Session) -> DoctorReport | None:
    """By the daemon; None where it does not answer."""
    if _is_in_vain(session):
        return None
    try:
        return session.report("doctor", {}, DoctorReport, render_doctor)
    except DaemonNotRunning:
        return None


def _is_in_vain(session: Session) -> bool:
    """Systemd's socket takes the question also where the daemon can't start: then nobody would answer for long."""
    if not service.is_ours_to_ask(session.args.socket):
        return False
    others = [path for path in socket_paths(os.environ, os.getuid()) if path != SYSTEM_SOCKET]
    return not any(Path(path).exists() for path in others) and service.fails(service.look())


def _tell_unit(session: Session, *, down: bool) -> None:
    """What systemd knows: of one that is down, why; otherwise what is unusual."""
    shown = service.look()
    lines = service.remarks(shown)
    if down and (why := service.explain(shown)):
        session.output.say(why)
        lines = service.advise(shown, service.last_words())
    for line in lines:
        session.output.say(line)
