"""An export of the ledger, made by a process of its own, as chunks of bytes.

Law: the daemon's loop only passes bytes on: rows are read and written by the child, which sees one moment of the file
and can't change it. Whoever leaves takes the child with them. Owner: the caller's scope.
"""

import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Literal

import msgspec
import trio

from lodestard.domain.errors import Code, HouseFault

Format = Literal["csv", "json", "jsonl"]
CHUNK_BYTES = 64 * 1024
LAST_WORDS_BYTES = 2_000


class ExportOptions(msgspec.Struct, frozen=True, kw_only=True):
    """What to export: requests received in [since, until), aligned down to quarters of an hour as reports are.

    ``names``: users, clients, projects and sessions as they are; otherwise salted hashes.
    """

    format: Format = "csv"
    since_ms: int = 0
    until_ms: int | None = None
    names: bool = False


class Chunks:
    """The child's output, to be iterated once. Raises ``HouseFault`` where the child fails, also at the very end."""

    def __init__(self, child: trio.Process) -> None:
        self._child = child

    def __aiter__(self) -> "Chunks":
        return self

    async def __anext__(self) -> bytes:
        stdout, stderr = self._child.stdout, self._child.stderr
        if stdout is None or stderr is None:
            raise HouseFault(Code.INTERNAL, "the export was started without its pipes")
        if chunk := await stdout.receive_some(CHUNK_BYTES):
            return bytes(chunk)
        said = await stderr.receive_some(LAST_WORDS_BYTES)
        if await self._child.wait() != 0:
            last = said.decode(errors="replace").strip().splitlines()[-1:] or ["it said nothing"]
            raise HouseFault(Code.STORE_UNAVAILABLE, f"the export broke off: {last[0]}")
        raise StopAsyncIteration


@asynccontextmanager
async def stream_export(file: Path, options: ExportOptions) -> AsyncIterator[Chunks]:
    """Begin to export the ledger in ``file``; leaving ends it, however far it is.

    ``async with stream_export(file, options) as chunks: async for chunk in chunks: ...``. Raises ``HouseFault``.
    """
    try:
        child = await trio.lowlevel.open_process(
            command_of(file, options), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
    except OSError as error:
        raise HouseFault(Code.INTERNAL, f"the export could not be started: {error.strerror}") from error
    try:
        yield Chunks(child)
    finally:
        with trio.CancelScope(shield=True):
            child.kill()
            await child.wait()
            for pipe in (child.stdout, child.stderr):
                if pipe is not None:
                    await pipe.aclose()


def command_of(file: Path, options: ExportOptions) -> list[str]:
    """The command line that makes this export on its standard output. Pure."""
    command = [sys.executable, "-m", "lodestard.ledger.export", str(file), "--format", options.format]
    command += ["--since-ms", str(options.since_ms)]
    if options.until_ms is not None:
        command += ["--until-ms", str(options.until_ms)]
    return [*command, "--names"] if options.names else command
