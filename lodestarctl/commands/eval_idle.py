"""``lodestarctl eval idle [status|report|on|off]``: learning in idle time."""

import msgspec

from lodestarctl import exit_codes
from lodestarctl.render.eval_idle import render_eval_report, render_eval_status
from lodestarctl.render.findings import render_reload
from lodestarctl.session import Session
from lodestard.control.client import ControlError, read_data
from lodestard.control.messages import ReloadReport
from lodestard.control.messages.eval_idle import EvalIdleStatus, EvalReport

STATUS = "eval.idle.status"
ENABLED = "modules.eval_idle.enabled"
SWITCH = {"on": "true", "off": "false"}


def run(session: Session) -> int:
    what = session.args.what
    if what in SWITCH:
        return _switch(session, SWITCH[what])
    if what == "report":
        session.report("eval.idle.report", {}, EvalReport, render_eval_report)
    else:
        session.show(STATUS, _status(session), EvalIdleStatus, render_eval_status)
    return exit_codes.OK


def _switch(session: Session, value: str) -> int:
    """Set it as ``config set`` does, and say what else it takes."""
    report = session.report("config.set", {"key": ENABLED, "value": value}, ReloadReport, render_reload)
    if not session.output.json:
        session.output.show(render_eval_status(read_data(_status(session), EvalIdleStatus)))
    return exit_codes.OK if report.ok else exit_codes.FAILURE


def _status(session: Session) -> msgspec.Raw:
    """A module that is off has no verb: that is its status."""
    try:
        return session.client.call(STATUS, {})
    except ControlError as error:
        if error.refusal.param != "verb":
            raise
        return msgspec.Raw(msgspec.json.encode(EvalIdleStatus(enabled=False)))
