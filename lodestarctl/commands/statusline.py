"""``lodestarctl statusline``, where more stands before it or ``--json`` with it; otherwise ``__main__`` runs it."""

import msgspec

from lodestarctl import exit_codes
from lodestarctl.session import Session
from lodestarctl.statusline import find_figures, statusline_files, write_line


def run(session: Session) -> int:
    args = session.args
    figures = find_figures(statusline_files(args.socket or ""))
    if session.output.json:
        session.output.envelope("statusline", msgspec.Raw(msgspec.json.encode(figures)))
    else:
        session.output.write(write_line(figures, args.format or "", tmux=args.tmux) + "\n")
    return exit_codes.OK
