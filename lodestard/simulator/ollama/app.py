"""The simulated Ollama server: its routes, its errors, its state.

Law: every answer is Ollama's (v0.33) down to the shape of its errors. Owner of the scheduler and of the answers.
"""

import ipaddress
from collections.abc import Awaitable, Callable, Mapping, Sequence

import msgspec
import trio

from lodestard.simulator.answering.mind import Mind
from lodestard.simulator.answering.question import Json, Script
from lodestard.simulator.card.figures import Machine, Model
from lodestard.simulator.card.scheduler import BusyError, Claim, LoadError, Scheduler
from lodestard.simulator.exchange import Exchange, Refusal
from lodestard.simulator.ollama import catalogue
from lodestard.simulator.ollama.embedding import answer_embed, answer_embeddings
from lodestard.simulator.ollama.generation import PLAIN, CardFullError, Job, Timings, generate
from lodestard.simulator.ollama.prompting import (
    Prompting,
    fit_turns,
    question_of,
    read_body,
    read_chat,
    read_generate,
    render,
    runner_options,
)
from lodestard.simulator.ollama.shapes import ChatShape, GenerateShape, Shape
from lodestard.simulator.ollama.shelf import Shelf, answer_delete, answer_pull
from lodestard.simulator.walltime import WallNs

_FULL = "an error was encountered while running the model: CUDA error: out of memory"
_BUSY = "server busy, please try again.  maximum pending requests exceeded"
Route = Callable[[Exchange], Awaitable[None]]


class OllamaApp:
    """One Ollama server."""

    def __init__(self, machine: Machine, *, wall_ns: WallNs, script: Script | None = None) -> None:
        self.machine = machine
        self.scheduler = Scheduler(machine)
        self.mind = Mind(script)
        self.wall_ns = wall_ns
        self.shelf = Shelf(machine, wall_ns())
        self.restarts = 0
        self._seen: dict[str, int] = {}
        self._calls = 0
        self._routes: dict[tuple[str, str], Route] = {
            ("GET", "/"): self._root,
            ("GET", "/api/version"): self._version,
            ("GET", "/api/tags"): self._tags,
            ("GET", "/api/ps"): self._ps,
            ("POST", "/api/show"): self._show,
            ("POST", "/api/pull"): self._pull,
            ("DELETE", "/api/delete"): self._delete,
            ("POST", "/api/chat"): self._chat,
            ("POST", "/api/generate"): self._generate,
            ("POST", "/api/embed"): self._embed,
            ("POST", "/api/embeddings"): self._embeddings,
        }

    async def answer(self, exchange: Exchange) -> None:
        """Answers one request. Raises `Refusal`. Cancelled: a load is aborted, a generation ends."""
        method, path = exchange.request.method, exchange.request.path
        self._seen[path] = self._seen.get(path, 0) + 1
        if self.machine.server.checks_host and not is_local_host(exchange.request.header("host") or ""):
            await exchange.reply.whole(403, (), b"")
            return
        route = self._routes.get(("GET" if method == "HEAD" else method, path))
        if route is None:
            await self._no_route(exchange)
            return
        try:
            await route(exchange)
        except BusyError:
            raise Refusal(503, _BUSY) from None
        except LoadError as error:
            raise Refusal(500, str(error)) from None

    def write_refusal(self, refusal: Refusal, _index: int, /) -> tuple[Sequence[tuple[str, str]], bytes]:
        return PLAIN, msgspec.json.encode({"error": refusal.message})

    def meter_json(self) -> Json:
        """Seconds, tokens and bytes as `Tally` has them; ``card_bytes`` is what ``most_bytes`` must not exceed."""
        scheduler = self.scheduler
        return {
            "requests": dict(self._seen),
            "loads": scheduler.loads,
            "aborted_loads": scheduler.aborted_loads,
            "restarts": self.restarts,
            **msgspec.structs.asdict(scheduler.tally),
            "card_bytes": self.machine.card.vram_bytes,
            "nano_usd": 0,
        }

    def state_json(self) -> Json:
        scheduler = self.scheduler
        names = [runner.model.name for runner in scheduler.loaded()]
        return {
            "loaded": names,
            "loading": scheduler.loading,
            "waiting": scheduler.waiting,
            "aborted_loads": scheduler.aborted_loads,
        }

    def reset(self) -> None:
        self._seen.clear()
        self.restarts = 0
        self.mind.clear()
        self.scheduler.clear()
        self.shelf.refill()

    def restart(self, again: Mapping[str, Json]) -> None:
        """``version`` and ``tells_context``, where given, are those of the server that is up afterwards."""
        self.restarts += 1
        self.scheduler.restart()
        server = self.machine.server
        server = msgspec.structs.replace(
            server,
            version=str(again.get("version") or server.version),
            tells_context=bool(again.get("tells_context", server.tells_context)),
        )
        self.machine = msgspec.structs.replace(self.machine, server=server)

    def find_model(self, name: str) -> Model:
        """The model of a request, by any of its names. Raises `Refusal` (404)."""
        return self.shelf.find(name)

    async def _no_route(self, exchange: Exchange) -> None:
        known = any(path == exchange.request.path for _, path in self._routes)
        await exchange.text(405 if known else 404, "405 method not allowed" if known else "404 page not found")

    async def _root(self, exchange: Exchange) -> None:
        await exchange.text(200, "Ollama is running")

    async def _version(self, exchange: Exchange) -> None:
        await self._json(exchange, {"version": self.machine.server.version})

    async def _tags(self, exchange: Exchange) -> None:
        listed = [catalogue.tag(model, self.shelf.modified_ns(model)) for model in self.shelf.models]
        await self._json(exchange, {"models": listed})

    async def _ps(self, exchange: Exchange) -> None:
        now, wall_ns = trio.current_time(), self.wall_ns()
        runners = self.scheduler.loaded()
        tells = self.machine.server.tells_context
        left_s = [self.scheduler.expiry_of(one) - now for one in runners]
        listed = [
            catalogue.loaded(one, wall_ns, left, tells_context=tells)
            for one, left in zip(runners, left_s, strict=True)
        ]
        await self._json(exchange, {"models": listed})

    async def _show(self, exchange: Exchange) -> None:
        members = read_body(exchange.request.body)
        name = members.text("model") or members.text("name")
        if not name:
            raise Refusal(400, "model is required")
        model = self.find_model(name)
        await self._json(exchange, catalogue.show(model, self.shelf.modified_ns(model)))

    async def _pull(self, exchange: Exchange) -> None:
        await answer_pull(self, exchange)

    async def _delete(self, exchange: Exchange) -> None:
        await answer_delete(self, exchange)

    async def _chat(self, exchange: Exchange) -> None:
        prompting = read_chat(exchange.request.body)
        model = self.find_model(prompting.model)
        shape = ChatShape(prompting.model, self.wall_ns, lambda at: f"call_{self._calls:04d}{at:02d}")
        await self._words(exchange, prompting, model, shape)

    async def _generate(self, exchange: Exchange) -> None:
        prompting = read_generate(exchange.request.body)
        model = self.find_model(prompting.model)
        prompt = None if prompting.raw else render(prompting.turns, ())
        await self._words(exchange, prompting, model, GenerateShape(prompting.model, self.wall_ns, prompt))

    async def _words(self, exchange: Exchange, prompting: Prompting, model: Model, shape: Shape) -> None:
        if prompting.empty and prompting.keep_alive_s == 0:
            self.scheduler.unload(model.name)
            await self._empty(exchange, shape, "unload")
            return
        check_capabilities(prompting, model)
        options = runner_options(prompting, model, self.machine.server)
        claim = Claim(model=model, options=options, keep_alive_s=prompting.keep_alive_s)
        timings = Timings()
        async with self.scheduler.hold(claim) as runner:
            timings.loaded = timings.prompt_read = trio.current_time()
            if prompting.empty:
                await self._empty(exchange, shape, "load")
                return
            job = self._job(exchange, prompting, claim, shape)
            try:
                await generate(job, runner, exchange, timings, self.machine)
            except CardFullError:
                self.scheduler.unload_all()
                await self._card_full(exchange)

    async def _card_full(self, exchange: Exchange) -> None:
        """Raises `Refusal` (500) where nothing was said yet."""
        if not exchange.reply.started:
            raise Refusal(500, _FULL)
        await exchange.reply.send(msgspec.json.encode({"error": _FULL}) + b"\n")
        await exchange.reply.finish()

    def _job(self, exchange: Exchange, prompting: Prompting, claim: Claim, shape: Shape) -> Job:
        turns = fit_turns(prompting, claim.options.num_ctx)
        question = question_of(prompting, claim.model, turns)
        answer = self.mind.answer(question, exchange.request.header("x-sim-answer"))
        self._calls += 1
        return Job(prompting=prompting, model=claim.model, turns=turns, answer=answer, shape=shape, claim=claim)

    async def _empty(self, exchange: Exchange, shape: Shape, reason: str) -> None:
        body = {**shape.opening(), **shape.piece("text", ""), "done": True, "done_reason": reason}
        await self._json(exchange, body)

    async def _embed(self, exchange: Exchange) -> None:
        await answer_embed(self, exchange)

    async def _embeddings(self, exchange: Exchange) -> None:
        await answer_embeddings(self, exchange)

    async def _json(self, exchange: Exchange, value: Json) -> None:
        await exchange.reply.whole(200, PLAIN, msgspec.json.encode(value))


def is_local_host(host: str) -> bool:
    """Whether a ``Host`` header names this machine or its network: none, localhost, an address, ``.local`` …"""
    name = host.rsplit(":", 1)[0] if host.count(":") == 1 or "]" in host else host
    try:
        ipaddress.ip_address(name.strip("[]"))
    except ValueError:
        return name in ("", "localhost") or name.endswith((".localhost", ".local", ".internal"))
    return True


def check_capabilities(prompting: Prompting, model: Model) -> None:
    """Raises `Refusal` (400) where the model can't do what is asked."""
    full = f"registry.ollama.ai/library/{model.name}"
    if not model.can("completion"):
        raise Refusal(400, f'"{model.name}" does not support chat')
    for wanted, capability in ((bool(prompting.tools), "tools"), (prompting.suffix is not None, "insert")):
        if wanted and not model.can(capability):
            raise Refusal(400, f"{full} does not support {capability}")
    if prompting.think and not model.can("thinking"):
        raise Refusal(400, f'"{model.name}" does not support thinking')
    if prompting.images and not model.can("vision"):
        raise Refusal(400, "this model is missing data required for image input")
