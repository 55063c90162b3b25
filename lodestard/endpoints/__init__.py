"""Which path leads where: the proxy's endpoints.

Law: an endpoint reads the request, opens its entry and hands it to the hallway; it decides nothing. Every fault is
written in the dialect of the path that it happened at (``dialect_of``). Nothing but ``OPEN`` is reached without
having passed the gate. A dialect's paths are in a file of its own; here they come together.
"""

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from functools import partial
from typing import Protocol

import msgspec

from lodestard import __version__
from lodestard.domain.client import LOCAL, Principal
from lodestard.domain.errors import CallerFault, Code
from lodestard.endpoints import anthropic, feedback, ollama, openai, openai_text, responses
from lodestard.endpoints.serving import JSON_HEADERS, Endpoint, Route, plain_path
from lodestard.gate import Gate
from lodestard.http import HttpExchange
from lodestard.protocols import error_bodies
from lodestard.runtime import Runtime

ROUTES: Mapping[str, Route] = {
    **openai.ROUTES,
    **openai_text.ROUTES,
    **responses.ROUTES,
    **anthropic.ROUTES,
    **ollama.ROUTES,
    **feedback.ROUTES,
}
"""By path, without ``/v1``. One that ends with a star is of all paths below it."""

BELOW = sorted(((path[:-1], route) for path, route in ROUTES.items() if path.endswith("/*")), reverse=True)
"""What is below the paths with a star, the deeper ones first."""

NOWHERE = Route("openai", {})
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
        path = plain_path(http.path)
        with self._house.serving() as runtime:
            principal = LOCAL if path in OPEN else self._gate.admit(http, runtime)
            await self._find(http.method, path, runtime)(http, runtime, principal)

    async def serve_insider(self, http: HttpExchange) -> None:
        """A request that the control socket has let in: its peer is known, and no key is asked for."""
        with self._house.serving() as runtime:
            await self._find(http.method, plain_path(http.path), runtime)(http, runtime, LOCAL)

    def _find(self, method: str, path: str, runtime: Runtime) -> Endpoint:
        methods = self._methods(path, runtime)
        if not methods:
            raise CallerFault(
                Code.NOT_FOUND, f"There is nothing at {path}. POST /v1/chat/completions and GET /v1/models are here."
            )
        if method == "HEAD" and "GET" in methods:
            method = "GET"
        return methods.get(method) or partial(refuse_method, methods=tuple(methods))

    def _methods(self, path: str, runtime: Runtime) -> Mapping[str, Endpoint]:
        route = find_route(path)
        if route is not NOWHERE:
            return route.methods
        if path in ("/", "/health/live"):
            return {"GET": live}
        if path == "/health/ready":
            return {"GET": self._readiness}
        return {"GET": show_page} if path in runtime.hooks.pages else {}

    async def _readiness(self, http: HttpExchange, _runtime: Runtime, _principal: Principal) -> None:
        ready = self._house.ready
        state = {"status": "ready"} if ready else {"status": "not ready", "reason": self._house.why_not_ready}
        await http.respond(200 if ready else 503, JSON_HEADERS, msgspec.json.encode(state))


def find_route(path: str) -> Route:
    """The dialects' endpoints at a plain path; ``NOWHERE`` where there are none."""
    return ROUTES.get(path) or next((route for start, route in BELOW if path.startswith(start)), NOWHERE)


def dialect_of(path: str) -> str:
    """Whose clients ask at ``path``, as they sent it."""
    return find_route(plain_path(path)).dialect


async def live(http: HttpExchange, _runtime: Runtime, _principal: Principal) -> None:
    """GET / and /health/live: the process answers."""
    await http.respond(200, JSON_HEADERS, msgspec.json.encode({"status": "ok", "lodestar": __version__}))


async def show_page(http: HttpExchange, runtime: Runtime, _principal: Principal) -> None:
    """GET of a page that a module has added."""
    content_type, body = await runtime.hooks.pages[plain_path(http.path)](http.headers.get("accept") or "")
    await http.respond(200, [("content-type", content_type)], body)


async def refuse_method(
    http: HttpExchange, _runtime: Runtime, _principal: Principal, *, methods: Sequence[str]
) -> None:
    """405, with the methods that there are (RFC 9110, section 15.5.6)."""
    text = f"{http.path} takes {' or '.join(methods)}, not {http.method}."
    fault = CallerFault(Code.METHOD_NOT_ALLOWED, text)
    status, headers, body = error_bodies.write_error(dialect_of(http.path), fault, "")
    await http.respond(status, [*headers, ("allow", ", ".join(methods))], body)
