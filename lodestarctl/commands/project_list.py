"""``lodestarctl project list``."""

from lodestarctl import exit_codes
from lodestarctl.render.projects import render_projects
from lodestarctl.session import Session
from lodestard.control.messages.projects import ProjectList


def run(session: Session) -> int:
    session.report("project.list", {}, ProjectList, render_projects)
    return exit_codes.OK
