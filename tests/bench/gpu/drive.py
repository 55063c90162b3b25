"""Lets the clients loose and writes down what they see.

Owner of the clock: a run is one ``trio.run`` on a mock clock that jumps whenever nobody can go on, with trio's
scheduling made repeatable; the same arguments give the same figures.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field

import httptools
import msgspec
import trio
from trio._core import _run as trio_run
from trio.testing import MockClock

from tests.bench.gpu.doors import Door
from tests.bench.gpu.house import Card, Place, make_card, open_place
from tests.bench.gpu.machines import MACHINES, NUM_CTX
from tests.bench.gpu.traffic import DEEPSEEK, LLAMA, Ask, Lane, Workload
from tests.bench.gpu.workloads import plan_workload

TEACHING_SEED = 100
"""So far from its own is the seed of the run that a run remembers."""


@dataclass(slots=True)
class Sent:
    """One request as its client saw it; times are the clock's."""

    ask: Ask
    asked_s: float
    first_s: float | None = None
    done_s: float | None = None
    left_s: float | None = None
    status: int = 0
    failed: bool = False


@dataclass(slots=True)
class Visit:
    """What the clients of a workload saw. ``began_s`` and ``ended_s`` are the clock's.

    ``strict``: a request that fails ends it all; otherwise it is written down.
    """

    workload: Workload
    strict: bool = True
    began_s: float = 0.0
    ended_s: float = 0.0
    sent: list[Sent] = field(default_factory=list)


@dataclass(slots=True)
class Run(Visit):
    """A visit to a simulated card, with the card's side of it."""

    card: Card = field(kw_only=True)


class RunError(Exception):
    """A request was not answered as it should be."""


def simulate(name: str, machine: str, mode: str, seed: int, share: float = 1.0) -> Run:
    """One workload on one machine, from the beginning. Raises ``RunError``."""
    workload = plan_workload(name, seed, share)
    run = Run(workload, card=make_card(MACHINES[machine], workload))
    if mode == "taught":
        run.card.memory = simulate(name, machine, "residency", seed + TEACHING_SEED, share).card.memory
    trio_run._ALLOW_DETERMINISTIC_SCHEDULING = True  # type: ignore[misc]
    trio_run._r.seed(seed)
    trio.run(_drive, run, mode, clock=MockClock(autojump_threshold=0))
    return run


async def _drive(run: Run, mode: str) -> None:
    async with open_place(mode, run.card) as place:
        await _warm_up(run.card)
        await let_loose(run, place)


async def let_loose(visit: Visit, place: Place) -> None:
    """All clients at once, until they are done or the workload's time is up. Raises ``RunError``, in a group."""
    visit.began_s = trio.current_time()
    clients = Clients(visit, place)
    with trio.move_on_after(visit.workload.horizon_s or float("inf")):
        async with trio.open_nursery() as nursery:
            for lane in visit.workload.lanes:
                nursery.start_soon(clients.run_lane, lane)
    visit.ended_s = trio.current_time()


async def _warm_up(card: Card) -> None:
    """Both files in the page cache, the first model on the card, and the counters at nought."""
    async with trio.open_nursery() as nursery:
        for model in (DEEPSEEK, LLAMA):
            stream = await card.connect(nursery)
            body = {"model": model, "messages": [], "options": {"num_ctx": NUM_CTX}, "keep_alive": "30m"}
            await ask_once(stream, "/api/chat", {}, msgspec.json.encode(body))
            await stream.aclose()
    scheduler = card.app.scheduler
    card.swaps = 0
    card.there = card.most_there = 1
    scheduler.clear_tally()
    card.gaps_s.clear()


class Clients:
    """Whoever asks. Owner of what they saw."""

    def __init__(self, visit: Visit, place: Place) -> None:
        self._visit = visit
        self._place = place

    async def run_lane(self, lane: Lane) -> None:
        await trio.sleep(lane.begins_s)
        asks = iter(lane.asks)
        async with trio.open_nursery() as nursery:
            if not lane.width:
                for ask in asks:
                    nursery.start_soon(self._run_alone, ask)
            for _ in range(lane.width):
                nursery.start_soon(self._run_chain, asks)

    async def _run_alone(self, ask: Ask) -> None:
        await trio.sleep(ask.pause_s)
        await self._ask(ask)

    async def _run_chain(self, asks: Iterator[Ask]) -> None:
        for ask in asks:
            await trio.sleep(ask.pause_s)
            await self._ask(ask)

    async def _ask(self, ask: Ask) -> None:
        sent = Sent(ask, trio.current_time())
        self._visit.sent.append(sent)
        with trio.move_on_after(ask.patience_s or float("inf")) as scope:
            try:
                await self._talk(ask, sent)
            except (RunError, OSError, trio.BrokenResourceError):
                if ask.kind == "autocomplete" and self._visit.strict:  # a newer one has taken its place
                    sent.left_s = trio.current_time()
                    return
                sent.failed = True
                if self._visit.strict:
                    raise
        if scope.cancelled_caught:
            sent.left_s = trio.current_time()

    async def _talk(self, ask: Ask, sent: Sent) -> None:
        stream = await self._place.connect()
        try:
            await ask_once(stream, *self._place.door.write(ask), sent=sent, door=self._place.door)
            if sent.status != 200:
                raise RunError(f"{ask.name}: status {sent.status}")
            sent.done_s = trio.current_time()
        finally:
            await trio.aclose_forcefully(stream)


class _Reader:
    """httptools' callbacks."""

    def __init__(self) -> None:
        self.whole = False

    def on_message_complete(self) -> None:
        self.whole = True


async def ask_once(
    stream: trio.SocketStream,
    path: str,
    headers: dict[str, str],
    body: bytes,
    *,
    sent: Sent | None = None,
    door: Door | None = None,
) -> None:
    """One request and its whole answer. Raises ``RunError`` where the connection ends before."""
    fields = {"host": "127.0.0.1", "content-type": "application/json", "content-length": str(len(body)), **headers}
    lines = [f"POST {path} HTTP/1.1", *(f"{name}: {value}" for name, value in fields.items())]
    await stream.send_all("\r\n".join(lines).encode() + b"\r\n\r\n" + body)
    reader = _Reader()
    parser = httptools.HttpResponseParser(reader)
    while not reader.whole:
        data = await stream.receive_some(65536)
        if not data:
            raise RunError(f"{path}: cut")
        parser.feed_data(data)
        if sent is not None and door is not None and sent.first_s is None:
            sent.status = parser.get_status_code() or 0
            if not sent.ask.stream or door.has_content(data):
                sent.first_s = trio.current_time()
