"""What works with the daemon down: the same data, from a ``lodestard`` run for it alone.

Law: nothing of the daemon is imported here; it is a program that is run, and its answer is read like any other.
"""

import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from lodestarctl.render.blocks import Block
from lodestarctl.session import Session
from lodestard.control.client import ControlError, read_data, read_envelope
from lodestard.control.messages import Code, Refusal

T = TypeVar("T")
ENVELOPE = b'{"version":'
PIECE_BYTES = 64 * 1024
SYSTEM_CONFIG = Path("/etc/lodestard/lodestard.toml")

if TYPE_CHECKING:
    import subprocess


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


def each_offline(
    session: Session, words: Sequence[str], verb: str, kind: type[T], write: Callable[[T], object]
) -> list[T]:
    """Run ``lodestard``, whose items go out as they come; all of them, none where it gave no answer (it has said why
    on stderr). Raises ``ControlError`` where it refused.
    """
    import subprocess

    config = ("--config", session.args.config) if session.args.config else ()
    items: list[T] = []
    with subprocess.Popen(  # noqa: S603 - our own program, words without a shell
        [*find_lodestard(), *config, *words], stdout=subprocess.PIPE
    ) as child:
        assert child.stdout is not None
        for line in child.stdout:
            if not line.startswith(ENVELOPE):
                session.output.say(line.decode(errors="replace").rstrip())
                continue
            data = read_envelope(line.strip())
            items.append(read_data(data, kind))
            if session.output.json:
                session.output.envelope(verb, data, indent=0)
            else:
                write(items[-1])
    return items


def of_the_machine(session: Session) -> tuple[str, ...]:
    """The words that have ``lodestard`` judge the machine's configuration: for who named none and has none."""
    home = Path(os.environ.get("XDG_CONFIG_HOME") or Path(os.environ.get("HOME") or "/", ".config"))
    own = home / "lodestard/lodestard.toml"
    if os.geteuid() == 0 or session.args.config or own.exists() or not SYSTEM_CONFIG.exists():
        return ()
    return ("--config", str(SYSTEM_CONFIG))


@contextmanager
def open_export(file: str, form: str, *, names: bool) -> Iterator[Iterator[bytes]]:
    """What is in a ledger's file, in pieces, from a process that ends with the block. Raises ``ControlError``."""
    import subprocess

    command = [*find_python(), "-m", "lodestard.ledger.export", file, "--format", form]
    if names:
        command.append("--names")
    child = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)  # noqa: S603 - our own program
    try:
        yield _read_export(child)
    finally:
        child.kill()
        child.communicate()


def _read_export(child: "subprocess.Popen[bytes]") -> Iterator[bytes]:
    assert child.stdout is not None
    assert child.stderr is not None
    while piece := child.stdout.read(PIECE_BYTES):
        yield piece
    said = child.stderr.read().decode(errors="replace").strip()
    if child.wait():
        raise ControlError(Refusal(code=Code.STORE_UNAVAILABLE.value, message=f"The export broke off: {said}."))


def find_python() -> tuple[str, ...]:
    """What runs a module of the daemon's: this Python, or, where the ctl is one file, the daemon's file beside it."""
    from importlib.util import find_spec

    return (sys.executable,) if find_spec("apsw") else find_lodestard()


def find_lodestard() -> tuple[str, ...]:
    """The ``lodestard`` that was installed with this ``lodestarctl``."""
    for folder in (Path(sys.argv[0]).resolve().parent, Path(sys.executable).parent):
        program = folder / "lodestard"
        if program.is_file():
            return (str(program),)
    return (sys.executable, "-m", "lodestard")
