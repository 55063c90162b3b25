"""``lodestarctl version``."""

from lodestarctl import exit_codes
from lodestarctl.render.status import render_version
from lodestarctl.session import Session
from lodestard import __version__
from lodestard.control.messages import VersionReport


def run(session: Session) -> int:
    session.report("version", {}, VersionReport, lambda report: render_version(report, __version__))
    return exit_codes.OK
