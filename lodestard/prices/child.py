"""Runs ``lodestard.prices.extract`` in a process of its own.

Law: it gets no key, no environment of ours and no time to spare; what it writes is bounded, read as data, and
believed only where it answers what was asked.
"""

import subprocess
import sys
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path

import msgspec
import trio

import lodestard
from lodestard.prices.book import Asked, PriceList, Wanted
from lodestard.prices.list_file import MAX_BYTES, read_list

COMMAND = (sys.executable, "-P", "-s", "-B", "-m", "lodestard.prices.extract")
MAX_ERROR_BYTES = 64_000
SHOWN_CHARS = 300


class ListFailed(Exception):
    """Why there is no list, for a person."""


def environment() -> Mapping[str, str]:
    """All that the child is told of the world: where our own code is."""
    return {"PYTHONPATH": str(Path(lodestard.__file__).parents[1]), "PYTHONUTF8": "1"}


async def run_extract(wanted: tuple[Wanted, ...], timeout_s: float, command: Sequence[str] = COMMAND) -> PriceList:
    """Ask for ``wanted``. Raises ``ListFailed``. Cancelled, the child is killed."""
    out, err = bytearray(), bytearray()
    code: int | None = None
    unable = ""
    with trio.move_on_after(timeout_s) as patience:
        try:
            code = await _talk(command, msgspec.json.encode(Asked(targets=wanted)), out, err)
        except* OSError as group:
            unable = str(leaf(group))
    if unable:
        raise ListFailed(f"the price list could not be asked: {unable}")
    if patience.cancelled_caught:
        raise ListFailed(f"the price list did not answer within {timeout_s:g} s")
    return _believe(code, bytes(out), bytes(err), wanted)


def leaf(error: BaseException) -> BaseException:
    """The first single exception in a group."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error


async def _talk(command: Sequence[str], text: bytes, out: bytearray, err: bytearray) -> int | None:
    async with trio.open_nursery() as nursery:
        process: trio.Process = await nursery.start(
            partial(
                trio.run_process,
                command,
                stdin=text,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                check=False,
                env=dict(environment()),
                deliver_cancel=_kill,
            )
        )
        assert process.stdout is not None
        assert process.stderr is not None
        nursery.start_soon(_gather, process.stderr, err, MAX_ERROR_BYTES, process)
        await _gather(process.stdout, out, MAX_BYTES, process)
    return process.returncode


async def _gather(stream: trio.abc.ReceiveStream, kept: bytearray, limit: int, process: trio.Process) -> None:
    """Read to the end; one that says too much is stopped."""
    async for data in stream:
        kept += data
        if len(kept) > limit:
            process.kill()
            return


async def _kill(process: trio.Process) -> None:
    process.kill()
    await trio.lowlevel.checkpoint()


def _believe(code: int | None, out: bytes, err: bytes, wanted: tuple[Wanted, ...]) -> PriceList:
    if code != 0:
        last = err.decode(errors="replace").strip().rpartition("\n")[2] or f"it ended with {code}"
        raise ListFailed(f"the price list can't be read: {last[:SHOWN_CHARS]}")
    try:
        listed = read_list(out)
    except ValueError as error:
        raise ListFailed(f"the price list's answer makes no sense: {error}") from None
    if listed.asked != wanted or listed.quotes.keys() != {want.name for want in wanted}:
        raise ListFailed("the price list answered something else than what was asked")
    return listed
