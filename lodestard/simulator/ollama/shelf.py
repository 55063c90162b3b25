"""The models on the server's disk: found by any of their names, deleted, downloaded over time.

Law: a download makes way only while somebody follows it; what has come stays, so that the next pull goes on from
there. Followers of one model share one download. Owner of all state here: one `Shelf`; changed in sync code only.
"""

from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import msgspec
import trio

from lodestard.simulator.answering.question import Json
from lodestard.simulator.card.figures import Machine, Model
from lodestard.simulator.exchange import Exchange, Refusal
from lodestard.simulator.ollama import catalogue
from lodestard.simulator.ollama.generation import NDJSON, PLAIN
from lodestard.simulator.ollama.names import Name, read_name
from lodestard.simulator.ollama.prompting import read_body

if TYPE_CHECKING:
    from lodestard.simulator.ollama.app import OllamaApp

_UNKNOWN = "pull model manifest: file does not exist"
_TICK_S = 0.06
Say = Callable[[dict[str, Json]], Awaitable[None]]


class Download:
    """One model on its way. Bytes; trio time. Without a rate it is here at once."""

    def __init__(self, total: int, bytes_per_s: float | None) -> None:
        self.total = total
        self._rate = bytes_per_s or 1.0
        self._had = 0 if bytes_per_s else total
        self._since = 0.0
        self._followers = 0

    @property
    def completed(self) -> int:
        coming = (trio.current_time() - self._since) * self._rate if self._followers else 0.0
        return min(self.total, self._had + round(coming))

    @property
    def left_s(self) -> float:
        """How much longer, while it is followed."""
        return (self.total - self.completed) / self._rate

    @contextmanager
    def followed(self) -> Iterator[None]:
        """It makes way for as long as the block lasts."""
        if self._followers == 0:
            self._since = trio.current_time()
        self._followers += 1
        try:
            yield
        finally:
            completed = self.completed
            self._followers -= 1
            if self._followers == 0:
                self._had = completed


class Shelf:
    """What is there, and what could be fetched: at first all models of the machine are there."""

    def __init__(self, machine: Machine, started_ns: int) -> None:
        self._machine = machine
        self._started_ns = started_ns
        self._offered = {read_name(model.name): model for model in machine.models}
        self._modified_ns: dict[Name, int] = {}
        self._downloads: dict[Name, Download] = {}
        self.refill()

    def refill(self) -> None:
        """Back to the beginning."""
        self._modified_ns = dict.fromkeys(self._offered, self._started_ns)
        self._downloads = {}

    def has(self, model: Model) -> bool:
        return read_name(model.name) in self._modified_ns

    @property
    def models(self) -> list[Model]:
        return [model for name, model in self._offered.items() if name in self._modified_ns]

    def modified_ns(self, model: Model) -> int:
        """When it came here."""
        return self._modified_ns[read_name(model.name)]

    def find(self, name: str) -> Model:
        """The model of a request. Raises `Refusal` (404)."""
        key = read_name(name)
        if key not in self._modified_ns:
            raise Refusal(404, f"model '{name}' not found")
        return self._offered[key]

    def delete(self, name: str) -> Model:
        """Raises `Refusal` (404)."""
        model = self.find(name)
        key = read_name(model.name)
        del self._modified_ns[key]
        self._downloads.pop(key, None)
        return model

    def offer(self, name: str) -> Model | None:
        """What the registry has of this name."""
        return self._offered.get(read_name(name))

    def download(self, model: Model) -> Download:
        """What has come of it so far."""
        key = read_name(model.name)
        if key not in self._downloads:
            scale = self._machine.pace.scale
            rate = self._machine.card.network_bytes_per_s / scale if scale else None
            self._downloads[key] = Download(model.file_bytes, rate)
        return self._downloads[key]

    def keep(self, model: Model, wall_ns: int) -> None:
        """It is here from now on."""
        self._downloads.pop(read_name(model.name), None)
        self._modified_ns[read_name(model.name)] = wall_ns


async def answer_delete(app: "OllamaApp", exchange: Exchange) -> None:
    """A model that is loaded stays so until it expires. Raises `Refusal` (404)."""
    members = read_body(exchange.request.body)
    app.scheduler.forget_file(app.shelf.delete(members.text("model") or members.text("name")))
    await exchange.reply.whole(200, PLAIN, b"")


async def answer_pull(app: "OllamaApp", exchange: Exchange) -> None:
    """Line by line, the first one before anything is known; or, not streamed, the last one alone."""
    members = read_body(exchange.request.body)
    model = app.shelf.offer(members.text("model") or members.text("name"))
    if not members.flag("stream", True):
        if model is None:
            raise Refusal(500, _UNKNOWN)
        last: dict[str, Json] = {}

        async def remember(line: dict[str, Json]) -> None:
            last.clear()
            last.update(line)

        await _fetch(app, model, remember)
        await exchange.reply.whole(200, PLAIN, msgspec.json.encode(last))
        return

    async def say(line: dict[str, Json]) -> None:
        await exchange.reply.send(msgspec.json.encode(line) + b"\n")

    await exchange.reply.start(200, NDJSON)
    await say({"status": "pulling manifest"})
    await (say({"error": _UNKNOWN}) if model is None else _fetch(app, model, say))
    await exchange.reply.finish()


async def _fetch(app: "OllamaApp", model: Model, say: Say) -> None:
    machine, verify_s = app.machine, 0.0
    if app.shelf.has(model):
        await say(catalogue.pull_line(model, model.file_bytes))
    else:
        await _follow(app.shelf.download(model), model, say)
        verify_s = model.file_bytes / machine.card.page_cache_bytes_per_s * machine.pace.scale
    await say({"status": "verifying sha256 digest"})
    await trio.sleep(verify_s)
    await say({"status": "writing manifest"})
    app.shelf.keep(model, app.wall_ns())
    app.scheduler.remember_file(model)
    await say({"status": "success"})


async def _follow(download: Download, model: Model, say: Say) -> None:
    with download.followed():
        while (left_s := download.left_s) > 0:
            await say(catalogue.pull_line(model, download.completed))
            await trio.sleep(min(_TICK_S, left_s))
    await say(catalogue.pull_line(model, model.file_bytes))
