"""``lodestarctl gpu [HOST]``."""

from lodestarctl import exit_codes
from lodestarctl.render.gpu import render_gpu
from lodestarctl.session import Session
from lodestarctl.table import group_members
from lodestarctl.usage import UsageError
from lodestard.control.client import ControlError
from lodestard.control.messages import did_you_mean
from lodestard.control.messages.gpu import GpuReport


def run(session: Session) -> int:
    host = session.args.host
    try:
        session.report("gpu", {"host": host} if host else {}, GpuReport, render_gpu)
    except ControlError as error:
        near = did_you_mean(host, group_members("gpu")) if error.refusal.param == "host" else ""
        if near:
            raise UsageError(f"{error.message} Or was the command meant: gpu {near}?") from None
        raise
    return exit_codes.OK
