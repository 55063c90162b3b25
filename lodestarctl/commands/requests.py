"""``lodestarctl requests [-f]``."""

from lodestarctl import exit_codes
from lodestarctl.render.requests import render_requests, request_line
from lodestarctl.session import Session
from lodestarctl.usage import UsageError
from lodestard.control.messages import RequestList, RequestRow


def run(session: Session) -> int:
    args = session.args
    if args.lines < 0:
        raise UsageError("-n must not be negative")
    if args.follow:
        session.each("requests.follow", {"last": args.lines}, RequestRow, lambda row: _write(session, row))
        return exit_codes.OK
    session.report("requests", {"last": args.lines}, RequestList, lambda data: render_requests(list(data.requests)))
    return exit_codes.OK


def _write(session: Session, row: RequestRow) -> None:
    head, outcome, tail = request_line(row)
    session.output.write(f"{head}{session.output.tint(outcome.text, outcome.tone)}{tail}\n")
