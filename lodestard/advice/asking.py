"""From what a person asks about to the request that a client would send: read by that dialect's own reader.

Law: the request is the very one that the endpoint would have read from the same body and the same header fields.
"""

from collections.abc import Callable, Mapping
from typing import Any

import msgspec
from msgspec.structs import replace

from lodestard.classify.caller import TAG_MARK, identify_caller, split_tags
from lodestard.control.verbs.advice_desk import WantedRoute
from lodestard.domain.client import LOCAL
from lodestard.domain.errors import CallerFault, Code
from lodestard.domain.request import Caller, Request
from lodestard.http import Headers
from lodestard.planning import BYTES_PER_TOKEN
from lodestard.protocols import clients
from lodestard.protocols.codec import ClientCodec
from lodestard.protocols.responses.client import Responses
from lodestard.runtime import Runtime

DEFAULT_MODEL = "auto"
CODECS: Mapping[str, Callable[[], ClientCodec]] = {
    "openai": lambda: clients.OPENAI_CHAT,
    "anthropic": lambda: clients.ANTHROPIC_MESSAGES,
    "ollama": lambda: clients.OLLAMA_CHAT,
    "completions": lambda: clients.OPENAI_COMPLETIONS,
    "responses": Responses,
}
_IMAGE = "data:image/png;base64,AAAA"  # nobody looks at it
_TOOL = {"type": "function", "function": {"name": "any_tool", "parameters": {"type": "object", "properties": {}}}}


def read_wanted(wanted: WantedRoute, runtime: Runtime) -> tuple[Request, Caller]:
    """The request and who would send it. Raises ``CallerFault`` for what no endpoint would take."""
    codec = CODECS[wanted.dialect]()
    body = wanted.body.encode() if wanted.body else write_body(wanted)
    request = codec.read_request(body, depth=runtime.settings.server.limits.json_depth, headers={})
    request = replace(
        request,
        alias=wanted.model or request.alias,
        size_bytes=max(request.size_bytes, wanted.prompt_tokens * BYTES_PER_TOKEN),
    )
    caller = identify_caller(Headers(head_fields(wanted)), request, LOCAL)
    if TAG_MARK not in request.alias:
        return request, caller
    alias, tags = split_tags(request.alias)
    return replace(request, alias=alias), replace(caller, tags=tuple(dict.fromkeys((*caller.tags, *tags))))


def write_body(wanted: WantedRoute) -> bytes:
    """A chat completion that says it. Pure. Raises ``CallerFault`` where there is nothing to say."""
    if not wanted.text.strip() and not wanted.prompt_tokens:
        raise CallerFault(Code.INVALID_REQUEST, "There is no prompt, no body and no size to ask about.", param="text")
    content: Any = wanted.text or "x"
    if wanted.images:
        content = [{"type": "text", "text": content}, {"type": "image_url", "image_url": {"url": _IMAGE}}]
    members = {"model": wanted.model or DEFAULT_MODEL, "messages": [{"role": "user", "content": content}]}
    return msgspec.json.encode({**members, "tools": [_TOOL]} if wanted.tools else members)


def head_fields(wanted: WantedRoute) -> list[tuple[str, str]]:
    """The header fields that say who sends it. Pure."""
    fields = {
        "prefer": wanted.prefer,
        "tags": wanted.tags,
        "client": wanted.client,
        "task": wanted.task,
        "project": wanted.project,
        "folder": wanted.folder,
        "user": wanted.user,
        "session": wanted.session,
    }
    return [(f"x-lodestar-{name}", value) for name, value in fields.items() if value]
