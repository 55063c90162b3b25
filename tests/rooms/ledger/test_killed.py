"""A real process, killed while it writes: what it was told is durable is there, and the books are whole."""

import signal
import subprocess
import sys
from pathlib import Path
from random import Random

import pytest
import trio

from lodestard.domain.clock import SystemClock
from lodestard.ledger import SCHEMA, open_ledger, verify
from lodestard.store import StoreOptions, open_snapshot, open_store, run_inline

CHILD = """
import sys
from pathlib import Path
import trio
from lodestard.domain.clock import SystemClock
from lodestard.domain.closing import Closing
from lodestard.domain.price import Price
from lodestard.domain.request import Caller
from lodestard.domain.upstream import Candidate, Target
from lodestard.domain.usage import Usage
from lodestard.ledger import SCHEMA, open_ledger
from lodestard.store import StoreOptions, open_store

PRICE = Price(input_pico_usd=3_000_000, output_pico_usd=15_000_000)
PAID = Candidate(target=Target("a", "b"), dialect="openai", price=PRICE, free=False, up=True)

async def client(ledger, number):
    while True:
        entry = ledger.open_entry(Caller(), "a", dialect="d", stream=False)
        attempt = await ledger.hold(entry, PAID, 1_000_000)
        sys.stdout.write(f"held {entry.id}\\n")
        sys.stdout.flush()
        await trio.lowlevel.checkpoint()
        [lambda: ledger.capture(attempt, Usage(prompt_tokens=100)), lambda: ledger.release(attempt, "x"),
         lambda: ledger.unknown(attempt, "y")][number % 3]()
        ledger.close_entry(entry, Closing(outcome="ok", status=200, cache="miss"))

async def main():
    clock = SystemClock()
    async with open_store(Path(sys.argv[1]), (SCHEMA,), options=StoreOptions(durable=True), clock=clock) as store:
        async with open_ledger(store, clock) as ledger, trio.open_nursery() as nursery:
            for number in range(8):
                nursery.start_soon(client, ledger, number)

trio.run(main)
"""


@pytest.mark.parametrize("seed", [1, 2])
async def test_kill_9_under_load(tmp_path: Path, seed: int) -> None:
    path = tmp_path / "ledger.db"
    told: list[str] = []
    for round_number in range(2):
        told += await run_and_kill(path, 20 + Random(seed * 10 + round_number).randrange(200))
    with open_snapshot(path) as snapshot:
        report = verify(snapshot)
    assert report.ok, report.problems
    clock = SystemClock()
    async with (
        open_store(path, (SCHEMA,), options=StoreOptions(durable=True), clock=clock, run=run_inline) as store,
        open_ledger(store, clock) as ledger,
    ):
        ids = {str(found) for (found,) in store.read("SELECT id FROM request JOIN attempt ON request_seq = seq")}
        assert set(told) <= ids
        assert ledger.totals().held_nano_usd == 0
    with open_snapshot(path) as snapshot:
        report = verify(snapshot, idle=True)
    assert report.ok, report.problems
    assert report.attempts >= len(told) > 40


async def run_and_kill(path: Path, after_holds: int) -> list[str]:
    """Kill the child once it has said so many holds; all that it said until then."""
    arguments = [sys.executable, "-c", CHILD, str(path)]
    child = await trio.lowlevel.open_process(arguments, stdout=subprocess.PIPE)
    assert child.stdout is not None
    text = b""
    with trio.fail_after(30):
        while text.count(b"\n") < after_holds:
            text += await child.stdout.receive_some()
        child.send_signal(signal.SIGKILL)
        async for more in child.stdout:
            text += more
        await child.wait()
    return [line.split()[1].decode() for line in text.splitlines(keepends=True) if line.endswith(b"\n")]
