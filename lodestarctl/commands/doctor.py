"""``lodestarctl doctor``: by the daemon, or by ``lodestard --doctor`` when it is down."""

from lodestarctl import exit_codes, service
from lodestarctl.offline import of_the_machine, report_offline
from lodestarctl.render.findings import render_doctor
from lodestarctl.session import Session
from lodestard.control.client import DaemonNotRunning
from lodestard.control.messages import DoctorReport


def run(session: Session) -> int:
    try:
        report: DoctorReport | None = session.report("doctor", {}, DoctorReport, render_doctor)
    except DaemonNotRunning:
        report = report_offline(
            session, (*of_the_machine(session), "--doctor"), "doctor", DoctorReport, render_doctor
        )
    if not session.output.json and service.is_ours_to_ask(session.args.socket):
        for line in service.remarks(service.look()):
            session.output.say(line)
    if report is None or any(finding.severity == "error" for finding in report.findings):
        return exit_codes.FAILURE
    return exit_codes.OK
