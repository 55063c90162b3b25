"""``lodestarctl doctor``: by the daemon, or by ``lodestard --doctor`` when it is down."""

from lodestarctl import exit_codes
from lodestarctl.offline import report_offline
from lodestarctl.render.findings import render_doctor
from lodestarctl.session import Session
from lodestard.control.client import DaemonNotRunning
from lodestard.control.messages import DoctorReport


def run(session: Session) -> int:
    try:
        report: DoctorReport | None = session.report("doctor", {}, DoctorReport, render_doctor)
    except DaemonNotRunning:
        report = report_offline(session, ("--doctor",), "doctor", DoctorReport, render_doctor)
    if report is None or any(finding.severity == "error" for finding in report.findings):
        return exit_codes.FAILURE
    return exit_codes.OK
