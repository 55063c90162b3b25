"""``lodestarctl project show [DIR]``."""

from lodestarctl import exit_codes
from lodestarctl.project.finding import find_project
from lodestarctl.render.projects import render_project
from lodestarctl.session import Session
from lodestard.control.client import ControlError, read_data
from lodestard.control.messages import Code
from lodestard.control.messages.projects import ProjectReport


def run(session: Session) -> int:
    found = find_project(session.args.dir or "")
    seen = {"folder": found.folder, "text": found.text}
    data = session.client.call("project.look", seen)
    report = read_data(data, ProjectReport)
    if report.trusted_ms is not None and not report.watched:
        try:  # the daemon can't see the file itself: it is told, by whoever may
            data = session.client.call("project.see", seen)
        except ControlError as error:
            if error.code != Code.NOT_PERMITTED:
                raise
    shown = session.show("project.look", data, ProjectReport, render_project)
    return exit_codes.FAILURE if shown.faults else exit_codes.OK
