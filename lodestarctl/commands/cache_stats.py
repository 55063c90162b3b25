"""``lodestarctl cache stats``."""

from lodestarctl import exit_codes
from lodestarctl.render.figures import render_cache
from lodestarctl.session import Session
from lodestard.control.messages import CacheReport


def run(session: Session) -> int:
    session.report("cache.stats", {}, CacheReport, render_cache)
    return exit_codes.OK
