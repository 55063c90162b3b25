"""``lodestarctl route backtest --config FILE``: another policy over past requests.

Law: the file is read here, as whoever asks; the daemon gets its text.
"""

import msgspec

from lodestarctl import exit_codes
from lodestarctl.progress import Progress
from lodestarctl.question import read_file
from lodestarctl.render.backtest import progress_line, render_backtest
from lodestarctl.render.findings import render_config_report
from lodestarctl.session import Session
from lodestarctl.usage import UsageError
from lodestard.control.client import ControlError, read_data
from lodestard.control.messages import Code, ConfigReport, Refusal
from lodestard.control.messages.advice import BacktestItem, BacktestReport

VERB = "route.backtest"


def run(session: Session) -> int:
    args = session.args
    if not args.config:
        raise UsageError("which policy? lodestarctl route backtest --config FILE")
    arguments = {"config": read_file(args.config), "name": args.config, "since": args.since}
    if args.until:
        arguments["until"] = args.until
    last = _follow(session, arguments)
    if last.faults:
        faults = ConfigReport(ok=False, faults=last.faults)
        session.show(VERB, msgspec.Raw(msgspec.json.encode(faults)), ConfigReport, render_config_report)
        return exit_codes.FAILURE
    if last.report is None:
        raise ControlError(Refusal(code=Code.INTERNAL.value, message="The backtest ended without a report."))
    session.show(VERB, msgspec.Raw(msgspec.json.encode(last.report)), BacktestReport, render_backtest)
    return exit_codes.OK


def _follow(session: Session, arguments: dict[str, str]) -> BacktestItem:
    """The last item; how far it is, is said meanwhile."""
    progress, last = Progress(session.output), BacktestItem()
    try:
        for data in session.client.stream(VERB, arguments):
            last = read_data(data, BacktestItem)
            if last.report is None and last.done:
                progress.tell(progress_line(last), "backtest")
    finally:
        progress.end()
    return last
