"""Anthropic's paths: messages, the counting of their tokens, and the list of models as its clients read it.

The list is at the same path as OpenAI's: who sends ``anthropic-version`` gets this one.
"""

from collections.abc import Mapping
from urllib.parse import unquote

import msgspec

from lodestard.domain.client import Principal
from lodestard.domain.errors import CallerFault, Fault
from lodestard.domain.request import Request
from lodestard.domain.upstream import Target
from lodestard.endpoints.serving import (
    JSON_HEADERS,
    Route,
    Who,
    heeded_headers,
    identify,
    plain_path,
    read_query,
    require_json,
    serves,
)
from lodestard.http import HttpExchange, read_content
from lodestard.planning import plan_request
from lodestard.protocols import error_bodies
from lodestard.protocols.anthropic import model_list as anthropic_model_list
from lodestard.protocols.anthropic.messages import VERSION, read_request
from lodestard.protocols.clients import ANTHROPIC_MESSAGES
from lodestard.runtime import Runtime

DIALECT = ANTHROPIC_MESSAGES.dialect


async def count_tokens(http: HttpExchange, runtime: Runtime, principal: Principal) -> None:
    """POST /v1/messages/count_tokens: how many tokens a prompt is for the first model that would be asked."""
    require_json(http)
    limits = runtime.settings.server.limits
    headers = heeded_headers(http, ANTHROPIC_MESSAGES)
    body = await read_content(http, limits)
    request = read_request(body, depth=limits.json_depth, headers=headers, counting=True)
    request, caller = identify(http, request, Who(principal))
    principal.require_use(request.alias)
    target = plan_request(request, caller, runtime).candidates[0].target
    tokens = await count(runtime, target, request)
    await http.respond(200, JSON_HEADERS, msgspec.json.encode({"input_tokens": tokens}))


async def count(runtime: Runtime, target: Target, request: Request) -> int:
    """What ``target`` counts, where its provider can be asked for nothing; otherwise what it is likely to."""
    counted = await runtime.count_at(target, request)
    return runtime.tokens.estimate(target, request) if counted is None else counted


def speaks(http: HttpExchange) -> bool:
    """Whether the client at a path that two dialects share speaks this one."""
    return VERSION in http.headers


async def list_models(http: HttpExchange, runtime: Runtime, principal: Principal) -> None:
    """GET /v1/models: the aliases that whoever asks may use, by pages."""
    aliases = tuple(alias for alias in runtime.routes.aliases if principal.may_use(alias))
    try:
        body = anthropic_model_list.write_models(aliases, read_query(http.query), runtime.started_s)
    except CallerFault as fault:
        await refuse(http, fault)
        return
    await http.respond(200, JSON_HEADERS, body)


async def show_model(http: HttpExchange, runtime: Runtime, principal: Principal) -> None:
    """GET /v1/models/{id}."""
    name = unquote(plain_path(http.path).removeprefix("/models/"))
    try:
        principal.require_use(name)
        runtime.routes.choose(name)
    except Fault as fault:
        await refuse(http, fault)
        return
    await http.respond(200, JSON_HEADERS, anthropic_model_list.write_model(name, runtime.started_s))


async def refuse(http: HttpExchange, fault: Fault) -> None:
    """A fault at a path whose other clients speak another dialect, in this one."""
    status, headers, body = error_bodies.write_error(DIALECT, fault, "")
    await http.respond(status, headers, body)


ROUTES: Mapping[str, Route] = {
    "/messages": serves(ANTHROPIC_MESSAGES),
    "/messages/count_tokens": Route(DIALECT, {"POST": count_tokens}),
}
