"""The real gateway over the simulated Ollama, in one process and on trio's mock clock.

Everything of ours is real: listener, hallway, ledger (its file in memory, its writer in the loop), admission, pool.
Only the network is not: clients come over a Unix socket, upstream connections are socket pairs, where what one end
sends is at the other end at once. So a clock that jumps as soon as nobody can run never jumps too early.
``MODES`` and ``settings_of`` are the one place that knows what residency on or off means.
"""

import socket
import tempfile
from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager, AbstractContextManager, asynccontextmanager, nullcontext
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import MappingProxyType
from unittest.mock import patch

import trio

from lodestard.cache import open_cache
from lodestard.domain.host_ports import Keepsake, ModelHost
from lodestard.domain.price import Quote
from lodestard.domain.settings import Cache, Model, Residency, Settings, Upstream
from lodestard.doors import write_proxy_fault
from lodestard.endpoints import Endpoints
from lodestard.generation import Blueprint, Foundation, open_runtime
from lodestard.hooks import Signal
from lodestard.http import HttpServer
from lodestard.http.listeners import open_unix_listener
from lodestard.keeping import kept
from lodestard.ledger import SCHEMA, LedgerOptions, open_ledger
from lodestard.residency.room import Residency as CardRoom
from lodestard.residency.room import open_residency
from lodestard.runtime import Runtime
from lodestard.simulator.answering.question import Answer, Question
from lodestard.simulator.card.figures import Machine
from lodestard.simulator.card.figures import Model as SimModel
from lodestard.simulator.ollama.app import OllamaApp
from lodestard.simulator.server import Simulator
from lodestard.simulator.world import simulate_ollama
from lodestard.store import StoreOptions, open_store, run_inline
from lodestard.upstream.model_host import open_model_host
from lodestard.upstream.wire import RECEIVE_BYTES, TcpWire
from tests.bench.gpu.doors import ALIASES, Connect, Door, Lodestard, Ollama
from tests.bench.gpu.machines import NUM_CTX
from tests.bench.gpu.traffic import ANY_LOCAL, DEEPSEEK, LLAMA, Workload
from tests.fakes.rooms import TrioClock, no_secret

MEMORY = "/dev/shm" if Path("/dev/shm").is_dir() else None
MODES = ("fifo", "residency", "taught", "direct", "agreed")
RESIDENT = ("residency", "taught")
"""``fifo``: through lodestard, residency off: the baseline. ``residency``: the same with it on, and as on its first
day. ``taught``: the same again, but it remembers a run of another seed, as a daemon does that was restarted.
``direct``: each client straight to Ollama, with its own options. ``agreed``: the same, but all with the pinned
options."""


def settings_of(mode: str) -> Settings:
    """What lodestard is told in this mode: what ``config/lodestard.toml`` ships, with residency or without."""
    upstream = Upstream(
        dialect="ollama",
        url="http://127.0.0.1:11434",
        free=True,
        connections=16,
        concurrency=1,
        load_timeout_s=300.0,
        keep_alive="30m",
        options={"num_ctx": NUM_CTX},
    )
    models = {alias: Model(route=(f"t600/{model}",)) for model, alias in ALIASES.items()}
    models[ANY_LOCAL] = Model(route=(f"t600/{LLAMA}", f"t600/{DEEPSEEK}"), soonest=True)
    residency = Residency(enabled=mode in RESIDENT)
    return Settings(upstreams={"t600": upstream}, models=models, cache=Cache(disk=False), residency=residency)


@dataclass(slots=True)
class Card:
    """The simulated server's side: when each request's service began, and when no model was ready (``gaps_s``).

    ``memory`` is what residency has learned: from an earlier run, and after the run from this one too.
    """

    simulator: Simulator
    answers: dict[str, str]
    started_s: dict[str, float]
    gaps_s: list[tuple[float, float]]
    swaps: int = 0
    gap_since_s: float | None = None
    there: int = 0
    most_there: int = 0
    memory: bytes = b""

    @property
    def app(self) -> OllamaApp:
        assert isinstance(self.simulator.app, OllamaApp)
        return self.simulator.app

    def answer(self, question: Question) -> Answer | None:
        """The simulator asks as soon as the request has its model: that is when its service begins."""
        self.started_s[question.last_user] = trio.current_time()
        text = self.answers.get(question.last_user)
        return None if text is None else Answer(text=text)

    def note(self, what: str, _model: SimModel) -> None:
        now_s = trio.current_time()
        self.swaps += what == "load"
        self.there += {"ready": 1, "kill": -1}.get(what, 0)
        self.most_there = max(self.most_there, self.there)
        if what == "ready":
            if self.gap_since_s is not None:
                self.gaps_s.append((self.gap_since_s, now_s))
            self.gap_since_s = None
        elif self.gap_since_s is None:
            self.gap_since_s = now_s

    async def connect(self, nursery: trio.Nursery) -> trio.SocketStream:
        """A new connection to it."""
        ours, theirs = trio.socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
        nursery.start_soon(self.simulator.serve_stream, trio.SocketStream(theirs))
        await trio.lowlevel.checkpoint()
        return trio.SocketStream(ours)


def make_card(machine: Machine, workload: Workload) -> Card:
    answers = {ask.key: ask.answer for ask in workload.asks}
    assert len(answers) == len(workload.asks), "two requests can't be told apart"
    card = Card(simulate_ollama(machine, wall_ns=lambda: 1_790_000_000_000_000_000), answers, {}, [])
    card.app.mind._script = card.answer
    card.app.scheduler.on_news = card.note
    return card


@dataclass(frozen=True, slots=True)
class Place:
    """Where clients go."""

    door: Door
    connect: Connect


@asynccontextmanager
async def open_place(mode: str, card: Card) -> AsyncIterator[Place]:
    """Where the clients of this mode go, for as long as the block lasts."""
    async with trio.open_nursery() as nursery:
        connect = partial(card.connect, nursery)
        if mode in ("fifo", *RESIDENT):
            async with open_lodestard(settings_of(mode), connect, CardMemory(card)) as path:
                yield Place(Lodestard(), partial(trio.open_unix_socket, path))
        else:
            yield Place(Ollama(agreed=mode == "agreed"), connect)
        nursery.cancel_scope.cancel()


@asynccontextmanager
async def open_lodestard(settings: Settings, connect: Connect, keepsake: Keepsake) -> AsyncIterator[str]:
    """The gateway with these settings, its upstream connections from ``connect``. Gives the path of its socket."""
    clock = TrioClock()
    with tempfile.TemporaryDirectory(prefix="bench-gpu-", dir=MEMORY) as folder:
        async with (
            open_store(
                Path(folder) / "ledger.db", [SCHEMA], options=StoreOptions(durable=False), clock=clock, run=run_inline
            ) as store,
            open_ledger(store, clock, options=LedgerOptions(timezone="UTC")) as ledger,
            open_cache(settings.cache, None, clock) as cache,
            open_cards(settings, clock, connect, keepsake) as residency,
        ):
            foundation = Foundation(
                clock=clock,
                ledger=ledger,
                cache=cache,
                prices=NoPrices(),
                ended=Signal("request_ended, of all generations"),
                started_s=0,
                state_dir=Path(folder),
                timezone="UTC",
                residency=residency,
            )
            blueprint = Blueprint(settings=settings, keys={}, keys_missing={}, modules=(), secret=no_secret)
            with patch("lodestard.upstream.pool.Dialler", partial(PairDialler, connect)):
                async with open_runtime(foundation, blueprint) as runtime, serve(runtime, folder) as path:
                    yield path


@asynccontextmanager
async def open_cards(
    settings: Settings, clock: TrioClock, connect: Connect, keepsake: Keepsake
) -> AsyncIterator[CardRoom]:
    """Residency, as the daemon opens it, with its own connections to the server."""

    def open_host(name: str, upstream: Upstream, key: str) -> AbstractAsyncContextManager[ModelHost]:
        return open_model_host(name, upstream, key, dial=PairDialler(connect, None))

    async with (
        open_residency(open_host, clock, await keepsake.load()) as residency,
        kept(residency, keepsake, "the cards"),
    ):
        residency.configure(settings, {})
        yield residency


class NoKeepsake:
    """Nothing is known from before, and nothing is kept."""

    async def load(self) -> bytes:
        return b""

    async def save(self, data: bytes) -> None:
        """Forgotten."""


@dataclass(frozen=True, slots=True)
class CardMemory:
    """What residency has learned goes where the run's card is."""

    card: Card

    async def load(self) -> bytes:
        return self.card.memory

    async def save(self, data: bytes) -> None:
        """In place of what was there."""
        self.card.memory = data


@asynccontextmanager
async def serve(runtime: Runtime, folder: str) -> AsyncIterator[str]:
    """Its listener, on a Unix socket."""
    path = f"{folder}/proxy.sock"
    server = HttpServer(
        Endpoints(OneGeneration(runtime)),
        limits=runtime.settings.server.limits,
        clock=runtime.clock,
        allowed_hosts=None,
        allowed_origins=frozenset(),
        write_fault=write_proxy_fault,
    )
    listener = await open_unix_listener(path)
    async with trio.open_nursery() as nursery:
        await nursery.start(partial(server.serve, [listener]))
        yield path
        nursery.cancel_scope.cancel()


@dataclass(frozen=True, slots=True)
class OneGeneration:
    """A house that never reloads."""

    runtime: Runtime
    ready: bool = True
    why_not_ready: str = ""

    def serving(self) -> AbstractContextManager[Runtime]:
        return nullcontext(self.runtime)


class NoPrices:
    """Nothing costs anything here."""

    quotes: Mapping[str, Quote] = MappingProxyType({})


class PairDialler:
    """Stands for ``lodestard.upstream.dial.Dialler``."""

    def __init__(self, connect: Connect, _blame: object, **_settings: object) -> None:
        self._connect = connect
        self._buffer = memoryview(bytearray(RECEIVE_BYTES))

    async def __call__(self) -> TcpWire:
        return TcpWire(await self._connect(), self._buffer)
