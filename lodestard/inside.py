"""A client of our own proxy inside the process: ``lodestarctl ask`` and its kin, without a socket between.

Law: goes through the endpoint like anybody else, so the same plan, budget, cache and ledger row. Cancelling it is a
client that leaves: what it began is drained or cancelled as for any other.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Any

import msgspec
import trio

from lodestard.control.verbs.desk import Asked, TextSink
from lodestard.domain.errors import Code, Fault, HouseFault
from lodestard.http import ClientLeft, Headers, HttpExchange, Peer
from lodestard.protocols.sse import SseParser

CHAT_PATH = "/v1/chat/completions"
AGENT = "lodestarctl"
LEAVE_S = 5.0
CODES = {code.value: code for code in Code}
DONE = b"[DONE]"

Handler = Callable[[HttpExchange], Awaitable[None]]


async def ask_inside(handler: Handler, exchange: "InnerExchange") -> Asked:
    """Send a streamed chat completion to ``handler``; its text goes to the exchange's sink as it comes.

    Raises ``Fault`` as the answer gives it. What the sink raises ends the request as if the client had left.
    """

    async def heed_fault(http: HttpExchange) -> None:
        try:
            await handler(http)
        except Fault as fault:  # what never came to an answer of its own
            exchange.broken = fault

    await carry_inside(heed_fault, exchange)
    if exchange.broken is not None:
        raise exchange.broken
    return exchange.result()


async def carry_inside(handler: Handler, exchange: "InnerExchange") -> None:
    """Have ``handler`` answer. Cancelled, the client leaves, and the handler gets some seconds to see it."""
    async with trio.open_nursery() as nursery:
        await nursery.start(exchange.heed_cancellation)
        with trio.CancelScope(shield=True) as exchange.scope, suppress(ClientLeft):  # ourselves
            await handler(exchange)  # type: ignore[arg-type]  # an exchange in all but its class
        nursery.cancel_scope.cancel()


class InnerExchange:
    """An ``HttpExchange`` whose client is ourselves: it reads the answer's events instead of sending them.

    ``folder`` is where whoever asks works; its last name becomes the request's project.
    """

    def __init__(self, body: bytes, sink: TextSink, received_ns: int, folder: str = "") -> None:
        self.method, self.path, self.query = "POST", CHAT_PATH, ""
        fields = [("content-type", "application/json"), ("user-agent", AGENT)]
        self.headers = Headers([*fields, ("x-lodestar-folder", folder)] if folder else fields)
        self.peer = Peer(address="")
        self.secure = self.started = self.finished = self.aborted = False
        self.received_ns = received_ns
        self.scope = trio.CancelScope()
        self.broken: Exception | None = None
        self._body = body
        self._sink = sink
        self._events = SseParser()
        self._answer: dict[str, str] = {}
        self._fault: Fault | None = None
        self._whole = self._left = False
        self._on_leave: Callable[[], None] | None = None

    def result(self) -> Asked:
        """How it went. Raises the answer's fault; one that was cut is one."""
        if self._fault is not None:
            raise self._fault
        if not self._whole:
            raise HouseFault(Code.INTERNAL, "The answer was cut.")
        return Asked(
            request_id=self._answer.get("x-lodestar-request-id", ""),
            cache=self._answer.get("x-lodestar-cache", ""),
        )

    async def heed_cancellation(self, *, task_status: trio.TaskStatus[None]) -> None:
        """Cancelled from without, the client leaves; the endpoint gets some seconds to see it."""
        task_status.started()
        try:
            await trio.sleep_forever()
        finally:
            self._leave()

    def _leave(self) -> None:
        if self._whole or self._left:
            return
        self._left = True
        self.scope.deadline = min(self.scope.deadline, trio.current_time() + LEAVE_S)
        if self._on_leave is not None:
            self._on_leave()

    @property
    def content_type(self) -> str:
        return "application/json"

    # -- what the endpoint calls -----------------------------------------------------------------------------

    async def read_body(self) -> bytes:
        return self._body

    async def respond(self, status: int, headers: Sequence[tuple[str, str]], body: bytes) -> None:
        await self.start(status, headers)
        if status >= 400:
            self._fault = read_fault(body)
        else:
            await self.send(body)
        await self.finish()

    async def start(self, status: int, headers: Sequence[tuple[str, str]]) -> None:  # noqa: ARG002
        self.started = True
        self._answer = {name.lower(): value for name, value in headers}

    async def send(self, data: bytes) -> None:
        if self._left:
            raise ClientLeft
        for event in self._events.feed(data):
            if event != DONE:
                await self._hear(event)

    async def _hear(self, event: bytes) -> None:
        chunk = msgspec.json.decode(event, type=dict[str, Any])
        if "error" in chunk:
            self._fault = read_fault(event)
            return
        text, reasoning = read_chunk(chunk)
        if not text and not reasoning:
            return
        try:
            await self._sink(text, reasoning)
        except Exception as error:
            self.broken = error
            raise ClientLeft from error

    async def finish(self) -> None:
        self.finished = self._whole = True

    def abort(self) -> None:
        """The answer is cut."""
        self.aborted = True

    @asynccontextmanager
    async def watch(
        self,
        on_leave: Callable[[], None],
        *,
        tick_s: float | None = None,  # noqa: ARG002 - nobody needs to be kept awake
        on_tick: Callable[[], Awaitable[None]] | None = None,  # noqa: ARG002
    ) -> AsyncIterator[None]:
        self._on_leave = on_leave
        if self._left:
            on_leave()
        try:
            yield
        finally:
            self._on_leave = None


def read_chunk(chunk: Mapping[str, Any]) -> tuple[str, str]:
    """A chunk of a streamed answer → its text and reasoning. Pure."""
    choices = chunk.get("choices") or [{}]
    delta = choices[0].get("delta") or {}
    return str(delta.get("content") or ""), str(delta.get("reasoning_content") or "")


def read_fault(body: bytes) -> Fault:
    """An error as the endpoint wrote it → the fault that it was. Pure."""
    error = msgspec.json.decode(body, type=dict[str, Any]).get("error")
    members: Mapping[str, Any] = error if isinstance(error, dict) else {}
    code = CODES.get(str(members.get("code")), Code.INTERNAL)
    return Fault(code, str(members.get("message") or "It failed."), param=members.get("param"))
