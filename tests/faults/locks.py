"""F4: another program holds the ledger's lock for a long time, or its file is gone while the house is open.

What must hold: paid models are refused within the writer's patience, and their upstream is not asked; free and cached
answers go on; it heals by itself.
"""

import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

import trio

from tests.fakes.world import World, open_world
from tests.faults.disks import Disks, ask_others, ask_paid, wait_healed

_HOLD = """
import sqlite3, sys
connection = sqlite3.connect(sys.argv[1], isolation_level=None)
connection.execute("BEGIN IMMEDIATE")
print("held", flush=True)
sys.stdin.read()
"""


@contextmanager
def locked(file: Path) -> Iterator[None]:
    """Inside, a process of its own is writing to ``file`` and does not come to an end."""
    process = subprocess.Popen(
        [sys.executable, "-c", _HOLD, str(file)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        assert process.stdout.readline() == "held\n"
        yield
    finally:
        process.kill()
        process.wait()
        process.stdin.close()
        process.stdout.close()


@dataclass
class Patience:
    """How long it is locked, how long the writer waits for it, and the longest that anybody waited."""

    locked_s: float
    writer_s: float
    longest_s: float = 0.0


async def lock_for_long(folder: Path, patience: Patience) -> int:
    """How many were refused meanwhile."""
    disks = Disks()
    async with open_world(folder) as world:
        await _keep_one(world)
        with locked(folder / "state" / "ledger.db"):
            until_s = trio.current_time() + patience.locked_s
            while trio.current_time() < until_s:
                await _refuse_one(world, disks, patience)
        await wait_healed(world, disks)
    return disks.refused


async def _keep_one(world: World) -> None:
    assert (await world.ask("gpt-4o-mini", "keep this", temperature=0)).status == 200
    await world.settle()


async def _refuse_one(world: World, disks: Disks, patience: Patience) -> None:
    began_s = trio.current_time()
    assert not await ask_paid(world, disks, stream=disks.refused % 2 == 1), (
        "a paid model answered while it was locked"
    )
    waited_s = trio.current_time() - began_s
    patience.longest_s = max(patience.longest_s, waited_s)
    assert waited_s < patience.writer_s + 1.0, f"refused only after {waited_s:.1f} s"
    await ask_others(world)
    await trio.sleep(patience.locked_s / 20)


async def take_away(folder: Path, *, put_another: bool) -> int:
    """The file is moved away under the open house, perhaps with an empty one in its place, and comes back."""
    disks, file = Disks(), folder / "state" / "ledger.db"
    async with open_world(folder) as world:
        await _keep_one(world)
        away = file.rename(file.with_name("away.db"))
        if put_another:
            with closing(sqlite3.connect(file)) as another:
                another.execute("CREATE TABLE theirs (x)")
        before = file.read_bytes() if put_another else b""
        for stream in (False, True):
            assert not await ask_paid(world, disks, stream=stream), "a paid model answered without its ledger"
            await ask_others(world)
        assert (file.read_bytes() if file.exists() else b"") == before, "another file was written to"
        away.rename(file)
        await wait_healed(world, disks)
    return disks.refused
