"""Anthropic's messages, as an upstream.

Law: a request of the same dialect goes through as ``passing`` leaves it; an output limit is written into it that it
lacks, or that a budget has lowered. Source: Anthropic's API reference, "Create a Message".
"""

from collections.abc import Mapping

import msgspec

from lodestard.domain.errors import Fault
from lodestard.domain.request import Format, Request
from lodestard.domain.settings import Upstream
from lodestard.protocols.anthropic.errors import read_error
from lodestard.protocols.anthropic.messages_read import VERSION
from lodestard.protocols.anthropic.passing import pass_on
from lodestard.protocols.anthropic.plain import open_plain
from lodestard.protocols.anthropic.request import DEFAULT_LIMIT_TOKENS, build
from lodestard.protocols.anthropic.schemas import takes_format
from lodestard.protocols.anthropic.stream import open_stream
from lodestard.protocols.anthropic.turns import DIALECT
from lodestard.protocols.codec import JSON_HEADERS, ReplyReader, WireRequest, join_path

_PATH = "/messages"
_STREAM = (*JSON_HEADERS, ("accept", "text/event-stream"))
_PLAIN = (*JSON_HEADERS, ("accept", "application/json"))


class AnthropicCodec:
    """Speaks ``/messages``. Has no state."""

    __slots__ = ()

    def write_request(self, request: Request, model: str, settings: Upstream) -> WireRequest:
        return (_pass if request.dialect == DIALECT else _write)(request, model, settings)

    def takes_format(self, form: Format, model: str) -> bool:
        return takes_format(form, model)

    def reader(self, wire: WireRequest) -> ReplyReader:
        return open_stream(passing=wire.passing) if wire.streamed else open_plain(passing=wire.passing)

    def read_error(self, status: int, headers: Mapping[str, str], body: bytes) -> Fault:
        return read_error(status, headers, body)


def _write(request: Request, model: str, settings: Upstream) -> WireRequest:
    built = build(request, model, settings)
    members = {"model": model, **built.members}
    if request.stream:
        members["stream"] = True
    return WireRequest(
        path=join_path(settings.url, _PATH),
        headers=(*(_STREAM if request.stream else _PLAIN), (VERSION, settings.anthropic_version)),
        body=msgspec.json.encode(members),
        streamed=request.stream,
        dropped=tuple(built.dropped),
        notes=tuple(built.notes),
    )


def _pass(request: Request, model: str, settings: Upstream) -> WireRequest:
    passed = pass_on(request, model, settings)
    _limit_output(passed.members, request)
    return WireRequest(
        path=join_path(settings.url, _PATH),
        headers=(*(_STREAM if request.stream else _PLAIN), *passed.headers),
        body=msgspec.json.encode(passed.members),
        streamed=request.stream,
        passing=True,
        dropped=tuple(passed.dropped),
        notes=tuple(passed.notes),
    )


def _limit_output(members: dict[str, object], request: Request) -> None:
    """The limit that holds where the client names none, or a higher one."""
    limit, said = request.conversation.sampling.max_output_tokens, request.members.get("max_tokens")
    named = int(bytes(said)) if said is not None and bytes(said).isdigit() else None
    if named is None:
        members["max_tokens"] = DEFAULT_LIMIT_TOKENS if limit is None else limit
    elif limit is not None and limit < named:
        members["max_tokens"] = limit
