"""``lodestarctl costs report``: one month as a document."""

from lodestarctl import exit_codes
from lodestarctl.saving import open_whole
from lodestarctl.session import Session
from lodestarctl.usage import UsageError
from lodestard.control.client import read_data
from lodestard.control.messages.reports import MonthReport


def run(session: Session) -> int:
    args = session.args
    if args.top < 0:
        raise UsageError("--top must not be negative")
    data = session.client.call("costs.report", {"month": args.month, "top": args.top})
    if args.json:
        session.output.envelope("costs.report", data)
        return exit_codes.OK
    text = _write(read_data(data, MonthReport), args.format or _format_of(args.output))
    if not args.output or args.output == "-":
        session.output.write(text)
        return exit_codes.OK
    with open_whole(args.output, replace=True) as file:
        file.write(text.encode())
    session.output.say(f"Written to {args.output}.")
    return exit_codes.OK


def _format_of(name: str | None) -> str:
    return "html" if (name or "").lower().endswith((".html", ".htm")) else "markdown"


def _write(report: MonthReport, form: str) -> str:
    """Only the renderer that is needed is imported."""
    if form == "html":
        from lodestarctl.render.report_html import write_html

        return write_html(report)
    from lodestarctl.render.report_markdown import write_markdown

    return write_markdown(report)
