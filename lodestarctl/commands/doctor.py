"""``lodestarctl doctor``: by the daemon, or by ``lodestard --doctor`` when it is down."""

from lodestarctl import exit_codes, service
from lodestarctl.offline import of_the_machine, report_offline
from lodestarctl.render.findings import render_doctor
from lodestarctl.session import Session
from lodestard.control.client import DaemonNotRunning
from lodestard.control.messages import DoctorReport


def run(session: Session) -> int:
    down = False
    try:
        report: DoctorReport | None = session.report("doctor", {}, DoctorReport, render_doctor)
    except DaemonNotRunning:
        down = True
        report = report_offline(
            session, (*of_the_machine(session), "--doctor"), "doctor", DoctorReport, render_doctor
        )
    if not session.output.json and service.is_ours_to_ask(session.args.socket):
        _tell_unit(session, down=down)
    if report is None or any(finding.severity == "error" for finding in report.findings):
        return exit_codes.FAILURE
    return exit_codes.OK


def _tell_unit(session: Session, *, down: bool) -> None:
    """What systemd knows: of one that is down, why; otherwise what is unusual."""
    shown = service.look()
    lines = service.remarks(shown)
    if down and (why := service.explain(shown)):
        session.output.say(why)
        lines = service.advise(shown, service.last_words())
    for line in lines:
        session.output.say(line)
