"""``lodestarctl status``."""

from threading import Timer

from lodestarctl import exit_codes, service
from lodestarctl.render.status import render_status
from lodestarctl.session import Session
from lodestard.control.messages import Status

SILENT_S = 2.0
"""Systemd's sockets take a question also while the daemon can't start; then systemd is asked what is the matter."""


def run(session: Session) -> int:
    silence = Timer(SILENT_S, service.tell_silence, [session.output.say])
    silence.daemon = True
    if service.is_ours_to_ask(session.args.socket):
        silence.start()
    try:
        session.report("status", {}, Status, render_status)
    finally:
        silence.cancel()
    return exit_codes.OK
