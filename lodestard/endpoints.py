"""Which path leads where: the proxy's endpoints.

Law: an endpoint reads the request, opens its entry and hands it to the hallway; it decides nothing. Every fault
that reaches this file is written in the dialect of the endpoint that it happened in. Nothing but ``OPEN`` is reached
without having passed the gate.
"""

from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractContextManager
from functools import lru_cache, partial
from typing import Protocol
from urllib.parse import unquote

import msgspec

from lodestard import __version__
from lodestard.classify.caller import identify_caller
from lodestard.domain.client import LOCAL, Principal
from lodestard.domain.errors import CallerFault, Code, Fault
from lodestard.exchange import Exchange
from lodestard.gate import Gate
from lodestard.http import ClientLeft, HttpExchange, read_content
from lodestard.pipeline import carry
from lodestard.protocols import error_bodies, openai_chat, openai_models
from lodestard.runtime import Runtime

Endpoint = Callable[[HttpExchange, Runtime, Principal], Awaitable[None]]
JSON_HEADERS = [("content-type", "application/json")]
OPEN = frozenset({"/", "/health/live", "/health/ready"})
"""For probes, which have no key: they say whether the house serves, and nothing of what it does."""


class House(Protocol):
    """What the endpoints need of the daemon: the generation that serves, and whether it takes requests."""

    def serving(self) -> AbstractContextManager[Runtime]:
        """The current generation, kept open until the context is left."""
        ...

    @property
    def ready(self) -> bool: ...

    @property
    def why_not_ready(self) -> str: ...


class Endpoints:
    """The proxy's handler: finds the endpoint for a request and lends it the serving generation."""

    def __init__(self, house: House) -> None:
        self._house = house
        self._gate = Gate()

    async def __call__(self, http: HttpExchange) -> None:
        """A request that came through the port."""
        path = plain_path(http)
        with self._house.serving() as runtime:
            principal = LOCAL if path in OPEN else self._gate.admit(http, runtime)
            await self._find(http.method, path, runtime)(http, runtime, principal)

    async def serve_insider(self, http: HttpExchange) -> None:
        """A request that the control socket has let in: its peer is known, and no key is asked for."""
        with self._house.serving() as runtime:
            await self._find(http.method, plain_path(http), runtime)(http, runtime, LOCAL)

    def _find(self, method: str, path: str, runtime: Runtime) -> Endpoint:
        methods = self._table(path, runtime)
        if not methods:
            raise CallerFault(
                Code.NOT_FOUND, f"There is nothing at {path}. POST /v1/chat/completions and GET /v1/models are here."
            )
        if method == "HEAD" and "GET" in methods:
            method = "GET"
        return methods.get(method) or partial(refuse_method, methods=tuple(methods))

    def _table(self, path: str, runtime: Runtime) -> dict[str, Endpoint]:
        if path == "/chat/completions":
            return CHAT
        if path == "/models" or path.startswith("/models/"):
            return {"GET": list_models if path == "/models" else show_model}
        if path in ("/", "/health/live"):
            return {"GET": live}
        if path == "/health/ready":
            return {"GET": self._readiness}
        return {"GET": show_page} if path in runtime.hooks.pages else {}

    async def _readiness(self, http: HttpExchange, _runtime: Runtime, _principal: Principal) -> None:
        ready = self._house.ready
        state = {"status": "ready"} if ready else {"status": "not ready", "reason": self._house.why_not_ready}
        await http.respond(200 if ready else 503, JSON_HEADERS, msgspec.json.encode(state))


async def chat_completions(http: HttpExchange, runtime: Runtime, principal: Principal, *, origin: str = "") -> None:
    """POST /v1/chat/completions. ``origin`` is the part of the house that asks, where it is no client."""
    require_json(http)
    limits, cache = runtime.settings.server.limits, runtime.cache
    body, depth = await read_content(http, limits), limits.json_depth
    request = cache.recall(body, depth) or openai_chat.read_request(body, depth=depth)
    caller = identify_caller(http.headers, request, principal)
    if origin:
        caller = msgspec.structs.replace(caller, origin=origin)
    entry = runtime.ledger.open_entry(caller, request.alias, dialect=request.dialect, stream=request.stream)
    exchange = Exchange(http, request, entry.caller, entry, runtime)
    try:
        await answer(exchange, runtime)
        if exchange.result.cache == "hit":
            cache.remember(body, depth, request)
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


CHAT: dict[str, Endpoint] = {"POST": chat_completions}


async def answer(exchange: Exchange, runtime: Runtime) -> None:
    """Carry the request; a fault is an answer too."""
    try:
        await carry(exchange, runtime)
    except Fault as fault:
        await exchange.fail(fault)


async def list_models(http: HttpExchange, runtime: Runtime, principal: Principal) -> None:
    """GET /v1/models: the aliases that whoever asks may use."""
    aliases = tuple(alias for alias in runtime.routes.aliases if principal.may_use(alias))
    body = openai_models.write_models(aliases, runtime.started_s)
    await http.respond(200, JSON_HEADERS, body)


async def show_model(http: HttpExchange, runtime: Runtime, principal: Principal) -> None:
    """GET /v1/models/{id}."""
    name = unquote(plain_path(http).removeprefix("/models/"))
    principal.require_use(name)
    runtime.routes.choose(name)  # raises MODEL_NOT_FOUND with the nearest names
    await http.respond(200, JSON_HEADERS, openai_models.write_model(name, runtime.started_s))


async def live(http: HttpExchange, _runtime: Runtime, _principal: Principal) -> None:
    """GET / and /health/live: the process answers."""
    await http.respond(200, JSON_HEADERS, msgspec.json.encode({"status": "ok", "lodestar": __version__}))


async def show_page(http: HttpExchange, runtime: Runtime, _principal: Principal) -> None:
    """GET of a page that a module has added."""
    content_type, body = await runtime.hooks.pages[plain_path(http)](http.headers.get("accept") or "")
    await http.respond(200, [("content-type", content_type)], body)


async def refuse_method(
    http: HttpExchange, _runtime: Runtime, _principal: Principal, *, methods: Sequence[str]
) -> None:
    """405, with the methods that there are (RFC 9110, section 15.5.6)."""
    text = f"{http.path} takes {' or '.join(methods)}, not {http.method}."
    status, headers, body = error_bodies.write_error("openai", CallerFault(Code.METHOD_NOT_ALLOWED, text), "")
    await http.respond(status, [*headers, ("allow", ", ".join(methods))], body)


def plain_path(http: HttpExchange) -> str:
    """The path without what may stand around it: ``/v1`` before, a slash behind."""
    return _plain(http.path)


@lru_cache(maxsize=64)
def _plain(path: str) -> str:
    path = path.rstrip("/")
    return (path.removeprefix("/v1") if path == "/v1" or path.startswith("/v1/") else path) or "/"


def require_json(http: HttpExchange) -> None:
    """A page on another site can't send this content type without asking first; a form could."""
    given = http.headers.get("content-type")
    if given == "application/json":
        return
    content_type = (given or "").split(";", 1)[0].strip().lower()
    if content_type != "application/json":
        given = repr(content_type) if content_type else "none"
        raise CallerFault(
            Code.UNSUPPORTED_MEDIA_TYPE, f"The body must come with content-type: application/json (it is {given})."
        )
