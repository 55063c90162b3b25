"""``lodestarctl keys list``."""

from lodestarctl import exit_codes
from lodestarctl.render.keys import render_keys
from lodestarctl.session import Session
from lodestard.control.messages.keys import KeyList


def run(session: Session) -> int:
    session.report("keys.list", {}, KeyList, render_keys)
    return exit_codes.OK
