"""A whole house in one process: the daemon itself, over loopback, in front of simulated upstreams.

A test speaks to it as a tool does (`World.ask`, `World.open`), sees what the upstreams saw (`SimUpstream.requests`,
`bill_nano_usd`) and what the ledger says (`World.explain`). Leaving it checks that the books add up.
"""

from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, asynccontextmanager, contextmanager, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from unittest.mock import patch

import httptools
import msgspec
import trio

from lodestard.boot import Reader
from lodestard.cache import Cache
from lodestard.daemon import Boot, run_daemon
from lodestard.domain.clock import NS_PER_MS, Clock, SystemClock
from lodestard.house import House
from lodestard.http import HttpServer
from lodestard.ledger import Explanation, Ledger, RequestRow, verify
from lodestard.module import Module
from lodestard.panel import Panel, Places
from lodestard.prices.refresh import Prices
from lodestard.simulator.answering.question import Answer as SimAnswer
from lodestard.simulator.exchange import App, Exchange
from lodestard.simulator.paid.anthropic_app import AnthropicApp
from lodestard.simulator.paid.meter import Meter
from lodestard.simulator.paid.openai_app import OpenAIApp
from lodestard.simulator.paid.providers import PROVIDERS
from lodestard.simulator.server import Simulator
from lodestard.simulator.walltime import WallNs, system_wall_ns
from lodestard.simulator.wire import Request as SimRequest
from lodestard.simulator.world import Listener, open_simulators, simulate, simulate_provider
from lodestard.store import open_snapshot
from lodestard.systemd import Notifier
from tests.fakes import canaries
from tests.fakes.looked_at import looked_at_first
from tests.fakes.sim_client import SimReply

CHAT = "/v1/chat/completions"
KEYS = canaries.UPSTREAM_KEYS
PATIENCE_S = 20.0

# Prices are those of the simulated providers' own lists.
CONFIG = """
state_dir = "{folder}/state"

[server]
listen = ["127.0.0.1:0"]
allowed_origins = ["http://localhost:3000"]

[ledger]
baseline = "openai/gpt-4o"
timezone = "UTC"

[residency]
enabled = false     # tests of residency say otherwise

[upstreams.t600]
dialect = "ollama"
url = "{ollama}"
free = true
concurrency = 4
keep_alive = "30m"
options = {{ num_ctx = 4096 }}

[upstreams.openai]
dialect = "openai"
url = "{openai}/v1"
key = {{ env = "OPENAI_API_KEY" }}

[upstreams.xai]
dialect = "openai"
url = "{xai}/v1"
key = {{ env = "XAI_API_KEY" }}

[upstreams.gemini]
dialect = "openai"
url = "{gemini}/v1beta/openai"

[upstreams.anthropic]
dialect = "anthropic"
url = "{anthropic}/v1"
key = {{ env = "ANTHROPIC_API_KEY" }}

[upstreams.gone]
dialect = "ollama"
url = "http://127.0.0.1:{closed_port}"
free = true

[models]
auto = {{ route = ["t600/llama3.1:8b", "openai/gpt-4o-mini"] }}
"gpt-3.5-turbo" = {{ route = ["t600/deepseek-coder:6.7b"] }}
local-llama = {{ route = ["t600/llama3.1:8b"] }}
vision = {{ route = ["t600/moondream:1.8b"] }}
thinker = {{ route = ["t600/qwen3:1.7b"] }}
gpt-4o-mini = {{ route = ["openai/gpt-4o-mini"] }}
gpt-4o = {{ route = ["openai/gpt-4o"] }}
grok-beta = {{ route = ["xai/grok-beta"] }}
grok-mini = {{ route = ["xai/grok-3-mini"] }}
gemini-pro = {{ route = ["gemini/gemini-1.5-flash"] }}
claude-sonnet = {{ route = ["anthropic/claude-sonnet-4-5-20250929"] }}
unpriced = {{ route = ["openai/o4-mini"] }}
gone = {{ route = ["gone/llama3.1:8b"] }}
gone-first = {{ route = ["gone/llama3.1:8b", "t600/llama3.1:8b"] }}
paid-first = {{ route = ["openai/gpt-4o-mini", "xai/grok-beta"] }}
claude-first = {{ route = ["anthropic/claude-sonnet-4-5-20250929", "openai/gpt-4o-mini"] }}
not-there = {{ route = ["t600/mixtral:8x7b"] }}

[prices]
"openai/gpt-4o-mini" = {{ input = 0.15, output = 0.60, cache_read = 0.075, max_output_tokens = 16384 }}
"openai/gpt-4o" = {{ input = 2.50, output = 10, cache_read = 1.25, max_output_tokens = 16384 }}
"xai/grok-beta" = {{ input = 5, output = 15, max_output_tokens = 131072 }}
"xai/grok-3-mini" = {{ input = 0.30, output = 0.50, cache_read = 0.075, max_output_tokens = 131072 }}
"gemini/gemini-1.5-flash" = {{ input = 0.075, output = 0.30, max_output_tokens = 8192 }}
"anthropic/claude-sonnet-4-5-20250929" = {{ input = 3, output = 15, cache_read = 0.30, max_output_tokens = 64000 }}
"""


async def eventually(condition: Callable[[], object], what: str = "it") -> None:
    """Wait until ``condition()`` holds; fail after a few seconds."""
    with trio.move_on_after(PATIENCE_S):
        while not condition():  # noqa: ASYNC110  what is waited for has no event
            await trio.sleep(0.002)
        return
    raise AssertionError(f"waited in vain for {what}")


# -- upstreams -----------------------------------------------------------------------------------------------------


class Watched:
    """An upstream's app, with a look at what it is asked, and a gate that holds its answers."""

    def __init__(self, app: App) -> None:
        self.app = app
        self.mind = app.mind
        self.wall_ns = app.wall_ns
        self.write_refusal = app.write_refusal
        self.meter_json = app.meter_json
        self.state_json = app.state_json
        self.reset = app.reset
        self.restart = app.restart
        self.requests: list[SimRequest] = []
        self.left = 0
        self.under_way = 0
        self.gate: trio.Event | None = None
        self.hold_after = 0
        self.holds: Callable[[SimRequest], bool] = is_question

    async def answer(self, exchange: Exchange) -> None:
        self.requests.append(exchange.request)
        self.under_way += 1
        try:
            await self._answer(exchange)
        except trio.Cancelled:
            self.left += 1
            raise
        finally:
            self.under_way -= 1

    async def _answer(self, exchange: Exchange) -> None:
        if self.gate is None or not self.holds(exchange.request):
            await self.app.answer(exchange)
            return
        if self.hold_after:
            hold_sends(exchange, self.gate, self.hold_after)
        else:
            await self.gate.wait()
        await self.app.answer(exchange)


def is_question(request: SimRequest) -> bool:
    """Whether something is asked of a model: neither a look at an Ollama server, nor a load or an unload."""
    looks = request.path.startswith("/api/") and request.method == "GET"
    return not looks and not request.body.replace(b" ", b"").count(b'"messages":[]')


def is_load(request: SimRequest) -> bool:
    """Whether an Ollama server is told to load a model, or to renew its keep-alive."""
    body = request.body.replace(b" ", b"")
    return b'"messages":[]' in body and b'"keep_alive":0' not in body


def hold_sends(exchange: Exchange, gate: trio.Event, after: int) -> None:
    """Have the answer pause after so many sends."""
    send, sent = exchange.reply.send, 0

    async def held_send(data: bytes) -> None:
        nonlocal sent
        if sent >= after:
            await gate.wait()
        sent += 1
        await send(data)

    exchange.reply.send = held_send  # type: ignore[method-assign]


@dataclass(frozen=True, slots=True)
class SimUpstream:
    """One simulated upstream, as a test sees it."""

    url: str
    simulator: Simulator
    app: Watched

    @property
    def asked(self) -> int:
        """How many requests it has seen."""
        return self.simulator.requests

    @property
    def bodies(self) -> list[Any]:
        """The bodies of the requests that it has seen, decoded."""
        return [msgspec.json.decode(request.body) for request in self.app.requests]

    @property
    def meter(self) -> Meter:
        assert isinstance(self.app.app, OpenAIApp | AnthropicApp)
        return self.app.app.desk.meter

    @property
    def bill_nano_usd(self) -> int:
        """What it has billed by its own meter; nothing where it has none."""
        return self.meter.nano_usd if isinstance(self.app.app, OpenAIApp | AnthropicApp) else 0

    def fail(self, *faults: str | None) -> None:
        """The next requests go wrong like this (`lodestard.simulator.faults`), one each."""
        self.simulator.faults.queue(faults)

    def say(self, *answers: SimAnswer | str) -> None:
        """The next answers, one each."""
        self.app.mind.queue(answers)

    @contextmanager
    def held(self, after: int = 0, what: Callable[[SimRequest], bool] = is_question) -> Iterator[None]:
        """Inside, answers wait: before their first byte, or after so many sends. Leaving lets them go."""
        gate = self.app.gate = trio.Event()
        self.app.hold_after, self.app.holds = after, what
        try:
            yield
        finally:
            gate.set()
            self.app.gate = None

    async def wait_asked(self, count: int = 1) -> None:
        await eventually(lambda: self.asked >= count, f"request {count}; seen {self.asked}")

    @property
    def questions(self) -> list[SimRequest]:
        """What was asked of its models, without looks, loads and unloads."""
        return [request for request in self.app.requests if is_question(request)]

    async def wait_questions(self, count: int = 1) -> None:
        await eventually(lambda: len(self.questions) >= count, f"question {count}; seen {len(self.questions)}")

    async def wait_held(self) -> None:
        """Until an answer waits for the gate: it has said what it says before."""
        gate = self.app.gate
        assert gate is not None
        await eventually(lambda: gate.statistics().tasks_waiting, "an answer that waits")

    async def wait_left(self, count: int = 1) -> None:
        """Until so many answers were given up because we hung up."""
        await eventually(lambda: self.app.left >= count, f"hang-up {count}; seen {self.app.left}")

    async def wait_idle(self) -> None:
        await eventually(lambda: not self.app.under_way, "the end of its answers")


class Stage(msgspec.Struct, frozen=True):
    """What else a house is opened with: modules, a clock that its upstreams share, more of the environment."""

    modules: Sequence[Module] = ()
    clock: Clock = SystemClock()
    environ: Mapping[str, str] = {}

    def wall_ns(self) -> int:
        return self.clock.now_ms() * NS_PER_MS


def make_simulator(kind: str, wall_ns: WallNs = system_wall_ns) -> Simulator:
    """An upstream of that kind that takes no time; those with a key insist on it."""
    key = KEYS.get(f"{kind.upper()}_API_KEY")
    if kind in PROVIDERS:
        simulator = simulate_provider(msgspec.structs.replace(PROVIDERS[kind], key=key), wall_ns=wall_ns)
    else:
        simulator = simulate(Listener(kind=kind), "instant", wall_ns=wall_ns)
    simulator.app = Watched(simulator.app)
    return simulator


# -- the client ----------------------------------------------------------------------------------------------------


class Answer(SimReply):
    """What came back. ``ended``: whole, cut or reset; "open" while it is still coming."""

    @property
    def id(self) -> str:
        return self.headers["x-lodestar-request-id"]

    @property
    def lodestar(self) -> dict[str, str]:
        """The headers of ours, without what they all begin with."""
        ours = {name: value for name, value in self.headers.items() if name.startswith("x-lodestar-")}
        return {name.removeprefix("x-lodestar-"): value for name, value in ours.items()}

    @property
    def is_stream(self) -> bool:
        return self.headers.get("content-type", "").startswith("text/event-stream")

    @property
    def chunks(self) -> list[Any]:
        """The chunks of a stream, without ``[DONE]``."""
        return [event for event in self.events if event != "[DONE]"]

    @property
    def text(self) -> str:
        """The first choice's text, plain or streamed."""
        if not self.is_stream:
            return str(self.json["choices"][0]["message"]["content"])
        deltas = [choice["delta"] for chunk in self.chunks for choice in chunk.get("choices", ())]
        return "".join(delta.get("content") or "" for delta in deltas)

    @property
    def usage(self) -> Any:
        """Usage, plain or streamed; None where there is none."""
        if not self.is_stream:
            return self.json.get("usage")
        told = [chunk["usage"] for chunk in self.chunks if chunk.get("usage")]
        return told[-1] if told else None

    @property
    def error(self) -> Any:
        """The error object: of the body, or of the stream's last event."""
        return (self.chunks[-1] if self.is_stream else self.json)["error"]


class Talk:
    """One connection of a client's."""

    def __init__(self, stream: trio.SocketStream, address: str) -> None:
        self._stream = stream
        self._address = address
        self._parser = httptools.HttpResponseParser(Answer())
        self._bodiless = False
        self.answer = Answer()

    async def send(
        self, method: str, path: str, body: object = None, headers: Mapping[str, str] | None = None
    ) -> None:
        """Send a request. A body that is no bytes is encoded as JSON."""
        data = body if isinstance(body, bytes) else b"" if body is None else msgspec.json.encode(body)
        fields = {"host": self._address, "user-agent": "journey/1", **(headers or {})}
        if body is not None:
            fields = {"content-type": "application/json", "content-length": str(len(data)), **fields}
        lines = [f"{method} {path} HTTP/1.1", *(f"{name}: {value}" for name, value in fields.items() if value)]
        await self._stream.send_all("\r\n".join(lines).encode() + b"\r\n\r\n" + data)
        self._bodiless = method == "HEAD"
        self.answer = Answer()
        self.answer.ended = "open"
        self._parser = httptools.HttpResponseParser(self.answer)

    async def receive(self) -> Answer:
        """The rest of the answer."""
        while self.answer.ended == "open":
            await self._receive_some()
        return self.answer

    async def receive_until(self, text: bytes) -> Answer:
        """The answer as far as it takes to see ``text`` in its body."""
        while text not in self.answer.body:
            assert self.answer.ended == "open", f"{text!r} never came, but {self.answer.body[-500:]!r}"
            await self._receive_some()
        return self.answer

    async def receive_head(self) -> Answer:
        """The answer as far as it takes to have its head."""
        while not self.answer.status:
            assert self.answer.ended == "open"
            await self._receive_some()
        return self.answer

    async def _receive_some(self) -> None:
        answer = self.answer
        try:
            with trio.fail_after(PATIENCE_S):
                data = await self._stream.receive_some(65536)
        except trio.BrokenResourceError:
            answer.ended = "reset"
            return
        if not data:
            answer.ended = "cut"
            return
        canaries.require_none(data, "an answer")
        self._parser.feed_data(data)
        answer.status = self._parser.get_status_code()
        if self._bodiless and answer.headers:
            answer.ended = "whole"

    async def leave(self) -> None:
        """Hang up."""
        await self._stream.aclose()


# -- the house -----------------------------------------------------------------------------------------------------


@dataclass(slots=True, eq=False)
class World:
    """The house, its upstreams and its ledger."""

    folder: Path
    house: House
    ledger: Ledger
    cache: Cache
    prices: Prices
    proxy: HttpServer
    upstreams: Mapping[str, SimUpstream]
    panel: Panel

    @property
    def ollama(self) -> SimUpstream:
        return self.upstreams["ollama"]

    @property
    def openai(self) -> SimUpstream:
        return self.upstreams["openai"]

    @property
    def xai(self) -> SimUpstream:
        return self.upstreams["xai"]

    @property
    def address(self) -> str:
        return self.proxy.addresses[0]

    @asynccontextmanager
    async def open(self) -> AsyncIterator[Talk]:
        """A connection to the house."""
        host, port = self.address.rsplit(":", 1)
        stream = await trio.open_tcp_stream(host, int(port))
        try:
            yield Talk(stream, self.address)
        finally:
            await trio.aclose_forcefully(stream)

    async def request(
        self, method: str, path: str, body: object = None, headers: Mapping[str, str] | None = None
    ) -> Answer:
        """One request on a connection of its own."""
        async with self.open() as talk:
            await talk.send(method, path, body, headers)
            return await talk.receive()

    async def ask(
        self,
        alias: str,
        text: str = "Tell me something.",
        *,
        headers: Mapping[str, str] | None = None,
        **members: Any,
    ) -> Answer:
        """Ask ``alias``; ``members`` are more members of the body."""
        return await self.request("POST", CHAT, chat(alias, text, **members), headers)

    async def explain(self, answer: Answer | str) -> Explanation:
        """What the ledger knows of an answer (or a request id)."""
        found = await self.ledger.reports.explain(answer if isinstance(answer, str) else answer.id)
        assert found is not None
        return found

    async def rows(self) -> list[RequestRow]:
        """All requests of the ledger, the oldest first, once none is open."""
        await self.settle()
        return list(reversed(await self.ledger.reports.requests(limit=1000)))

    async def row(self) -> RequestRow:
        """The only request of the ledger."""
        (row,) = await self.rows()
        return row

    async def wait_open(self, count: int) -> None:
        """Until so many requests are under way."""
        await eventually(lambda: self.ledger.totals().open_requests >= count, f"{count} open requests")

    async def settle(self) -> None:
        """Until no request is under way."""
        await eventually(lambda: not self.ledger.totals().open_requests, "the end of all requests")
        await eventually(lambda: not self.house.runtime.flights.under_way, "the landing of all flights")


def chat(alias: str, text: str = "Tell me something.", **members: Any) -> dict[str, Any]:
    """The body of a chat request."""
    return {"model": alias, "messages": [{"role": "user", "content": text}], **members}


PLAIN = Stage()


@asynccontextmanager
async def open_world(
    folder: Path,
    overlay: str = "",
    *,
    around: AbstractContextManager[object] | None = None,
    stage: Stage = PLAIN,
) -> AsyncIterator[World]:
    """A house that serves, on ports of its own. ``overlay`` is TOML that is laid over ``CONFIG``, where ``{openai}``
    and its like stand for the upstreams' URLs; ``around`` is open for as long as the house is.

    Leaving checks the ledger: its file adds up, nothing is held, and what the upstreams billed was charged.
    """
    simulators = {Listener(kind=kind): make_simulator(kind, stage.wall_ns) for kind in ("ollama", *PROVIDERS)}
    with trio.socket.socket() as closed:
        await closed.bind(("127.0.0.1", 0))  # bound and not listening: whoever dials it is refused
        async with open_simulators(simulators) as opened:
            upstreams = {one.kind: see(one.url, one.simulator) for one in opened}
            reader = write_config(folder, upstreams, closed.getsockname()[1], overlay)
            reader = replace(reader, environ={**KEYS, **stage.environ}, modules=stage.modules)
            with around or nullcontext():
                async with open_house(reader, folder, upstreams, stage.clock) as world:
                    yield world
                    await world.settle()
    with looked_at_first("a ledger that adds up"):
        check_books(folder / "state" / "ledger.db", sum(upstream.bill_nano_usd for upstream in upstreams.values()))
    for name, upstream in upstreams.items():
        assert not upstream.simulator.crashes, f"{name} crashed: {upstream.simulator.crashes}"


def see(url: str, simulator: Simulator) -> SimUpstream:
    assert isinstance(simulator.app, Watched)
    return SimUpstream(url, simulator, simulator.app)


def write_config(folder: Path, upstreams: Mapping[str, SimUpstream], closed_port: int, overlay: str) -> Reader:
    """The configuration as files, read by the daemon's own reader."""
    urls = {kind: upstream.url for kind, upstream in upstreams.items()}
    file = folder / "lodestard.toml"
    file.write_text(CONFIG.format(folder=folder, closed_port=closed_port, **urls))
    if overlay:
        (folder / "conf.d").mkdir()
        for kind, url in urls.items():
            overlay = overlay.replace(f"{{{kind}}}", url)
        (folder / "conf.d" / "journey.toml").write_text(overlay)
    return Reader(file, KEYS, ())


@asynccontextmanager
async def open_house(
    reader: Reader, folder: Path, upstreams: Mapping[str, SimUpstream], clock: Clock | None = None
) -> AsyncIterator[World]:
    """The daemon, whole, in this process. Its rooms are seen through the panel of its control socket."""
    panels: list[Panel] = []
    ready = trio.Event()

    def open_panel(*rooms: Any) -> Panel:
        panels.append(Panel(*rooms))
        return panels[-1]

    with looked_at_first("a house that reads its configuration"):
        plan = reader.read_plan()
    boot = Boot(
        read_plan=reader.read_plan,
        write_change=reader.write_change,
        plan=plan,
        places=Places(reader.config_file, folder / "state", folder / "control.sock"),
        sockets={},
        notifier=Notifier(None),
        watchdog_s=None,
        announce=lambda _addresses: ready.set(),
    )

    async with trio.open_nursery() as nursery:
        with patch("lodestard.daemon.Panel", open_panel), looked_at_first("a house that opens"):
            nursery.start_soon(run_daemon, boot, clock)
            await ready.wait()
        (panel,) = panels
        yield World(folder, panel.house, panel.ledger, panel.cache, panel.prices, panel.proxy, upstreams, panel)
        nursery.cancel_scope.cancel()


def check_books(file: Path, billed: int) -> None:
    """The ledger adds up, nothing is held, and what was billed is in it: exactly, where nothing is unknown."""
    with open_snapshot(file) as snapshot:
        report = verify(snapshot, idle=True)
    assert report.ok, report.problems
    spent, unknown = report.books.get("spent", 0), report.books.get("unknown", 0)
    assert spent + unknown >= billed, f"the upstreams billed {billed}, the ledger has {report.books}"
    assert unknown or spent == billed, f"the upstreams billed {billed}, the ledger has {report.books}"
