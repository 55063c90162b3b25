"""``lodestarctl project untrust [DIR]``."""

from lodestarctl import exit_codes
from lodestarctl.project.finding import find_folder
from lodestarctl.render.projects import render_untrusted
from lodestarctl.session import Session
from lodestard.control.messages.projects import Untrusted


def run(session: Session) -> int:
    told = session.report(
        "project.untrust", {"folder": find_folder(session.args.dir or "")}, Untrusted, render_untrusted
    )
    return exit_codes.OK if told.was else exit_codes.FAILURE
