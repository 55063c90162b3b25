"""``lodestarctl cache warm``: the file is read here, with the rights of the person who asks."""

from pathlib import Path

from lodestarctl import exit_codes
from lodestarctl.folder import work_folder
from lodestarctl.render.blocks import Tone
from lodestarctl.render.figures import warmed_line
from lodestarctl.session import Session
from lodestarctl.usage import UsageError
from lodestard.control.messages import CacheWarmed

FINE = ("kept", "hit")


def run(session: Session) -> int:
    arguments = {"lines": _read(session, session.args.file), "folder": work_folder()}
    items = session.each("cache.warm", arguments, CacheWarmed, lambda item: _write(session, item))
    return exit_codes.OK if all(item.outcome in FINE for item in items) else exit_codes.FAILURE


def _write(session: Session, item: CacheWarmed) -> None:
    tone: Tone = "good" if item.outcome in FINE else "bad"
    session.output.write(session.output.tint(warmed_line(item), tone) + "\n")


def _read(session: Session, name: str) -> list[str]:
    try:
        text = session.stdin.read() if name == "-" else Path(name).read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"can't read {name}: {getattr(error, 'strerror', None) or 'it is not UTF-8'}") from None
    return text.splitlines()
