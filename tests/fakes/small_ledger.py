"""A real ledger with a few requests in its file, some of which may still be under way."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from lodestard.domain.clock import SystemClock
from lodestard.domain.closing import Closing
from lodestard.domain.price import Price
from lodestard.domain.request import Caller
from lodestard.domain.upstream import Candidate, Target
from lodestard.domain.usage import Usage
from lodestard.ledger import SCHEMA, Ledger, open_ledger
from lodestard.store import StoreOptions, open_store, run_inline

PRICE = Price(input_pico_usd=3_000_000, output_pico_usd=15_000_000)
PAID = Candidate(target=Target("anthropic", "claude"), dialect="openai", price=PRICE, free=False, up=True)
HOLD_NANO_USD = 10_000_000
COST_NANO_USD = 3_000_000


@asynccontextmanager
async def opened_ledger(path: Path) -> AsyncIterator[Ledger]:
    clock = SystemClock()
    async with (
        open_store(path, (SCHEMA,), options=StoreOptions(durable=False), clock=clock, run=run_inline) as store,
        open_ledger(store, clock) as ledger,
    ):
        yield ledger


async def serve(ledger: Ledger, times: int = 1, project: str = "") -> list[str]:
    """Paid requests of 1,000 tokens each, ended; their ids."""
    ids = []
    for _ in range(times):
        entry = ledger.open_entry(Caller(project=project), "a", dialect="openai_chat", stream=False)
        attempt = await ledger.hold(entry, PAID, HOLD_NANO_USD)
        ledger.capture(attempt, Usage(prompt_tokens=1_000))
        closing = Closing(
            outcome="ok", status=200, cache="miss", target=PAID.target, usage=Usage(prompt_tokens=1_000)
        )
        ledger.close_entry(entry, closing)
        ids.append(entry.id)
    return ids
