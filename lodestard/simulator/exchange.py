"""One request at a simulated upstream, with its answer and its fault; and what every upstream must offer.

Law: an upstream (`App`) writes its dialect and nothing else; HTTP, faults and control are the simulator's.
"""

from collections.abc import Mapping, Sequence
from typing import Protocol

import msgspec

from lodestard.simulator.answering.mind import Mind
from lodestard.simulator.answering.question import Json
from lodestard.simulator.faults import Fault
from lodestard.simulator.reply import Reply
from lodestard.simulator.walltime import WallNs
from lodestard.simulator.wire import Request

JSON_TYPE = ("Content-Type", "application/json")


class Refusal(Exception):
    """The upstream refuses a request; each dialect writes it in its own shape."""

    def __init__(
        self, status: int, message: str, *, kind: str = "", code: str | None = None, param: str | None = None
    ) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.kind = kind
        self.code = code
        self.param = param


class Exchange:
    """What an upstream gets: read `request`, write `reply`, mind `fault`. ``index`` counts requests from 0."""

    __slots__ = ("fault", "index", "reply", "request")

    def __init__(self, request: Request, reply: Reply, fault: Fault, index: int) -> None:
        self.request = request
        self.reply = reply
        self.fault = fault
        self.index = index

    async def json(self, status: int, value: Json, headers: Sequence[tuple[str, str]] = ()) -> None:
        await self.reply.whole(status, [JSON_TYPE, *headers], msgspec.json.encode(value))

    async def text(self, status: int, text: str) -> None:
        await self.reply.whole(status, [("Content-Type", "text/plain; charset=utf-8")], text.encode())


class App(Protocol):
    """A simulated upstream."""

    @property
    def mind(self) -> Mind: ...

    @property
    def wall_ns(self) -> WallNs: ...

    async def answer(self, exchange: Exchange) -> None:
        """Answers one request. Raises `Refusal`. Cancelled when the client leaves."""
        ...

    def write_refusal(self, refusal: Refusal, index: int, /) -> tuple[Sequence[tuple[str, str]], bytes]:
        """Headers and body of an error in this dialect; ``index`` is the request's number."""
        ...

    def meter_json(self) -> Json:
        """What was seen and billed, as ``GET /__sim/meter`` shows it."""
        ...

    def state_json(self) -> Json:
        """What the upstream holds now, as ``GET /__sim/state`` shows it."""
        ...

    def reset(self) -> None:
        """Forget everything that was seen, billed or loaded."""
        ...

    def restart(self, again: Mapping[str, Json]) -> None:
        """Its process has ended and starts again: forget what is in memory alone. ``again``: what is new then."""
        ...
