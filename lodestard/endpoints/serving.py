"""What all endpoints that ask a model have in common: read the request, open its entry, hand it to the hallway.

Law: it decides nothing. Whatever comes of a request, its entry is closed.
"""

from collections.abc import Awaitable, Callable, Mapping
from functools import lru_cache
from typing import NamedTuple
from urllib.parse import parse_qsl

import msgspec

from lodestard.classify.caller import TAG_MARK, identify_caller, split_tags
from lodestard.domain.client import Principal
from lodestard.domain.errors import CallerFault, Code, Fault
from lodestard.domain.request import Caller, Request
from lodestard.exchange import Exchange
from lodestard.http import ClientLeft, HttpExchange, read_content
from lodestard.pipeline import carry
from lodestard.protocols.codec import ClientCodec
from lodestard.runtime import Runtime
from lodestard.verdicts import HEADER, heed_verdicts

Endpoint = Callable[[HttpExchange, Runtime, Principal], Awaitable[None]]
JSON_HEADERS = [("content-type", "application/json")]
JSON_TYPE = "application/json"
_MOST_FIELDS = 16


class Who(msgspec.Struct, frozen=True):
    """Who asks: ``origin`` is the part of the house, where it is no client."""

    principal: Principal
    origin: str = ""


class Received(NamedTuple):
    """A request as it came. ``known_by_body``: no header field had a part in it."""

    request: Request
    body: bytes
    depth: int
    known_by_body: bool


class Route(msgspec.Struct, frozen=True):
    """The endpoints of one path by method, and the dialect that their errors are written in."""

    dialect: str
    methods: Mapping[str, Endpoint]


def serves(codec: ClientCodec, *, any_type: bool = False) -> Route:
    """The route of an endpoint that asks a model. ``any_type``: its clients send no content type, or another one."""

    async def endpoint(http: HttpExchange, runtime: Runtime, principal: Principal) -> None:
        if not any_type:
            require_json(http)
        await serve_model(http, runtime, Who(principal), codec)

    return Route(codec.dialect, {"POST": endpoint})


async def serve_model(http: HttpExchange, runtime: Runtime, who: Who, codec: ClientCodec) -> None:
    """A request in the dialect of ``codec``."""
    await serve_received(http, runtime, who, codec, await receive(http, runtime, codec))


async def receive(http: HttpExchange, runtime: Runtime, codec: ClientCodec) -> Received:
    """Read a request, unless it was read and answered from the cache lately. Raises ``CallerFault``."""
    cache, limits = runtime.cache, runtime.settings.server.limits
    body, depth = await read_content(http, limits), limits.json_depth
    heeded = heeded_headers(http, codec) if codec.heeded else {}
    seen = None if heeded else cache.recall(body, depth, codec.dialect)
    request = seen or codec.read_request(body, depth=depth, headers=heeded)
    return Received(request, body, depth, known_by_body=not heeded)


async def serve_received(
    http: HttpExchange, runtime: Runtime, who: Who, codec: ClientCodec, received: Received
) -> None:
    """Carry it. What the cache answered need not be read again, where its body says all of it."""
    request = received.request
    exchange = await serve_request(http, runtime, who, codec, request)
    if exchange.result.cache == "hit" and received.known_by_body:
        runtime.cache.remember(received.body, received.depth, request)


def heeded_headers(http: HttpExchange, codec: ClientCodec) -> dict[str, str]:
    """The header fields that the dialect reads, as far as they came."""
    return {name: value for name in codec.heeded if (value := http.headers.get(name)) is not None}


async def serve_request(
    http: HttpExchange, runtime: Runtime, who: Who, codec: ClientCodec, request: Request
) -> Exchange:
    """Carry a request that was read; what became of it is in the exchange."""
    request, caller = identify(http, request, who)
    entry = runtime.ledger.open_entry(caller, request.alias, dialect=request.dialect, stream=request.stream)
    exchange = Exchange(http, request, entry.caller, entry, runtime, codec)
    if (verdicts := http.headers.get(HEADER)) is not None:
        exchange.heeded = heed_verdicts(verdicts, caller.principal, runtime)
    try:
        await answer(exchange, runtime)
    except ClientLeft:
        exchange.mark_left()
        raise
    except Exception:
        exchange.mark_broken()
        raise
    except BaseException:  # cancelled
        exchange.mark_cancelled()
        raise
    finally:
        exchange.close()
    return exchange


def identify(http: HttpExchange, request: Request, who: Who) -> tuple[Request, Caller]:
    """Who asks, by what it says of itself; the tags that stand behind the alias are the caller's."""
    caller = identify_caller(http.headers, request, who.principal)
    if who.origin:
        caller = msgspec.structs.replace(caller, origin=who.origin)
    if TAG_MARK not in request.alias:
        return request, caller
    alias, tags = split_tags(request.alias)
    tagged = msgspec.structs.replace(caller, tags=tuple(dict.fromkeys((*caller.tags, *tags))))
    return msgspec.structs.replace(request, alias=alias), tagged


async def answer(exchange: Exchange, runtime: Runtime) -> None:
    """Carry the request; a fault is an answer too."""
    try:
        await carry(exchange, runtime)
    except Fault as fault:
        await exchange.fail(fault)


@lru_cache(maxsize=64)
def plain_path(path: str) -> str:
    """The path without what may stand around it: ``/v1`` before, a slash behind."""
    path = path.rstrip("/")
    return (path.removeprefix("/v1") if path == "/v1" or path.startswith("/v1/") else path) or "/"


def read_query(query: str) -> dict[str, str]:
    """The fields of a query; of one that comes twice the last. Raises ``CallerFault`` where there are too many."""
    try:
        return dict(parse_qsl(query, max_num_fields=_MOST_FIELDS))
    except ValueError:
        raise CallerFault(Code.INVALID_REQUEST, "The query has too many fields.") from None


def require_json(http: HttpExchange) -> None:
    """A page on another site can't send this content type without asking first; a form could."""
    given = http.headers.get("content-type")
    if given == JSON_TYPE:
        return
    content_type = (given or "").split(";", 1)[0].strip().lower()
    if content_type != JSON_TYPE:
        given = repr(content_type) if content_type else "none"
        raise CallerFault(
            Code.UNSUPPORTED_MEDIA_TYPE, f"The body must come with content-type: application/json (it is {given})."
        )
