"""Ollama's paths, for clients that know no other server: chats, completions, embeddings, and what models there are.

Law: a client decides nothing about a model's runner. It may ask for a model to be loaded, which waits for its turn
like any request, and is told that one was unloaded, which is the card's to decide. Models are fetched and deleted
with ``lodestarctl``, never by a client.
"""

from collections.abc import Iterator, Mapping
from typing import Protocol

import msgspec
import trio

from lodestard.domain.client import Principal
from lodestard.domain.errors import CallerFault, Code
from lodestard.domain.model_name import canonical_name, same_model
from lodestard.domain.pins import is_nought
from lodestard.domain.request import Request
from lodestard.domain.residency import Ask, ModelState
from lodestard.domain.upstream import Target
from lodestard.endpoints.serving import (
    JSON_HEADERS,
    Endpoint,
    Route,
    Who,
    identify,
    receive,
    require_json,
    serve_received,
)
from lodestard.http import ClientLeft, HttpExchange, read_content
from lodestard.protocols.clients import OLLAMA_CHAT, OLLAMA_EMBED, OLLAMA_EMBEDDINGS, OLLAMA_GENERATE
from lodestard.protocols.codec import ClientCodec
from lodestard.protocols.ollama import catalog as ollama_catalog
from lodestard.protocols.ollama.catalog import ListedModel
from lodestard.runtime import Runtime

DIALECT = "ollama"
LOCAL = "ollama"

_KeepAlive = int | float | str
_keep_alive = msgspec.json.Decoder(_KeepAlive)


class OllamaCodec(ClientCodec, Protocol):
    """A dialect in which a request may ask for nothing but the model."""

    def write_empty(self, request: Request, reason: str, *, created: int) -> bytes: ...


def serves(codec: OllamaCodec) -> Route:
    """The route of an endpoint that asks a model."""

    async def endpoint(http: HttpExchange, runtime: Runtime, principal: Principal) -> None:
        require_json(http)
        received = await receive(http, runtime, codec)
        request = under_alias(received.request, runtime)
        if request.conversation.messages:
            await serve_received(http, runtime, Who(principal), codec, received._replace(request=request))
        else:
            await answer_empty(http, runtime, principal, codec, request)

    return Route(codec.dialect, {"POST": endpoint})


# -- models by their names -----------------------------------------------------------------------------------------


def under_alias(request: Request, runtime: Runtime) -> Request:
    """``request`` for the alias that its client means."""
    alias = find_alias(request.alias, runtime)
    return request if alias == request.alias else msgspec.structs.replace(request, alias=alias)


def find_alias(name: str, runtime: Runtime) -> str:
    """The alias that is called ``name`` as Ollama compares names (``x`` is ``x:latest``), else ``name`` itself."""
    aliases = runtime.routes.aliases
    if name in aliases:
        return name
    return next((alias for alias in aliases if same_model(alias, name)), name)


# -- loading and unloading -----------------------------------------------------------------------------------------


async def answer_empty(
    http: HttpExchange, runtime: Runtime, principal: Principal, codec: OllamaCodec, request: Request
) -> None:
    """A request that asks nothing: the model shall be loaded, or with ``keep_alive`` 0 unloaded."""
    request, caller = identify(http, request, Who(principal))
    principal.require_use(request.alias)
    target = runtime.routes.choose(request.alias).candidates[0].target
    unloads = wants_unload(request)
    if not unloads and looks_after(runtime, target):
        await load(http, runtime, Ask(target=target, request=request, caller=caller))
    created_s = runtime.clock.now_ms() // 1_000
    body = codec.write_empty(request, "unload" if unloads else "load", created=created_s)
    await http.respond(200, JSON_HEADERS, body)


async def load(http: HttpExchange, runtime: Runtime, ask: Ask) -> None:
    """Wait until the model is in memory. Raises ``ClientLeft`` where nobody wants that any more."""
    with trio.CancelScope() as scope:
        async with http.watch(scope.cancel), runtime.admission.admit(ask):
            return  # once it has a place, the model is in memory
    raise ClientLeft


def wants_unload(request: Request) -> bool:
    raw = request.members.get("keep_alive")
    try:
        return raw is not None and bytes(raw) != b"null" and is_nought_time(_keep_alive.decode(raw))
    except msgspec.ValidationError:
        return False


def is_nought_time(keep_alive: _KeepAlive) -> bool:
    return keep_alive == 0 if isinstance(keep_alive, float) else is_nought(keep_alive)


def looks_after(runtime: Runtime, target: Target) -> bool:
    """Whether somebody here decides what is in memory there."""
    return runtime.residency is not None and target.upstream in runtime.residency.hosts


# -- what models there are -----------------------------------------------------------------------------------------


async def list_models(http: HttpExchange, runtime: Runtime, principal: Principal) -> None:
    """GET /api/tags: the aliases that whoever asks may use."""
    models = list_usable(runtime, principal)
    await http.respond(200, JSON_HEADERS, ollama_catalog.write_tags(models, runtime.started_s))


async def list_loaded(http: HttpExchange, runtime: Runtime, principal: Principal) -> None:
    """GET /api/ps: the aliases whose first model is in some card's memory."""
    loaded = [model for model in list_usable(runtime, principal) if model.resident]
    await http.respond(200, JSON_HEADERS, ollama_catalog.write_loaded(loaded))


async def show_model(http: HttpExchange, runtime: Runtime, principal: Principal) -> None:
    """POST /api/show. It changes nothing and costs nothing, so any content type will do."""
    limits = runtime.settings.server.limits
    name = ollama_catalog.read_shown(await read_content(http, limits), depth=limits.json_depth)
    alias = find_alias(name, runtime)
    principal.require_use(alias)
    target = runtime.routes.choose(alias).candidates[0].target  # raises MODEL_NOT_FOUND with the nearest names
    model = describe_model(alias, target, runtime, read_states(runtime))
    await http.respond(200, JSON_HEADERS, ollama_catalog.write_details(model, runtime.started_s))


async def tell_version(http: HttpExchange, _runtime: Runtime, _principal: Principal) -> None:
    """GET /api/version."""
    await http.respond(200, JSON_HEADERS, ollama_catalog.write_version())


def list_usable(runtime: Runtime, principal: Principal) -> Iterator[ListedModel]:
    """Every alias that ``principal`` may use, in the configuration's order."""
    states = read_states(runtime)
    for alias in runtime.routes.aliases:
        if principal.may_use(alias) and (target := first_target(alias, runtime)) is not None:
            yield describe_model(alias, target, runtime, states)


def first_target(alias: str, runtime: Runtime) -> Target | None:
    """The model that is asked first for an alias, whether it may answer now or not."""
    configured = runtime.settings.models.get(alias)
    return Target.parse(configured.route[0]) if configured is not None and configured.route else None


def read_states(runtime: Runtime) -> Mapping[Target, ModelState]:
    """What is known of local models by their canonical names, where somebody looks after their cards."""
    residency = runtime.residency
    if residency is None:
        return {}
    states = [residency.state(host) for host in residency.hosts]
    return {Target(state.host, canonical_name(model.model)): model for state in states for model in state.models}


def describe_model(alias: str, target: Target, runtime: Runtime, states: Mapping[Target, ModelState]) -> ListedModel:
    """``alias`` as a client of Ollama sees it."""
    upstream = runtime.settings.upstreams.get(target.upstream)
    local = upstream is not None and upstream.dialect == LOCAL
    state = states.get(Target(target.upstream, canonical_name(target.model)))
    price = runtime.routes.price_of(target)
    known = (state.context_tokens if state is not None else 0) or (price.context_tokens if price is not None else 0)
    if state is None:
        return ListedModel(name=alias, model=target.model, local=local, context_tokens=known or 0)
    return ListedModel(
        name=alias,
        model=target.model,
        local=local,
        resident=state.resident,
        context_tokens=known or 0,
        size_bytes=state.size_bytes,
        vram_bytes=state.vram_bytes,
        expires_ms=state.expires_ms,
    )


# -- what is done otherwise ----------------------------------------------------------------------------------------


def refuses(methods: str, advice: str) -> Route:
    """The route of what a server of Ollama's would do, and a person does here with another tool."""

    async def endpoint(_http: HttpExchange, _runtime: Runtime, _principal: Principal) -> None:
        raise CallerFault(Code.NOT_SUPPORTED, f"Lodestar's clients can't do this. {advice}")

    refusing: dict[str, Endpoint] = dict.fromkeys(methods.split(), endpoint)
    return Route(DIALECT, refusing)


_CONFIGURE = "Models are the aliases of Lodestar's configuration: see lodestarctl models."
ROUTES: Mapping[str, Route] = {
    "/api/chat": serves(OLLAMA_CHAT),
    "/api/generate": serves(OLLAMA_GENERATE),
    "/api/embed": serves(OLLAMA_EMBED),
    "/api/embeddings": serves(OLLAMA_EMBEDDINGS),
    "/api/tags": Route(DIALECT, {"GET": list_models}),
    "/api/ps": Route(DIALECT, {"GET": list_loaded}),
    "/api/version": Route(DIALECT, {"GET": tell_version}),
    "/api/show": Route(DIALECT, {"POST": show_model}),
    "/api/pull": refuses("POST", "Fetch a model with: lodestarctl models pull NAME"),
    "/api/create": refuses("POST", _CONFIGURE),
    "/api/copy": refuses("POST", _CONFIGURE),
    "/api/push": refuses("POST", _CONFIGURE),
    "/api/delete": refuses("DELETE", _CONFIGURE),
    "/api/blobs/*": refuses("GET POST", _CONFIGURE),
    "/api/*": Route(DIALECT, {}),
}
