"""OpenAI's paths: chat completions and the list of models."""

from collections.abc import Mapping
from urllib.parse import unquote

from lodestard.domain.client import LOCAL, Principal
from lodestard.endpoints import anthropic
from lodestard.endpoints.serving import JSON_HEADERS, Route, Who, plain_path, serve_model, serves
from lodestard.http import HttpExchange
from lodestard.protocols.clients import OPENAI_CHAT
from lodestard.protocols.openai import models as openai_models
from lodestard.runtime import Runtime

NO_MODELS_OF_CODEX = b'{"models":[]}'


async def serve_house(http: HttpExchange, runtime: Runtime, origin: str) -> None:
    """A chat completion that ``origin``, a part of the house, asks for."""
    await serve_model(http, runtime, Who(LOCAL, origin), OPENAI_CHAT)


async def list_models(http: HttpExchange, runtime: Runtime, principal: Principal) -> None:
    """GET /v1/models: the aliases that whoever asks may use.

    Codex, which names its version, expects more of each model than we can say (its instructions among it): told of
    none, it takes its own defaults for every name.
    """
    if "client_version=" in http.query:
        await http.respond(200, JSON_HEADERS, NO_MODELS_OF_CODEX)
        return
    if anthropic.speaks(http):
        await anthropic.list_models(http, runtime, principal)
        return
    aliases = tuple(alias for alias in runtime.routes.aliases if principal.may_use(alias))
    body = openai_models.write_models(aliases, runtime.started_s)
    await http.respond(200, JSON_HEADERS, body)


async def show_model(http: HttpExchange, runtime: Runtime, principal: Principal) -> None:
    """GET /v1/models/{id}."""
    if anthropic.speaks(http):
        await anthropic.show_model(http, runtime, principal)
        return
    name = unquote(plain_path(http.path).removeprefix("/models/"))
    principal.require_use(name)
    runtime.routes.choose(name)  # raises MODEL_NOT_FOUND with the nearest names
    await http.respond(200, JSON_HEADERS, openai_models.write_model(name, runtime.started_s))


ROUTES: Mapping[str, Route] = {
    "/chat/completions": serves(OPENAI_CHAT),
    "/models": Route("openai", {"GET": list_models}),
    "/models/*": Route("openai", {"GET": show_model}),
}
