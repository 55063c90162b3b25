"""A simulated Ollama server that remembers what it was asked and what its card did, and others who use it."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec
import trio

from lodestard.simulator.answering.question import Answer, Question
from lodestard.simulator.card.figures import Machine, Model
from lodestard.simulator.exchange import Exchange
from lodestard.simulator.ollama.app import OllamaApp
from lodestard.simulator.server import Simulator
from lodestard.simulator.world import simulate_ollama
from tests.fakes.rooms import TrioClock
from tests.fakes.sim_client import SimClient

CLOCK = TrioClock()


def wall_ns() -> int:
    return CLOCK.now_ms() * 1_000_000


class Spied:
    """An Ollama app that remembers what it was asked."""

    def __init__(self, app: OllamaApp) -> None:
        self.app = app
        self.mind = app.mind
        self.wall_ns = app.wall_ns
        self.write_refusal = app.write_refusal
        self.meter_json = app.meter_json
        self.state_json = app.state_json
        self.reset = app.reset
        self.restart = app.restart
        self.bodies: list[dict[str, Any]] = []
        self.times_s: list[float] = []

    async def answer(self, exchange: Exchange) -> None:
        if exchange.request.method == "POST":
            body = msgspec.json.decode(exchange.request.body)
            self.bodies.append(body)
            self.times_s.append(trio.current_time())
        await self.app.answer(exchange)


@dataclass(frozen=True, slots=True)
class Server:
    """A simulated Ollama server, as a test sees it. ``news`` is what its card did: (seconds, what, model)."""

    simulator: Simulator
    app: Spied
    nursery: trio.Nursery
    news: list[tuple[float, str, str]] = field(default_factory=list)
    heard: trio.lowlevel.ParkingLot = field(default_factory=trio.lowlevel.ParkingLot)

    def hear(self, what: str, model: Model) -> None:
        self.news.append((trio.current_time(), what, model.name))
        self.heard.unpark_all()

    async def wait_news(self, what: str) -> None:
        """Until its card does this next."""
        before = len(self.news)
        while what not in [kind for _, kind, _ in self.news[before:]]:
            await self.heard.park()

    @property
    def loaded(self) -> set[str]:
        return {runner.model.name for runner in self.app.app.scheduler.loaded()}

    @property
    def loading(self) -> str:
        return self.app.app.scheduler.loading

    @property
    def aborted(self) -> int:
        return self.app.app.scheduler.aborted_loads

    @property
    def loads(self) -> list[str]:
        """Of which models a load was begun, in order."""
        return [model for _, what, model in self.news if what == "load"]

    @property
    def reloads(self) -> int:
        return self.app.app.scheduler.tally.reloads

    @property
    def questions(self) -> list[dict[str, Any]]:
        """The bodies of what was asked of models: neither loads nor unloads."""
        return [body for body in self.app.bodies if body.get("messages")]

    def fail(self, *faults: str | None) -> None:
        """The next requests go wrong like this, one each; looks too."""
        self.simulator.faults.queue(faults)

    def restart(self, down_s: float = 0.0) -> None:
        self.simulator.restart({"down_s": down_s})

    async def other(self, body: Mapping[str, Any], path: str = "/api/chat", method: str = "POST") -> Any:
        """What somebody else's request to it is answered with, past Lodestar."""
        client = SimClient(await self.simulator.opener(self.nursery)())
        reply = await client.ask(method, path, body)
        await client.stream.aclose()
        return reply

    async def try_other(self, body: Mapping[str, Any]) -> None:
        """The same, of somebody who expects little: the server may be gone, or go."""
        try:
            await self.other(body)
        except OSError:
            await trio.lowlevel.checkpoint()

    async def other_loads(self, model: str, **members: Any) -> None:
        reply = await self.other({"model": model, "messages": [], "stream": False, **members})
        assert reply.status == 200, reply.body


def say(question: Question) -> Answer:
    """As many words as the last question begins with; three where it names no number."""
    asked = re.match(r"(\d+) words", question.last_user)
    return Answer(text="word " * (int(asked[1]) if asked else 3))


def make_server(machine: Machine, nursery: trio.Nursery) -> Server:
    simulator = simulate_ollama(machine, wall_ns=wall_ns, script=say)
    assert isinstance(simulator.app, OllamaApp)
    server = Server(simulator, Spied(simulator.app), nursery)
    simulator.app.scheduler.on_news = server.hear
    simulator.app = server.app
    return server
