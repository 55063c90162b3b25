"""``lodestarctl costs export [FILE]``: every request as a row, to a file that is there whole or not at all.

Law: data by its nature: what is written is what was sent, piece by piece, and nothing looks into it.
"""

import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext

from lodestarctl import exit_codes
from lodestarctl.offline import open_export
from lodestarctl.output import Output
from lodestarctl.render.words import clean, size
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
    if args.file and (args.since or args.until):
        raise UsageError("a file is exported whole: --since and --until are for the daemon's ledger")
    form = "json" if args.json else "jsonl" if args.jsonl else "csv"
    name = args.output or (f"lodestar-costs.{form}" if session.output.terminal else "-")
    with _open_pieces(session, form) as pieces:
        if name == "-":
            _write_out(pieces, session.output)
            return exit_codes.OK
        written = 0
        with open_whole(name, replace=bool(args.output)) as file:
            for piece in _told(pieces, name, session.output):
                written += file.write(piece)
    session.output.say(f"{size(written)} written to {name}.")
    return exit_codes.OK


def _open_pieces(session: Session, form: str) -> AbstractContextManager[Iterator[bytes]]:
    """The daemon's ledger, or the file that is named."""
    args = session.args
    if args.file:
        return open_export(args.file, form, names=args.names)
    arguments = {"format": form, "since": args.since, "until": args.until, "names": args.names}
    items = session.client.stream("costs.export", arguments)
    return nullcontext(read_data(data, ExportPiece).text.encode() for data in items)


def _write_out(pieces: Iterator[bytes], output: Output) -> None:
    """As it is for a program; for a terminal without what could drive it."""
    for piece in pieces:
        if output.terminal:
            output.write(clean(piece.decode(errors="replace"), keep="\r\n\t"))
        else:
            output.write_data(piece)


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
