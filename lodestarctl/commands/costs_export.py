"""``lodestarctl costs export``: every request as a row, to a file that is there whole or not at all.

Law: data by its nature: what is written is what the daemon sent, piece by piece, and nothing looks into it.
"""

import time
from collections.abc import Iterator

from lodestarctl import exit_codes
from lodestarctl.output import Output
from lodestarctl.render.words import size
from lodestarctl.saving import open_whole
from lodestarctl.session import Session
from lodestarctl.usage import UsageError
from lodestard.control.client import read_data
from lodestard.control.messages.reports import ExportPiece

PROGRESS_S = 0.2
CLEAR_LINE = "\r\x1b[K"


def run(session: Session) -> int:
    args = session.args
    if args.csv + args.jsonl + args.json > 1:
        raise UsageError("one of --csv, --json and --jsonl")
    form = "json" if args.json else "jsonl" if args.jsonl else "csv"
    arguments = {"format": form, "since": args.since, "until": args.until, "names": args.names}
    name = args.output or (f"lodestar-costs.{form}" if session.output.terminal else "-")
    texts = (read_data(data, ExportPiece).text for data in session.client.stream("costs.export", arguments))
    if name == "-":
        for text in texts:
            session.output.write(text)
        return exit_codes.OK
    with open_whole(name, replace=bool(args.output)) as file:
        written = 0
        for piece in _told((text.encode() for text in texts), name, session.output):
            written += file.write(piece)
    session.output.say(f"{size(written)} written to {name}.")
    return exit_codes.OK


def _told(pieces: Iterator[bytes], name: str, output: Output) -> Iterator[bytes]:
    """The same pieces; how much they are so far is said to a person who waits."""
    if not output.stderr.isatty():
        yield from pieces
        return
    so_far, next_s = 0, 0.0
    try:
        for piece in pieces:
            yield piece
            so_far += len(piece)
            if (now_s := time.monotonic()) >= next_s:
                output.stderr.write(f"{CLEAR_LINE}{name}: {size(so_far)}")
                output.stderr.flush()
                next_s = now_s + PROGRESS_S
    finally:
        output.stderr.write(CLEAR_LINE)
        output.stderr.flush()
