"""F6: a client that resets its connection, at each byte of its request and at each send of the upstream.

What must hold: a free model is freed at once; a paid answer is drained and costs what was billed; nothing is held
and no connection of a pool is lost.
"""

from collections.abc import Callable
from dataclasses import dataclass

from tests.fakes.world import SimUpstream, World, eventually
from tests.faults.cuts import SIMULATORS
from tests.faults.dialects import CLIENTS
from tests.faults.interposed import Gate, interpose
from tests.faults.quiet import come_to_rest
from tests.faults.reading import Seen, ask_raw, dial, reset, write_request

TEXT = "All of it."


@dataclass(frozen=True)
class Kind:
    """Which request is left. ``shared``: others might join it."""

    alias: str
    stream: bool
    shared: bool
    client: str = "openai"

    @property
    def free(self) -> bool:
        return self.alias == "local-llama"

    def upstream(self, world: World) -> SimUpstream:
        return world.upstreams[SIMULATORS[self.alias]]

    def request(self, text: str) -> bytes:
        members = {"temperature": 0} if self.shared else {}
        speaks = CLIENTS[self.client]
        body = speaks.write(self.alias, text, stream=self.stream, **members)
        return write_request(body, speaks.headers, speaks.path)

    async def ask(self, world: World, text: str) -> Seen:
        return await ask_raw(world.address, self.request(text), CLIENTS[self.client].seen)


KINDS = [
    Kind(alias, stream, shared)
    for alias in ("local-llama", "gpt-4o-mini")
    for stream in (True, False)
    for shared in (False, True)
]
OTHERS = [
    Kind(alias, stream=True, shared=False, client=client)
    for client, alias in (
        ("anthropic", "claude-sonnet"),
        ("anthropic", "gpt-4o-mini"),
        ("anthropic", "local-llama"),
        ("responses", "responding"),
        ("responses", "flash"),
        ("responses", "local-llama"),
        ("ollama", "local-llama"),
        ("ollama", "claude-sonnet"),
    )
]
"""Clients of the other dialects: with an upstream of their own, and with a foreign one."""


async def count_sends(world: World, kind: Kind) -> int:
    """How many sends the upstream's answer takes."""
    sends = 0

    def count(exchange: object) -> None:
        reply = exchange.reply  # type: ignore[attr-defined]
        send: Callable[[bytes], object] = reply.send

        async def counted(data: bytes) -> None:
            nonlocal sends
            sends += 1
            await send(data)  # type: ignore[misc]

        reply.send = counted

    kind.upstream(world).say(TEXT)
    with interpose(kind.upstream(world), count):
        assert (await kind.ask(world, "how many?")).succeeded
    return sends


async def reset_after(world: World, kind: Kind, sends: int) -> None:
    """Leave when the upstream has sent so much of its answer, and waits."""
    upstream, gate = kind.upstream(world), Gate(sends)
    left, billed = upstream.app.left, upstream.bill_nano_usd
    charged = world.ledger.totals().spent_today_nano_usd
    upstream.say(TEXT)
    with interpose(upstream, gate):
        stream = await dial(world.address)
        await stream.send_all(kind.request(f"left after {sends}"))
        await eventually(gate.reached.is_set, "the upstream's answer")
        await reset(stream)
        if kind.free:
            await upstream.wait_left(left + 1)
        else:
            await eventually(lambda: _nobody_waits(world), "the house noticing")
        gate.opened.set()
        await come_to_rest(world)
        await upstream.wait_idle()
    more = world.ledger.totals().spent_today_nano_usd - charged
    bill = upstream.bill_nano_usd - billed
    assert more == bill, f"{kind} left after {sends}: billed {bill}, charged {more}"
    assert kind.free or bill, f"{kind} left after {sends}: nothing was billed"


def _nobody_waits(world: World) -> bool:
    flights = world.house.runtime.flights
    return not flights.under_way or all(flight.left for flight in flights._by_key.values())


async def reset_in_request(world: World, kind: Kind, at: int) -> None:
    """Leave after so many bytes of the request."""
    asked = kind.upstream(world).asked
    stream = await dial(world.address)
    await stream.send_all(kind.request("half of it")[:at])
    await reset(stream)
    await come_to_rest(world)
    assert kind.upstream(world).asked == asked
