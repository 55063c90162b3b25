"""OpenAI's Responses: create, and what was kept of those that were given.

Law: what is kept is the principal's own (``dialogues.py``); a response that is not there is a 404.
"""

from collections.abc import Mapping

from lodestard.dialogues import Dialogue, Shelf
from lodestard.domain.client import Principal
from lodestard.domain.errors import CallerFault, Code
from lodestard.endpoints.serving import JSON_HEADERS, Route, Who, plain_path, read_query, require_json, serve_request
from lodestard.http import HttpExchange, read_content
from lodestard.protocols.responses import stored as responses_stored
from lodestard.protocols.responses.client import Responses
from lodestard.runtime import Runtime

DIALECT = "responses"


async def create_response(http: HttpExchange, runtime: Runtime, principal: Principal) -> None:
    """POST /v1/responses. Never read from what was read before: the same bytes may mean another conversation."""
    require_json(http)
    shelf = runtime.dialogues.shelf(principal.name)
    codec = Responses(shelf, shelf.keep)
    limits = runtime.settings.server.limits
    body = await read_content(http, limits)
    request = codec.read_request(body, depth=limits.json_depth, headers={})
    await serve_request(http, runtime, Who(principal), codec, request)


async def show_response(http: HttpExchange, runtime: Runtime, principal: Principal) -> None:
    """GET /v1/responses/{id} and /v1/responses/{id}/input_items."""
    response_id, _, rest = plain_path(http.path).removeprefix("/responses/").partition("/")
    if rest not in ("", "input_items"):
        raise CallerFault(Code.NOT_FOUND, f"There is nothing at {http.path}.")
    found = find(runtime.dialogues.shelf(principal.name), response_id)
    asked = read_query(http.query)
    if asked.get("stream") == "true":
        raise CallerFault(
            Code.NOT_SUPPORTED, "A response that was kept is given whole, not as a stream.", param="stream"
        )
    body = found.body
    if rest:
        body = responses_stored.write_items(found.items, response_id, asked)
    await http.respond(200, JSON_HEADERS, body)


async def delete_response(http: HttpExchange, runtime: Runtime, principal: Principal) -> None:
    """DELETE /v1/responses/{id}."""
    response_id = plain_path(http.path).removeprefix("/responses/")
    shelf = runtime.dialogues.shelf(principal.name)
    find(shelf, response_id)
    shelf.forget(response_id)
    await http.respond(200, JSON_HEADERS, responses_stored.write_deleted(response_id))


def find(shelf: Shelf, response_id: str) -> Dialogue:
    found = shelf.find(response_id)
    if found is None:
        raise CallerFault(Code.NOT_FOUND, f"Response with id '{response_id[:128]}' not found.", param="response_id")
    return found


ROUTES: Mapping[str, Route] = {
    "/responses": Route(DIALECT, {"POST": create_response}),
    "/responses/*": Route(DIALECT, {"GET": show_response, "DELETE": delete_response}),
}
