"""``lodestarctl gpu queue [HOST]``."""

from lodestarctl import exit_codes
from lodestarctl.render.gpu import render_queue
from lodestarctl.session import Session
from lodestard.control.messages.gpu import GpuQueue


def run(session: Session) -> int:
    host = session.args.host
    session.report("gpu.queue", {"host": host} if host else {}, GpuQueue, render_queue)
    return exit_codes.OK
