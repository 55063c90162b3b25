"""Looks whether trusted files are still what was trusted, where the daemon can see them.

Law: a file is read to be compared, never to be followed. Where the daemon is not let see a folder (a service has no
way into people's homes) what was trusted stands until lodestarctl, which can, says otherwise.
"""

from collections.abc import Awaitable, Callable
from pathlib import Path

import trio

from lodestard.domain.project import FILE, MOST_BYTES, Standing, digest_of
from lodestard.projects.trust import Projects

EVERY_S = 5.0

Read = Callable[[Path], Awaitable[bytes | None]]
"""A file's bytes, or None where it is not there. Raises ``OSError`` where nobody can tell."""


async def read_in_thread(path: Path) -> bytes | None:
    return await trio.to_thread.run_sync(read_file, path, abandon_on_cancel=True)


def read_file(path: Path) -> bytes | None:
    """At most a byte more than a project's file may have. Blocks."""
    try:
        with path.open("rb") as file:
            return file.read(MOST_BYTES + 1)
    except FileNotFoundError:
        return None


async def look_at(folder: str, sha256: str, read: Read) -> Standing | None:
    """How the file in ``folder`` stands to what was trusted; None where that can't be seen."""
    try:
        data = await read(Path(folder) / FILE)
    except OSError:
        return None
    if data is None:
        return "gone"
    return "trusted" if digest_of(data.decode(errors="replace")) == sha256 else "changed"


async def can_watch(folder: str, sha256: str, read: Read = read_in_thread) -> bool:
    """Whether the daemon sees just the file that is about to be trusted."""
    return await look_at(folder, sha256, read) == "trusted"


async def run_watch(projects: Projects, read: Read = read_in_thread) -> None:
    """The task. Runs until cancelled."""
    while True:
        for known in projects.known:
            trusted = known.trusted
            if not trusted.watched:
                continue
            standing = await look_at(trusted.folder, trusted.sha256, read)
            if standing is not None:
                await projects.see(trusted.folder, standing)
        await trio.sleep(EVERY_S)
