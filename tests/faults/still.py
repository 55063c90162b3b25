"""A whole house on the mock clock, before simulated upstreams that answer as slowly as they are told to.

Everything of ours is real: listener, hallway, ledger (inline, in a folder in memory), residency, pools. Clients come
over a Unix socket; the upstreams are in-memory streams. So a second is over when nobody has anything left to do in
it, and how long something took is exact.
"""

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, AbstractContextManager, asynccontextmanager, nullcontext
from dataclasses import dataclass, field
from decimal import Decimal
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Any
from unittest.mock import patch

import msgspec
import trio

from lodestard.budget.rules import read_rules
from lodestard.cache import open_cache
from lodestard.domain.host_ports import ModelHost
from lodestard.domain.price import Quote
from lodestard.domain.secret import Secret
from lodestard.domain.settings import Budget, Settings, Upstream
from lodestard.doors import write_proxy_fault
from lodestard.endpoints import Endpoints
from lodestard.generation import Blueprint, Foundation, open_runtime
from lodestard.hooks import Signal
from lodestard.http import HttpServer
from lodestard.http.listeners import open_unix_listener
from lodestard.ledger import SCHEMA, Ledger, LedgerOptions, open_ledger
from lodestard.residency.card import Card
from lodestard.residency.room import Residency as CardRoom
from lodestard.residency.room import open_residency
from lodestard.runtime import Runtime
from lodestard.simulator.card.figures import INSTANT, Machine
from lodestard.simulator.exchange import Exchange
from lodestard.simulator.faults import parse_fault
from lodestard.simulator.ollama.app import OllamaApp
from lodestard.simulator.paid.openai_app import OpenAIApp
from lodestard.simulator.paid.providers import PROVIDERS
from lodestard.simulator.reply import FaultyReply, Framing
from lodestard.simulator.server import Simulator
from lodestard.simulator.wire import Request as SimRequest
from lodestard.simulator.world import simulate_ollama, simulate_provider
from lodestard.store import StoreOptions, open_store, run_inline
from lodestard.upstream.faults import Blame
from lodestard.upstream.model_host import open_model_host
from tests.fakes.rooms import TrioClock, no_secret
from tests.fakes.sim_dial import dialler
from tests.fakes.world import chat
from tests.faults.reading import Seen, read, write_request

LLAMA, CODER, PAID = "llama3.1:8b", "deepseek-coder:6.7b", "gpt-4o-mini"
HEAD_S, IDLE_S, PLAIN_S, LOAD_S = 20.0, 10.0, 40.0, 30.0
AGES_S = 100_000.0
PRICES = {"input": Decimal("0.15"), "output": Decimal("0.60"), "max_output_tokens": 16384}


def settle(poll_s: float = 15.0) -> Settings:
    """One card with two models, one paid provider, and short deadlines of different lengths."""
    limits = {"first_byte_timeout_s": HEAD_S, "idle_timeout_s": IDLE_S, "plain_timeout_s": PLAIN_S}
    card = {"dialect": "ollama", "url": "http://127.0.0.1:11434", "free": True, "load_timeout_s": LOAD_S}
    paid = {"dialect": "openai", "url": "http://127.0.0.1:8443/v1", "key": {"env": "NO_SUCH_KEY"}}
    routes = {
        "llama": [f"t600/{LLAMA}"],
        "coder": [f"t600/{CODER}"],
        "paid": [f"openai/{PAID}"],
        "llama-or-paid": [f"t600/{LLAMA}", f"openai/{PAID}"],
    }
    return msgspec.convert(
        {
            "upstreams": {
                "t600": {**card, **limits, "keep_alive": "30m", "options": {"num_ctx": 4096}},
                "openai": {**paid, **limits},
            },
            "models": {alias: {"route": route} for alias, route in routes.items()},
            "residency": {"predict": False, "poll_s": poll_s},
            "cache": {"enabled": False},
            "prices": {f"openai/{PAID}": PRICES},
        },
        Settings,
    )


def kind_of(request: SimRequest) -> str:
    """What an upstream is asked: ``ps``, ``version``, ``tags``, ``load``, ``unload`` or ``question``."""
    if request.method != "POST":
        return request.path.rpartition("/")[2]
    body = msgspec.json.decode(request.body)
    if body["messages"]:
        return "question"
    return "unload" if body.get("keep_alive") == 0 else "load"


class SlowSimulator(Simulator):
    """A simulator whose answers go wrong by what they are to: ``faults_of`` kind, until it is taken out again."""

    def __init__(self, plain: Simulator) -> None:
        super().__init__(plain.app, plain.faults)
        self.faults_of: dict[str, str] = {}
        self.seen: list[tuple[float, str]] = []

    def _exchange(self, request: SimRequest, stream: trio.abc.Stream, framing: Framing) -> Exchange:
        kind = kind_of(request)
        self.seen.append((trio.current_time(), kind))
        if kind not in self.faults_of:
            return super()._exchange(request, stream, framing)
        fault = parse_fault(self.faults_of[kind])
        return Exchange(request, FaultyReply(stream, framing, fault), fault, -1)


@dataclass
class Still:
    """The house, its books, and what is behind it."""

    path: str
    ledger: Ledger
    runtime: Runtime
    room: CardRoom
    proxy: HttpServer
    ollama: SlowSimulator
    openai: SlowSimulator
    took_s: dict[str, float] = field(default_factory=dict)

    @property
    def card(self) -> Card:
        return self.room._keepers["t600"].card

    @property
    def gpu(self) -> OllamaApp:
        assert isinstance(self.ollama.app, OllamaApp)
        return self.ollama.app

    @property
    def bill_nano_usd(self) -> int:
        assert isinstance(self.openai.app, OpenAIApp)
        return self.openai.app.desk.meter.nano_usd

    async def ask(self, alias: str, text: str = "hello", *, stream: bool = False) -> tuple[Seen, float]:
        """One request, and the seconds that it took. Raises ``trio.TooSlowError`` after ages."""
        began_s = trio.current_time()
        received = bytearray()
        async with await trio.open_unix_socket(self.path) as connection:
            await connection.send_all(write_request(chat(alias, text, stream=stream)))
            with trio.fail_after(AGES_S):
                try:
                    while data := await connection.receive_some(65536):
                        received += data
                except trio.BrokenResourceError:
                    pass
        return read(bytes(received)), trio.current_time() - began_s

    async def note(self, name: str, alias: str, *, stream: bool = False) -> None:
        """``ask``, its seconds in ``took_s`` under this name; negative where it failed."""
        seen, took_s = await self.ask(alias, name, stream=stream)
        self.took_s[name] = took_s if seen.succeeded else -took_s

    async def come_to_rest(self) -> None:
        """Everything is back: seats, places, holds; nobody is answered by the card."""
        await trio.sleep(AGES_S / 100)
        totals = self.ledger.totals()
        assert (totals.held_nano_usd, totals.open_requests) == (0, 0), totals
        assert not self.runtime.flights.under_way
        assert not self.proxy.exchanges
        for name, status in self.runtime.sender.status.items():  # type: ignore[attr-defined]
            assert not status.leased, f"a connection of {name} is still out: {status}"
            assert not status.waiting, f"somebody waits for {name}: {status}"
        state = self.card.state
        assert not state.queue, f"places that are waited for: {state.queue}"
        assert not state.running, f"places that were not given back: {state.running}"
        assert not any(runner.in_use for runner in self.gpu.scheduler.loaded()), "the GPU is not free"
        assert self.ollama.crashes == self.openai.crashes == []


@asynccontextmanager
async def open_still(
    folder: Path,
    machine: Machine = INSTANT,
    *,
    faults: Mapping[str, str] = MappingProxyType({}),
    budgets: Mapping[str, Budget] = MappingProxyType({}),
    poll_s: float = 15.0,
) -> AsyncIterator[Still]:
    """The house, its Ollama on ``machine`` and with these ``faults_of`` it; leaving it checks that all is at rest."""
    settings, clock = settle(poll_s), TrioClock()

    def wall_ns() -> int:
        return clock.now_ms() * 1_000_000

    ollama = SlowSimulator(simulate_ollama(machine, wall_ns=wall_ns))
    ollama.faults_of.update(faults)
    openai = SlowSimulator(simulate_provider(PROVIDERS["openai"], wall_ns=wall_ns))
    async with trio.open_nursery() as nursery:
        dials = {"t600": dialler(ollama, nursery), "openai": dialler(openai, nursery)}

        def open_host(name: str, upstream: Upstream, key: str) -> AbstractAsyncContextManager[ModelHost]:
            return open_model_host(name, upstream, key, dial=dials[name])

        def dial_of(blame: Blame, **_settings: object) -> Callable[[], Any]:
            return dials[blame.upstream]

        options = StoreOptions(durable=False)
        rules = LedgerOptions(timezone="UTC", strict=True, rules=read_rules(budgets))
        async with (
            open_store(folder / "ledger.db", [SCHEMA], options=options, clock=clock, run=run_inline) as store,
            open_ledger(store, clock, options=rules) as ledger,
            open_cache(settings.cache, None, clock) as cache,
            open_residency(open_host, clock) as room,
        ):
            room.configure(settings, {})
            foundation = Foundation(
                clock=clock,
                ledger=ledger,
                cache=cache,
                prices=NoQuotes(),
                ended=Signal("request_ended"),
                started_s=0,
                state_dir=folder,
                timezone="UTC",
                residency=room,
            )
            blueprint = Blueprint(
                settings=settings,
                keys={"openai": Secret("sk-still")},
                keys_missing={},
                modules=(),
                secret=no_secret,
            )
            with patch("lodestard.upstream.pool.Dialler", dial_of):
                async with open_runtime(foundation, blueprint) as runtime, serve(runtime, folder) as proxy:
                    still = Still(str(folder / "proxy.sock"), ledger, runtime, room, proxy, ollama, openai)
                    yield still
                    await still.come_to_rest()
        nursery.cancel_scope.cancel()


class NoQuotes:
    """Prices are in the configuration."""

    quotes: Mapping[str, Quote] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class OneGeneration:
    """A house that never reloads."""

    runtime: Runtime
    ready: bool = True
    why_not_ready: str = ""

    def serving(self) -> AbstractContextManager[Runtime]:
        return nullcontext(self.runtime)


@asynccontextmanager
async def serve(runtime: Runtime, folder: Path) -> AsyncIterator[HttpServer]:
    """The house's listener, on a Unix socket."""
    server = HttpServer(
        Endpoints(OneGeneration(runtime)),
        limits=runtime.settings.server.limits,
        clock=runtime.clock,
        allowed_hosts=None,
        allowed_origins=frozenset(),
        write_fault=write_proxy_fault,
        load=runtime.flights.load,
    )
    listener = await open_unix_listener(str(folder / "proxy.sock"))
    async with trio.open_nursery() as nursery:
        await nursery.start(partial(server.serve, [listener]))
        yield server
        nursery.cancel_scope.cancel()
