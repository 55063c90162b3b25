"""The control socket's handler: HTTP requests in, verbs run, envelopes out.

Law: every verb runs behind a firewall, so that one that fails answers with a fault and the socket lives on. Who
asks is settled before anything of the request is believed. A caller that leaves cancels what it asked for.
"""

import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any, Protocol

import trio

from lodestard.control.access import Access, Peer, name_peer, require
from lodestard.control.arguments import read_arguments
from lodestard.control.messages import (
    MEDIA_JSON,
    MEDIA_NDJSON,
    VERBS_PATH,
    Refusal,
    VerbInfo,
    VerbList,
    write_answer,
    write_refusal,
)
from lodestard.domain.errors import CallerFault, Code, Fault, HouseFault
from lodestard.domain.near import did_you_mean
from lodestard.domain.verbs import Emit, Verb

logger = logging.getLogger(__name__)

STATUSES: Mapping[Code, int] = {
    Code.INVALID_JSON: 400,
    Code.INVALID_REQUEST: 400,
    Code.NOT_FOUND: 404,
    Code.MODEL_NOT_FOUND: 404,
    Code.METHOD_NOT_ALLOWED: 405,
    Code.NOT_PERMITTED: 403,
    Code.FORBIDDEN_HOST: 403,
    Code.FORBIDDEN_ORIGIN: 403,
    Code.REQUEST_TIMEOUT: 408,
    Code.REQUEST_TOO_LARGE: 413,
    Code.UNSUPPORTED_MEDIA_TYPE: 415,
    Code.BUDGET_REFUSED: 402,
    Code.RATE_LIMITED: 429,
    Code.OVERLOADED: 503,
    Code.SHUTTING_DOWN: 503,
    Code.LEDGER_UNAVAILABLE: 503,
    Code.STORE_UNAVAILABLE: 503,
}


class Exchange(Protocol):
    """The part of ``http.HttpExchange`` that the control socket uses."""

    @property
    def method(self) -> str: ...
    @property
    def path(self) -> str: ...
    @property
    def peer(self) -> Peer: ...
    @property
    def started(self) -> bool: ...
    async def read_body(self) -> bytes: ...
    async def respond(self, status: int, headers: Sequence[tuple[str, str]], body: bytes) -> None: ...
    async def start(self, status: int, headers: Sequence[tuple[str, str]]) -> None: ...
    async def send(self, data: bytes) -> None: ...
    async def finish(self) -> None: ...
    def watch(self, on_leave: Callable[[], None]) -> AbstractAsyncContextManager[object]: ...


Handler = Callable[[Any], Awaitable[None]]


def control_handler(verbs: Mapping[str, Verb], access: Access) -> Handler:
    """The handler for ``http.HttpServer`` on the control socket. ``verbs`` is read anew for each request."""

    async def handle(exchange: Exchange) -> None:
        try:
            require(exchange.peer, access, "read")
            await _route(exchange, verbs, access)
        except Fault as fault:
            await _refuse(exchange, fault)

    return handle


def write_fault(fault: Fault, path: str) -> tuple[int, list[tuple[str, str]], bytes]:  # noqa: ARG001
    """A fault → status, headers and body, for faults that the HTTP server meets before any handler."""
    headers = [("content-type", MEDIA_JSON)]
    if fault.retry_after_s is not None:
        headers.append(("retry-after", str(max(1, round(fault.retry_after_s)))))
    return status_of(fault), headers, write_refusal(refusal_of(fault)) + b"\n"


def status_of(fault: Fault) -> int:
    """The HTTP status of a fault on this socket: 502 for an upstream's, 500 for what has no better one."""
    default = 502 if fault.code.value.startswith("upstream_") else 500
    return STATUSES.get(fault.code, default)


def refusal_of(fault: Fault) -> Refusal:
    return Refusal(code=fault.code.value, message=fault.message, param=fault.param, retry_after_s=fault.retry_after_s)


def list_verbs(verbs: Mapping[str, Verb]) -> VerbList:
    """The verbs as they are listed, by name."""
    return VerbList(verbs=tuple(_info(verbs[name]) for name in sorted(verbs)))


def _info(verb: Verb) -> VerbInfo:
    return VerbInfo(
        name=verb.name,
        summary=verb.summary,
        needs=verb.needs,
        mutates=verb.needs == "admin",
        streams=verb.stream is not None,
        arguments=tuple(argument for argument in verb.arguments if argument.kind != "caller"),
    )


async def _route(exchange: Exchange, verbs: Mapping[str, Verb], access: Access) -> None:
    if exchange.path == VERBS_PATH:
        _expect(exchange, "GET")
        await _respond(exchange, write_answer("verbs", list_verbs(verbs)))
        return
    verb = _find(exchange.path, verbs)
    _expect(exchange, "POST")
    require(exchange.peer, access, verb.needs)
    arguments = read_arguments(verb, await exchange.read_body(), name_peer(exchange.peer))
    if verb.needs == "admin":
        logger.info("control: %s by uid %s", verb.name, exchange.peer.uid)
    await _run(exchange, verb, arguments)


def _find(path: str, verbs: Mapping[str, Verb]) -> Verb:
    prefix = f"{VERBS_PATH}/"
    if not path.startswith(prefix):
        raise CallerFault(Code.NOT_FOUND, f"There is nothing here. GET {VERBS_PATH} lists the verbs.")
    name = path.removeprefix(prefix)
    if (verb := verbs.get(name)) is not None:
        return verb
    near = did_you_mean(name, verbs)
    hint = f" Did you mean {near}?" if near else ""
    raise CallerFault(Code.NOT_FOUND, f"There is no verb {name!r}.{hint}", param="verb")


def _expect(exchange: Exchange, method: str) -> None:
    if exchange.method != method:
        raise CallerFault(Code.METHOD_NOT_ALLOWED, f"Use {method} here.")


async def _run(exchange: Exchange, verb: Verb, arguments: Mapping[str, Any]) -> None:
    with trio.CancelScope() as scope:
        async with exchange.watch(scope.cancel):
            if verb.stream is not None:
                await _stream(exchange, verb, arguments)
            else:
                await _respond(exchange, await _answer(verb, arguments))


async def _answer(verb: Verb, arguments: Mapping[str, Any]) -> bytes:
    """Run a verb behind the firewall."""
    assert verb.answer is not None
    try:
        return write_answer(verb.name, await verb.answer(arguments))
    except Fault:
        raise
    except Exception as error:
        logger.exception("the verb %s failed", verb.name)
        raise _defect(verb, error) from None


async def _stream(exchange: Exchange, verb: Verb, arguments: Mapping[str, Any]) -> None:
    assert verb.stream is not None
    lines = _Lines(exchange, verb.name)
    try:
        await verb.stream(arguments, lines.emit)
    except Fault:
        raise
    except Exception as error:
        if lines.broken is not None:  # the caller left: not the verb's fault, and the server's to deal with
            raise lines.broken from None
        logger.exception("the verb %s failed", verb.name)
        raise _defect(verb, error) from None
    await lines.finish()


class _Lines:
    """Sends items as NDJSON envelopes; the head goes out with the first one, so a fault before it has a status."""

    def __init__(self, exchange: Exchange, verb: str) -> None:
        self._exchange = exchange
        self._verb = verb
        self.broken: Exception | None = None

    async def emit(self, item: object) -> None:
        line = write_answer(self._verb, item) + b"\n"
        try:
            await self._start()
            await self._exchange.send(line)
        except Exception as error:
            self.broken = error
            raise

    async def finish(self) -> None:
        await self._start()
        await self._exchange.finish()

    async def _start(self) -> None:
        if not self._exchange.started:
            await self._exchange.start(200, [("content-type", MEDIA_NDJSON), ("cache-control", "no-store")])


def _defect(verb: Verb, error: Exception) -> HouseFault:
    return HouseFault(Code.INTERNAL, f"{verb.name} failed ({type(error).__name__}); lodestard's log has the details.")


async def _respond(exchange: Exchange, body: bytes) -> None:
    headers = [("content-type", MEDIA_JSON), ("cache-control", "no-store")]
    await exchange.respond(200, headers, body + b"\n")


async def _refuse(exchange: Exchange, fault: Fault) -> None:
    """Say why not: with a status where that is still possible, as the stream's last line otherwise."""
    if exchange.started:
        await exchange.send(write_refusal(refusal_of(fault)) + b"\n")
        await exchange.finish()
        return
    status, headers, body = write_fault(fault, exchange.path)
    await exchange.respond(status, headers, body)


__all__ = ["Emit", "Exchange", "Verb", "control_handler", "list_verbs", "status_of", "write_fault"]
