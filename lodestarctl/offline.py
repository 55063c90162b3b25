"""What works with the daemon down: the same data, from a ``lodestard`` run for it alone.

Law: nothing of the daemon is imported here; it is a program that is run, and its answer is read like any other.
"""

import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

from lodestarctl.render.blocks import Block
from lodestarctl.session import Session
from lodestard.control.client import ControlError, read_envelope

T = TypeVar("T")
ENVELOPE = b'{"version":'


def report_offline(
    session: Session, words: Sequence[str], verb: str, kind: type[T], render: Callable[[T], Sequence[Block]]
) -> T | None:
    """Run ``lodestard`` and show what it found; None where it gave no answer (it has said why on stderr).

    Raises ``ControlError`` where it refused.
    """
    import subprocess

    config = ("--config", session.args.config) if session.args.config else ()
    done = subprocess.run(  # noqa: S603 - our own program, words without a shell
        [*find_lodestard(), *config, *words, "--json"], stdout=subprocess.PIPE, check=False
    )
    try:
        data = read_envelope(done.stdout.strip())
    except ControlError as error:
        if done.stdout.startswith(ENVELOPE):
            raise
        session.output.say(done.stdout.decode(errors="replace").strip() or str(error))
        return None
    return session.show(verb, data, kind, render)


def find_lodestard() -> tuple[str, ...]:
    """The ``lodestard`` that was installed with this ``lodestarctl``."""
    for folder in (Path(sys.argv[0]).resolve().parent, Path(sys.executable).parent):
        program = folder / "lodestard"
        if program.is_file():
            return (str(program),)
    return (sys.executable, "-m", "lodestard")
