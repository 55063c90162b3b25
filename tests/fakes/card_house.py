"""Residency over simulated cards, on trio's mock clock: the real rooms, and memory streams in place of a network.

A test asks as the hallway does (`CardHouse.ask`, `CardHouse.start`): admit, dial, stream, learn. What a server saw is
at `Server`. Leaving the house checks that every card is empty and that no server had to abort what a client left.
"""

import re
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from math import isfinite
from typing import Any
from unittest.mock import patch

import msgspec
import trio
import trio.testing

from lodestard.bid import within_room
from lodestard.domain.errors import Fault
from lodestard.domain.host_ports import ModelHost, Place
from lodestard.domain.reply import Draft
from lodestard.domain.request import Caller, Request
from lodestard.domain.residency import Ask, HostState
from lodestard.domain.secret import Secret
from lodestard.domain.settings import LocalModel, Model, Residency, Settings, Upstream
from lodestard.domain.upstream import Target
from lodestard.keeping import kept
from lodestard.protocols.codecs import CODECS
from lodestard.residency.card import Card
from lodestard.residency.room import Residency as Room
from lodestard.residency.room import open_residency
from lodestard.simulator.card.figures import ALL_MODELS, GIB, Machine, Pace
from lodestard.simulator.card.figures import Card as SimCard
from lodestard.upstream.dial import Dial
from lodestard.upstream.faults import Blame, describe_dial_error
from lodestard.upstream.model_host import open_model_host
from lodestard.upstream.sender import PooledSender, open_sender
from lodestard.upstream.wire import StreamWire, Wire
from tests.fakes.card_server import CLOCK, Server, make_server
from tests.fakes.memory_keepsake import MemoryKeepsake
from tests.fakes.rooms import make_request

LLAMA, CODER = "llama3.1:8b", "deepseek-coder:6.7b"
QWEN, MOONDREAM = "qwen3:1.7b", "moondream:1.8b"
LOAD_S, UNLOAD_S = 4.0, 1.0
PACE = Pace(load_s=LOAD_S, unload_s=UNLOAD_S, prefill_tokens_per_s=1_000.0, decode_tokens_per_s=10.0)
MACHINE = Machine(models=ALL_MODELS, pace=PACE)
LARGE = msgspec.structs.replace(MACHINE, card=SimCard(vram_bytes=48 * GIB))
URLS = {
    "t600": "http://127.0.0.1:11434",
    "gamer": "http://127.0.0.1:11435",
    "moved": "http://127.0.0.1:11436",
}


def make_upstream(host: str = "t600", **members: Any) -> Upstream:
    """An Ollama server as the shipped configuration has it, with some ``members`` otherwise."""
    usual: dict[str, Any] = {
        "dialect": "ollama",
        "url": URLS[host],
        "free": True,
        "concurrency": 1,
        "keep_alive": "30m",
        "options": {"num_ctx": 4096},
    }
    return Upstream(**usual | members)


def make_settings(
    hosts: Mapping[str, Upstream] | None = None, models: Mapping[str, LocalModel] | None = None, **residency: Any
) -> Settings:
    """A configuration: one host with ``models`` where nothing else is said. No guesses, unless they are wanted."""
    upstreams = hosts or {"t600": make_upstream(models=dict(models or {}))}
    route = tuple(f"{name}/{LLAMA}" for name in upstreams)
    return Settings(
        upstreams=dict(upstreams),
        models={"llama": Model(route=route)},
        residency=Residency(**{"predict": False, **residency}),
    )


USUAL = make_settings()


# -- the client's side ---------------------------------------------------------------------------------------------


@dataclass(slots=True, eq=False)
class Told:
    """One request, and what became of it. Times are trio's."""

    model: str
    asked_s: float
    priority: str = ""
    scope: trio.CancelScope = field(default_factory=trio.CancelScope)
    place: Place | None = None
    begun_s: float | None = None
    ended_s: float | None = None
    fault: Fault | None = None
    text: str = ""
    left: bool = False
    sent: bool = False
    ended: trio.Event = field(default_factory=trio.Event)

    def leave(self) -> None:
        """Its client hangs up."""
        self.left = True
        self.scope.cancel()

    @property
    def ok(self) -> bool:
        return self.ended.is_set() and self.fault is None and not self.left

    @property
    def waited_s(self) -> float:
        assert self.begun_s is not None
        return self.begun_s - self.asked_s

    @property
    def code(self) -> str:
        return "" if self.fault is None else self.fault.code.value

    @property
    def notes(self) -> list[str]:
        assert self.place is not None
        return list(self.place.notes)

    async def wait(self) -> "Told":
        """Until it has ended; the test's own time limit is a day of the mock clock."""
        with trio.fail_after(86_400):
            await self.ended.wait()
        return self


def make_ask(
    model: str = LLAMA, text: str = "hello", *, host: str = "t600", most_tokens: int | None = None, **caller: Any
) -> Ask:
    request = make_request(text=text)
    if most_tokens is not None:
        request = within_room(request, most_tokens)
    who = {"principal": "local", "client": "test", **caller}
    return Ask(target=Target(host, model), request=request, caller=Caller(**who), request_id="req_test")


class CardHouse:
    """Residency, its servers and who asks. ``wrap`` stands between residency and each server that it opens."""

    def __init__(self, machines: Mapping[str, Machine], nursery: trio.Nursery, keepsake: MemoryKeepsake) -> None:
        self.nursery = nursery
        self.keepsake = keepsake
        self.told: list[Told] = []
        self.wrap: Callable[[ModelHost], Any] = lambda host: host
        self.servers = {URLS[name]: make_server(machine, nursery) for name, machine in machines.items()}
        self.room: Room
        self.sender: PooledSender
        self._senders: trio.Nursery

    @property
    def server(self) -> Server:
        return self.servers[URLS["t600"]]

    def card(self, host: str = "t600") -> Card:
        return self.room._keepers[host].card

    def state(self, host: str = "t600") -> HostState:
        return self.room.state(host)

    def model(self, model: str = LLAMA, host: str = "t600") -> Any:
        return next(one for one in self.state(host).models if one.model == model)

    @property
    def resident(self) -> set[str]:
        """What residency believes to be in memory."""
        return {one.model for one in self.state().models if one.resident}

    async def moves_end(self) -> None:
        """Until no card loads or unloads."""
        for name in self.room.hosts:
            card = self.card(name)
            while card.state.loading is not None or card.state.leaving:
                await card.changed.park()
        await settle()

    # -- what the rooms are opened with ------------------------------------------------------------------------

    def dialler(self, blame: Blame, **_settings: object) -> Dial:
        """Stands for ``lodestard.upstream.dial.Dialler``."""
        simulator = self.servers[f"http://{blame.origin.address}"].simulator
        open_connection = simulator.opener(self.nursery)

        async def dial() -> Wire:
            try:
                stream = await open_connection()
            except OSError as error:
                raise blame.unreachable(describe_dial_error(error)) from None
            return StreamWire(stream, stream.reset, lambda _was_read: stream.left)

        return dial

    @asynccontextmanager
    async def open_host(self, name: str, upstream: Upstream, key: str) -> AsyncIterator[ModelHost]:
        async with open_model_host(name, upstream, key) as host:
            yield self.wrap(host)

    async def configure(self, settings: Settings, keys: Mapping[str, Secret] | None = None) -> None:
        """As a reload does: pools of its own for those who ask from now on, then residency."""
        self.sender = await self._senders.start(self._keep_sender, settings)
        self.room.configure(settings, keys or {})

    async def _keep_sender(self, settings: Settings, *, task_status: trio.TaskStatus[PooledSender]) -> None:
        async with open_sender(dict(settings.upstreams), {}, CODECS) as sender:
            task_status.started(sender)
            await trio.sleep_forever()

    # -- asking ------------------------------------------------------------------------------------------------

    def start(self, model: str = LLAMA, text: str = "hello", **members: Any) -> Told:
        """A client asks; it goes on in the background."""
        return self.begin(make_ask(model, text, **members))

    def begin(self, ask: Ask) -> Told:
        told = Told(ask.target.model, trio.current_time(), ask.caller.priority)
        self.told.append(told)
        self.nursery.start_soon(self._carry, ask, told, self.sender)
        return told

    async def ask(self, model: str = LLAMA, text: str = "hello", **members: Any) -> Told:
        """A client asks, and waits for the end."""
        return await self.start(model, text, **members).wait()

    async def _carry(self, ask: Ask, told: Told, sender: PooledSender) -> None:
        try:
            with told.scope:
                await self._attempt(ask, told, sender)
        except Fault as fault:
            told.fault = fault
        finally:
            told.ended_s = trio.current_time()
            told.ended.set()

    async def _attempt(self, ask: Ask, told: Told, sender: PooledSender) -> None:
        place = told.place = self.room.place(ask)
        assert place is not None, "nobody looks after its host"
        draft = Draft()
        async with place as seat:
            told.begun_s = trio.current_time()
            request: Request = within_room(ask.request, seat.room_tokens)

            def mark_sent() -> None:
                told.sent = True

            async with sender.send(ask.target, request, mark_sent) as stream:
                while (pieces := await stream.receive()) is not None:
                    for piece in pieces:
                        draft.add(piece)
            seat.learn(draft.usage, draft.durations)
        told.text = draft.reply().choices[0].text


def counts(house: CardHouse, host: str = "t600") -> dict[str, int | float]:
    """The counters that are not nought."""
    return {name: value for name, value in msgspec.structs.asdict(house.state(host).counts).items() if value}


@asynccontextmanager
async def open_card_house(
    settings: Settings = USUAL,
    machine: Machine = MACHINE,
    *,
    machines: Mapping[str, Machine] | None = None,
    keepsake: MemoryKeepsake | None = None,
    aborted: int | None = 0,
    before: Callable[[CardHouse], None] = lambda _house: None,
) -> AsyncIterator[CardHouse]:
    """The house, configured. Leaving waits for all who ask, then looks whether everything is as it should be.

    ``aborted`` loads are expected on the first server: guesses that were given up; None: the test looks itself.
    """
    async with trio.open_nursery() as nursery, trio.open_nursery() as senders:
        house = CardHouse(machines or {"t600": machine}, nursery, keepsake or MemoryKeepsake())
        before(house)
        with patch("lodestard.upstream.pool.Dialler", house.dialler):
            async with (
                open_residency(house.open_host, CLOCK, await house.keepsake.load()) as room,
                kept(room, house.keepsake, "the cards"),
            ):
                house.room, house._senders = room, senders
                await house.configure(settings)
                yield house
                for told in house.told:
                    await told.wait()
                await house.moves_end()
                check_empty(house)
        check_servers(house.servers.values(), aborted)
        senders.cancel_scope.cancel()
        nursery.cancel_scope.cancel()


async def settle() -> None:
    """Until nobody can go on without time passing."""
    await trio.testing.wait_all_tasks_blocked()


def check_empty(house: CardHouse) -> None:
    """Nobody waits, nothing runs, no place is taken, no connection leased."""
    for name in house.room.hosts:
        check_state(house, name)
        state = house.card(name).state
        assert not state.queue, [visit.asked.model for visit in state.queue.values()]
        assert not state.running, f"{len(state.running)} run still"
        assert not state.going
    for name, status in house.sender.status.items():
        assert (status.leased, status.waiting) == (0, 0), name


def check_servers(servers: Iterable[Server], aborted: int | None) -> None:
    for server in servers:
        assert not server.simulator.crashes
        assert aborted in (None, server.aborted), f"{server.aborted} loads were aborted: {server.news}"
        aborted = 0


def check_state(house: CardHouse, host: str = "t600") -> HostState:
    """What ``state`` says of a card is whole, and agrees with itself."""
    state, told = house.card(host).state, house.state(host)
    running, waiting = state.running, list(state.queue.values())
    assert len({visit.id for visit in (*running, *waiting)}) == len(running) + len(waiting), "one is in two places"
    for visit in waiting:
        assert visit.begun_s is None
        assert visit.fault is None, "it was stopped, and still waits"
    for visit in running:
        assert visit.begun_s is not None
    for tenant in state.tenants.values():
        assert len(tenant.running) <= tenant.parallel, f"{tenant.model} has more than its places"
        assert all(visit.asked.model == tenant.model for visit in tenant.running.values())
    assert not (state.loading is not None and state.leaving), "it loads and unloads at once"
    assert not state.leaving or state.leaving in state.tenants
    check_told(told, len(running), len(waiting))
    return told


def check_told(told: HostState, running: int, waiting: int) -> None:
    """A report's sums, and that it can be written down."""
    states = [place.state for place in told.places]
    assert (states.count("running"), states.count("waiting")) == (running, waiting)
    assert sum(model.running for model in told.models) == running
    assert sum(model.waiting for model in told.models) == waiting
    assert len({model.model for model in told.models}) == len(told.models)
    assert told.step_for_s >= 0
    assert (told.step in ("loading", "unloading")) == (told.step_left_s is not None)
    assert not re.search(r"\b(inf|nan)\b", told.reason), told.reason
    assert all(isfinite(number) for number in numbers_in(msgspec.to_builtins(told)))


def numbers_in(value: Any) -> Iterator[float]:
    """Every number of a document."""
    if isinstance(value, (int, float)):
        yield value
    elif isinstance(value, (list, tuple)):
        for one in value:
            yield from numbers_in(one)
    elif isinstance(value, dict):
        for one in value.values():
            yield from numbers_in(one)
