"""Random traffic: many clients of every kind at once, over upstreams that fail at random, then rest.

What must hold: the ledger adds up to each provider's own meter (exactly, where no attempt is unknown), and at rest
nothing is left: no hold, no flight, no lease, no task, no socket; and no secret in any log or database.
"""

import os
import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from operator import le
from pathlib import Path
from typing import Any

import trio

from lodestard.simulator.answering.question import Question
from lodestard.store import open_snapshot
from tests.fakes.world import KEYS, World, chat, eventually
from tests.faults.quiet import come_to_rest
from tests.faults.reading import PATIENCE_S, dial, read, reset, write_request

CLIENTS = 60
SETTLED_S = 0.05
COME_AND_GO = ("._run_handler", "._either.<locals>.wait_slow")
"""A connection of a simulator's; the cache's writer waiting for work, which has one child or none."""
CANARY = "canary words of a prompt"
ALIASES = (
    *("auto", "local-llama", "gpt-3.5-turbo", "thinker", "gone-first") * 2,
    *("gpt-4o-mini", "gpt-4o", "grok-beta", "grok-mini", "paid-first") * 3,
    *("gone", "unpriced", "not-there"),
)
FAULTS = (
    "status=500",
    "status=429;retry-after=1",
    "status=401",
    "cut=200",
    "cut=900",
    "cut_rst=500",
    "reset",
    "close",
    "hang",
    "stall=400",
    "garbage=60",
    "noise",
    "error=2",
    "end=300",
    "no_usage",
    "double_usage",
    "no_done",
    "slow=0.02",
    "content_type=text/html",
)
LIMITS = "first_byte_timeout_s = 0.4\nload_timeout_s = 0.4\nidle_timeout_s = 0.2\nplain_timeout_s = 0.4\n"
OVERLAY = "[server]\nleave_drain_s = 0.5\n" + "".join(
    f"[upstreams.{name}]\n{LIMITS}" for name in ("t600", "openai", "xai")
)
TOOLS = [{"type": "function", "function": {"name": "get_weather", "parameters": {"type": "object"}}}]


@dataclass
class Storm:
    """One round of traffic, by its seed, and what came of it."""

    seed: int
    outcomes: Counter[str] = field(default_factory=Counter)


@dataclass(frozen=True)
class Visit:
    """What one client does. ``stays_s``: how long before it resets its connection; None: to the end."""

    after_s: float
    request: bytes
    stays_s: float | None


def plan_visits(luck: random.Random) -> list[Visit]:
    return [_plan_visit(luck, number) for number in range(CLIENTS)]


def _plan_visit(luck: random.Random, number: int) -> Visit:
    body = chat(luck.choice(ALIASES), f"{CANARY} {luck.choice((number, 'one', 'two'))}", stream=luck.random() < 0.6)
    if luck.random() < 0.4:
        body["temperature"] = 0
    if luck.random() < 0.2:
        body |= {"tools": TOOLS, "messages": [{"role": "user", "content": f"{CANARY}, the weather's"}]}
    if luck.random() < 0.3:
        body["max_tokens"] = luck.randint(1, 20)
    leaves = luck.random() < 0.3
    stays_s = luck.random() * luck.choice((0.01, 0.1)) if leaves else None
    return Visit(luck.random() * 0.3, write_request(body, _plan_headers(luck)), stays_s)


def _plan_headers(luck: random.Random) -> dict[str, str]:
    headers: dict[str, str] = {}
    if luck.random() < 0.2:
        headers["idempotency-key"] = f"key {luck.randrange(8)}"
    if luck.random() < 0.3:
        headers["x-stainless-retry-count"] = str(luck.randrange(3))
    if luck.random() < 0.1:
        headers["cache-control"] = luck.choice(("no-store", "no-cache"))
    return headers


async def blow(world: World, storm: Storm) -> None:
    """The round, from its first client to the rest after it."""
    luck = random.Random(storm.seed)
    await world.ask("local-llama")
    await come_to_rest(world)
    await eventually(lambda: not world.proxy.connections, "the end of all connections")
    await trio.sleep(SETTLED_S)
    before = footprint(world)
    for upstream in (world.ollama, world.openai, world.xai):
        upstream.app.mind._script = say_nothing_of_it
        upstream.fail(*(luck.choice(FAULTS) if luck.random() < 0.35 else None for _ in range(CLIENTS)))
    async with trio.open_nursery() as nursery:
        for visit in plan_visits(luck):
            nursery.start_soon(_visit, world, visit, storm)
    await come_to_rest(world)
    for upstream in (world.ollama, world.openai, world.xai):
        upstream.simulator.faults.clear()
        await upstream.wait_idle()
    try:
        await eventually(lambda: all(map(le, footprint(world), before)), "the tasks and sockets at rest")
    except AssertionError as error:
        raise AssertionError(f"seed {storm.seed}: {error}: {before} before, {footprint(world)} now") from None
    after = await world.ask("gpt-4o-mini", f"after {storm.seed}")
    assert after.status == 200 or after.error["code"] == "budget_refused"


def say_nothing_of_it(question: Question) -> str | None:
    """An answer that does not quote the question: answers are kept, questions never."""
    return None if question.tools else "An answer of some words, and none of them the question's."


async def _visit(world: World, visit: Visit, storm: Storm) -> None:
    await trio.sleep(visit.after_s)
    stream = await dial(world.address)
    received = bytearray()
    await stream.send_all(visit.request)
    with trio.move_on_after(visit.stays_s if visit.stays_s is not None else PATIENCE_S) as scope:
        await _receive(stream, received)
    await reset(stream)
    if scope.cancelled_caught:
        assert visit.stays_s is not None, f"seed {storm.seed}: no end of {visit.request!r}"
        storm.outcomes["left"] += 1
        return
    seen = read(bytes(received))
    assert seen.finished if seen.succeeded else seen.told_of_failure, f"seed {storm.seed}: {visit.request!r}: {seen}"
    assert seen.status != 500, f"seed {storm.seed}: {visit.request!r}: {seen}"
    storm.outcomes["whole" if seen.succeeded else str(seen.status) if seen.status != 200 else "broken off"] += 1


async def _receive(stream: trio.SocketStream, received: bytearray) -> None:
    try:
        while data := await stream.receive_some(65536):
            received += data
    except trio.BrokenResourceError:
        pass


def footprint(world: World) -> tuple[int, int]:
    """The house's tasks; and the sockets, less those at both ends of the pools' idle connections."""
    sender: Any = world.house.runtime.sender
    for pool in sender.pools.values():
        pool._sweep()  # else one whose other end is closed may wait for its keeper's next round
    pooled = sum(status.open for status in sender.status.values())
    root = trio.lowlevel.current_root_task()
    return 0 if root is None else count_tasks(root), _sockets() - 2 * pooled


def count_tasks(task: trio.lowlevel.Task) -> int:
    """It and all below it, less those that come and go at rest."""
    if task.name.endswith(COME_AND_GO):
        return 0
    return 1 + sum(count_tasks(child) for nursery in task.child_nurseries for child in nursery.child_tasks)


def _sockets() -> int:
    links = [os.readlink(file) for file in Path("/proc/self/fd").iterdir() if os.path.lexists(file)]
    return len([link for link in links if link.startswith("socket:")])


def check_providers(world: World) -> int:
    """Each provider's meter against its attempts in the ledger, which must be closed. Gives the unknown attempts.

    What was captured was billed so, one by one; what was billed otherwise is unknown, and not charged lower.
    """
    total = 0
    for name in ("openai", "xai"):
        bills = [(entry.tokens.prompt, entry.nano_usd) for entry in world.upstreams[name].meter.entries]
        total += compare_bills(world.folder / "state" / "ledger.db", name, Counter(bills))
    return total


def compare_bills(file: Path, name: str, billed: Counter[tuple[int, int]]) -> int:
    """One provider's bills, by prompt tokens and amount. Gives its unknown attempts."""
    sql = "SELECT state, prompt_tokens, cost_nano_usd FROM attempt WHERE upstream = ? AND state <> 'released'"
    with open_snapshot(file) as snapshot:
        rows = snapshot.read(sql, (name,))
    captured = Counter((int(prompt or 0), int(cost or 0)) for state, prompt, cost in rows if state == "captured")
    held = sorted((int(cost or 0) for state, _, cost in rows if state == "unknown"), reverse=True)
    assert not captured - billed, f"{name}: captured, but not billed so: {captured - billed}"
    others = sorted((nano_usd for _, nano_usd in (billed - captured).elements()), reverse=True)
    assert len(others) <= len(held), f"{name}: billed, but in no attempt: {others}, {held}"
    assert all(cost >= bill for cost, bill in zip(held, others, strict=False)), f"{name}: {others}, {held}"
    return len(held)


def check_secrets(folder: Path, log: str) -> None:
    """No key and no prompt in the log or in any file of the state folder."""
    look_for([CANARY, *KEYS.values()], folder / "state", log)


def look_for(secrets: Sequence[str], folder: Path, log: str) -> None:
    """None of them is in the log or in any file."""
    found = [f"the log: {secret}" for secret in secrets if secret in log]
    for file in folder.rglob("*"):
        data = file.read_bytes() if file.is_file() else b""
        found += [f"{file.name}: {secret}" for secret in secrets if secret.encode() in data]
    assert not found, found
