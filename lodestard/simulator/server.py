"""A simulated upstream, whole: an `App` behind HTTP, with faults, exact answers and a meter that can be asked.

Law: each request gets an index and a fault before the app sees it; ``/__sim/…`` is never counted, faulted or
billed. An app that breaks is written down in `Simulator.crashes` and answers 500; it never ends a listener.
"""

import errno
import logging
import os
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from types import MappingProxyType

import msgspec
import trio

from lodestard.simulator.answering.mind import read_answer
from lodestard.simulator.answering.question import Answer, Json
from lodestard.simulator.exchange import App, Exchange, Refusal
from lodestard.simulator.faults import NO_FAULT, Fault, FaultPlan, FaultSyntaxError, parse_fault
from lodestard.simulator.pipe import PipeStream, open_pipe
from lodestard.simulator.power import Power
from lodestard.simulator.reading import decode_object
from lodestard.simulator.reply import CutConnectionError, FaultyReply, Framing, Reply
from lodestard.simulator.walltime import http_date
from lodestard.simulator.wire import Connection, Request, end_connection

NOTHING: Mapping[str, Json] = MappingProxyType({})
_log = logging.getLogger(__name__)
_CONTROL = "/__sim/"
_RESTART = "/__sim/restart"


class Simulator:
    """One upstream. Serve it on streams (`serve_stream`, `opener`) or on a port (`serve_tcp`)."""

    def __init__(self, app: App, faults: FaultPlan | None = None) -> None:
        self.app = app
        self.faults = faults or FaultPlan()
        self.power = Power()
        self.crashes: list[Exception] = []
        self.requests = 0
        self._date = (-1, "")

    async def serve_stream(self, stream: trio.abc.Stream) -> None:
        """Serves one connection until either side ends it, then closes it."""
        if self.power.down_s > 0:
            await end_connection(stream, rst=True)
            return
        with self.power.connected(stream):
            await Connection(stream, self._handle).serve()

    def opener(self, nursery: trio.Nursery) -> Callable[..., Awaitable[PipeStream]]:
        """A function that opens an in-memory connection, served in ``nursery``; its arguments are ignored.

        It raises ``ConnectionRefusedError`` while the upstream is down.
        """

        async def open_connection(*_where: object, **_how: object) -> PipeStream:
            await trio.lowlevel.checkpoint()
            if self.power.down_s > 0:
                raise ConnectionRefusedError(errno.ECONNREFUSED, os.strerror(errno.ECONNREFUSED))
            client, server = open_pipe()
            nursery.start_soon(self.serve_stream, server)
            return client

        return open_connection

    async def serve_tcp(
        self,
        host: str = "127.0.0.1",
        port: int = 0,
        *,
        task_status: trio.TaskStatus[int] = trio.TASK_STATUS_IGNORED,
    ) -> None:
        """Listens until cancelled; starts with the real port. Raises ``OSError`` where it can't bind.

        While the upstream is down nobody listens there.
        """
        listeners = await trio.open_tcp_listeners(port, host=host)
        bound: int = listeners[0].socket.getsockname()[1]
        task_status.started(bound)
        async with trio.open_nursery() as handlers:
            while True:
                await self._listen(listeners, handlers)
                await trio.sleep(self.power.down_s)
                listeners = await trio.open_tcp_listeners(bound, host=host)

    async def _listen(self, listeners: list[trio.SocketListener], handlers: trio.Nursery) -> None:
        """Until the upstream goes down."""
        async with trio.open_nursery() as nursery:
            nursery.start_soon(partial(trio.serve_listeners, handler_nursery=handlers), self.serve_stream, listeners)
            await self.power.wait_cut()
            nursery.cancel_scope.cancel()

    async def _handle(self, request: Request, stream: trio.abc.Stream) -> bool:
        framing = self._framing(request)
        if request.path.startswith(_CONTROL):
            exchange = Exchange(request, Reply(stream, framing), NO_FAULT, -1)
            await self._control(exchange)
            if request.method == "POST" and request.path == _RESTART:
                self.restart(decode_object(request.body) or {}, spared=stream)
            return not exchange.reply.must_close
        exchange = self._exchange(request, stream, framing)
        try:
            await self._answer(exchange)
        except (CutConnectionError, trio.BrokenResourceError, trio.ClosedResourceError):
            raise
        except Exception as error:  # noqa: BLE001  a firewall: one bad request must not end the listener
            await self._crashed(exchange, error)
        return not exchange.reply.must_close

    def _exchange(self, request: Request, stream: trio.abc.Stream, framing: Framing) -> Exchange:
        index = self.requests
        self.requests += 1
        try:
            fault = self.faults.take(index, request.header("x-sim-fault"))
        except FaultSyntaxError as error:
            fault = Fault(status=400, message=str(error))
        reply = Reply(stream, framing) if fault is NO_FAULT else FaultyReply(stream, framing, fault)
        return Exchange(request, reply, fault, index)

    async def _answer(self, exchange: Exchange) -> None:
        fault = exchange.fault
        if fault.status is not None:
            await self._refuse(exchange, Refusal(fault.status, fault.message or "simulated failure", code=fault.code))
            return
        try:
            await self.app.answer(exchange)
        except Refusal as refusal:
            await self._refuse(exchange, refusal)

    async def _refuse(self, exchange: Exchange, refusal: Refusal) -> None:
        headers, body = self.app.write_refusal(refusal, exchange.index)
        if exchange.fault.retry_after is not None:
            headers = [*headers, ("Retry-After", exchange.fault.retry_after)]
        await exchange.reply.whole(refusal.status, headers, body)

    async def _crashed(self, exchange: Exchange, error: Exception) -> None:
        _log.exception("simulator: an app broke")
        self.crashes.append(error)
        if not exchange.reply.started:
            await exchange.text(500, "simulator: crashed")

    def _framing(self, request: Request) -> Framing:
        return Framing(
            chunked_allowed=request.version != "1.0",
            head_only=request.method == "HEAD",
            close=not request.keep_alive,
            date=self._http_date(),
        )

    def _http_date(self) -> str:
        wall_ns = self.app.wall_ns()
        second = wall_ns // 1_000_000_000
        if self._date[0] != second:
            self._date = (second, http_date(wall_ns))
        return self._date[1]

    async def _control(self, exchange: Exchange) -> None:
        request = exchange.request
        match request.method, request.path.removeprefix(_CONTROL):
            case "GET", "meter":
                await exchange.json(200, self.app.meter_json())
            case "GET", "state":
                await exchange.json(200, self.app.state_json())
            case "POST", "reset":
                self.reset()
                await exchange.json(200, {"ok": True})
            case "POST", "restart":
                await exchange.json(200, {"ok": True})
            case "POST", "faults" | "answers" as what:
                await self._program(exchange, what)
            case _:
                await exchange.json(
                    404, {"error": "meter, state, reset, restart, faults and answers are all there is"}
                )

    async def _program(self, exchange: Exchange, what: str) -> None:
        """``{"faults": ["cut=10", null], "always": "slow=1"}`` or ``{"answers": ["text", {"text": …}]}``."""
        body = decode_object(exchange.request.body) or {}
        try:
            if what == "faults":
                self._program_faults(body)
            else:
                self.app.mind.queue(_exact(answer) for answer in body.get("answers", []))
        except FaultSyntaxError as error:
            await exchange.json(400, {"error": str(error)})
            return
        await exchange.json(200, {"ok": True})

    def _program_faults(self, body: dict[str, Json]) -> None:
        faults = [None if text is None else parse_fault(str(text)) for text in body.get("faults", [])]
        if "always" in body:
            self.faults.always = parse_fault(str(body["always"])) if body["always"] else NO_FAULT
        self.faults.queue(faults)

    def reset(self) -> None:
        """Back to the state of a server just started; the programmed faults go too."""
        self.app.reset()
        self.faults.clear()
        self.requests = 0
        self.crashes.clear()

    def restart(self, again: Mapping[str, Json] = NOTHING, *, spared: trio.abc.Stream | None = None) -> None:
        """Its process ends and starts again: connections are reset, what was in memory is gone, the meter stays.

        ``again``: ``down_s``, for so long nobody is there in between; the rest is the app's (`App.restart`). The
        connection that asked for it may be ``spared``.
        """
        down_s = again.get("down_s")
        self.app.restart(again)
        self.power.restart(float(down_s) if isinstance(down_s, (int, float)) else 0.0, spared)


def _exact(answer: Json) -> Answer:
    return read_answer(answer if isinstance(answer, str) else msgspec.json.encode(answer).decode())
