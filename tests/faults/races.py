"""F17: a thousand requests at once, each of which may cost $0.10, against $5.00.

What must hold: exactly fifty are dispatched, by the upstream's own count, whatever budgets there are and however the
requests come; all others are refused; and no budget was overrun at any commit.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import trio

from lodestard.domain.settings import Budget
from tests.fakes.world import World, chat, eventually, open_world
from tests.faults.audit import Audit, audit

REQUESTS, FIT = 1_000, 50
HOLD_NANO_USD = 100_000_000
OVERHEAD_TOKENS = 1_024
RATES = {"gpt-4o": (2_500, 10_000), "grok-beta": (5_000, 15_000)}
"""Nano-USD a token, in and out: of the providers' own lists."""
MANY = """
[server.limits]
connections_per_peer = 12000
[upstreams.openai]
concurrency = 1000
connections = 1000
[upstreams.xai]
concurrency = 1000
connections = 1000
"""


@dataclass(frozen=True)
class Layout:
    """Which budgets there are, who asks for what, and how many at a time."""

    name: str
    budgets: Mapping[str, Budget]
    aliases: tuple[str, ...] = ("gpt-4o",)
    projects: tuple[str, ...] = ("",)
    stream: bool = False
    at_once: int = REQUESTS

    def overlay(self) -> str:
        return MANY + write_budgets(self.budgets)


def write_budgets(budgets: Mapping[str, Budget]) -> str:
    """Budgets as the configuration has them."""
    lines = [
        f'[budgets.{name}]\nscope = "{each.scope}"\nof = "{each.of}"\nusd = {each.usd}\nwindow = "{each.window}"\n'
        f'at_limit = "{each.at_limit}"\n'
        for name, each in budgets.items()
    ]
    return "".join(lines)


FIVE = Budget(usd=Decimal(5), at_limit="refuse")
LAYOUTS = [
    Layout("global", {"all": FIVE}),
    Layout(
        "project and global",
        {"all": FIVE, "each": Budget(scope="project", usd=Decimal(3), window="day", at_limit="refuse")},
        projects=("alpha", "alpha", "alpha", "beta"),
    ),
    Layout("64 streams at a time, two models", {"all": FIVE}, aliases=tuple(RATES), stream=True, at_once=64),
]


@dataclass
class Outcome:
    statuses: Counter[int] = field(default_factory=Counter)
    codes: Counter[str] = field(default_factory=Counter)


async def race(folder: Path, layout: Layout) -> tuple[Outcome, Audit]:
    """All of them against a house whose upstreams answer only when all have been decided on."""
    outcome = Outcome()
    async with open_world(folder, layout.overlay()) as world:
        turns = trio.CapacityLimiter(layout.at_once)
        async with trio.open_nursery() as nursery:
            with world.openai.held(), world.xai.held():
                for number in range(REQUESTS):
                    nursery.start_soon(_ask, world, layout, number, turns, outcome)
                await _check_held(world, outcome)
        await world.settle()
        dispatched = world.openai.asked + world.xai.asked
        billed = len(world.openai.meter.entries) + len(world.xai.meter.entries)
    assert (dispatched, billed) == (FIT, FIT), f"{layout.name}: {dispatched} dispatched, {billed} billed"
    assert outcome.statuses == {200: FIT, 400: REQUESTS - FIT}, outcome
    assert outcome.codes == {"budget_refused": REQUESTS - FIT}, outcome
    return outcome, audit(folder / "state" / "ledger.db", layout.budgets)


async def _check_held(world: World, outcome: Outcome) -> None:
    """Fifty wait for their answers, all others have theirs."""

    def dispatched() -> int:
        return world.openai.asked + world.xai.asked

    def decided() -> bool:
        return dispatched() > FIT or dispatched() + outcome.statuses.total() >= REQUESTS

    await eventually(decided, "all to be decided on")
    assert dispatched() == FIT, f"{dispatched()} were dispatched"
    held = world.ledger.totals().held_nano_usd
    assert held == FIT * HOLD_NANO_USD, f"{held} nano-USD are held"


async def _ask(world: World, layout: Layout, number: int, turns: trio.CapacityLimiter, outcome: Outcome) -> None:
    alias = layout.aliases[number % len(layout.aliases)]
    headers = {"x-lodestar-project": layout.projects[number % len(layout.projects)]}
    async with turns:
        answer = await world.request("POST", "/v1/chat/completions", body_of(alias, number, layout), headers)
    outcome.statuses[answer.status] += 1
    if answer.status != 200:
        outcome.codes[answer.error["code"]] += 1


def body_of(alias: str, number: int, layout: Layout) -> bytes:
    """A request whose worst case is $0.10 to the nano-dollar: padded until its output limit comes out even."""
    rate_in, rate_out = RATES[alias]
    for padding in range(32):
        body = _encode(alias, f"question {number:06d}{'.' * padding}", 9_999, layout)
        left = HOLD_NANO_USD - (len(body) + OVERHEAD_TOKENS) * rate_in
        if not left % rate_out and 1_000 <= left // rate_out <= 9_999:
            return _encode(alias, f"question {number:06d}{'.' * padding}", left // rate_out, layout)
    raise AssertionError("no such body")


def _encode(alias: str, text: str, max_tokens: int, layout: Layout) -> bytes:
    members: dict[str, Any] = {"max_tokens": max_tokens, "stream": layout.stream}
    return msgspec.json.encode(chat(alias, text, **members))
