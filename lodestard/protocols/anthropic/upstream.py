"""Anthropic's messages, as an upstream.

Law: a request of the same dialect goes through as the client wrote it, with the versions that it names; only the
model's name is changed, an output limit that it lacks or that a budget has lowered, and what the model or the version
would refuse; thoughts of other models, which nobody signed, among it. Source: Anthropic's API reference, "Create a
Message" and "Versions".
"""

import re
from collections.abc import Mapping

import msgspec

from lodestard.domain.errors import Fault
from lodestard.domain.request import Format, Request
from lodestard.domain.settings import Upstream
from lodestard.protocols.anthropic.errors import read_error
from lodestard.protocols.anthropic.plain import open_plain
from lodestard.protocols.anthropic.request import DEFAULT_LIMIT_TOKENS, SAMPLING, build, refuses_sampling
from lodestard.protocols.anthropic.schemas import takes_format
from lodestard.protocols.anthropic.stream import open_stream
from lodestard.protocols.anthropic.turns import DIALECT
from lodestard.protocols.codec import JSON_HEADERS, ReplyReader, WireRequest, join_path

_UNSIGNED = re.compile(rb'"signature"\s*:\s*""')
_PATH = "/messages"
_VERSION = "anthropic-version"
_PASSED_HEADERS = frozenset({_VERSION, "anthropic-beta"})
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
        headers=(*(_STREAM if request.stream else _PLAIN), (_VERSION, settings.anthropic_version)),
        body=msgspec.json.encode(members),
        streamed=request.stream,
        dropped=tuple(built.dropped),
        notes=tuple(built.notes),
    )


def _pass(request: Request, model: str, settings: Upstream) -> WireRequest:
    members: dict[str, object] = dict(request.members)
    members["model"] = model
    _limit_output(members, request)
    named = tuple([pair for pair in request.headers if pair[0] in _PASSED_HEADERS])
    version = dict(named).get(_VERSION, "")
    if not version:
        version = settings.anthropic_version
        named = (*named, (_VERSION, version))
    dropped: tuple[str, ...] = ()
    if refuses_sampling(model, version):
        dropped = tuple([name for name in SAMPLING if members.pop(name, None) is not None])
    if _UNSIGNED.search(bytes(request.members.get("messages", b""))) is not None:
        members["messages"] = signed_alone(request.members["messages"])
        dropped += ("messages[].content[].thinking",)
    return WireRequest(
        path=join_path(settings.url, _PATH),
        headers=(*(_STREAM if request.stream else _PLAIN), *named),
        body=msgspec.json.encode(members),
        streamed=request.stream,
        passing=True,
        dropped=dropped,
    )


def _limit_output(members: dict[str, object], request: Request) -> None:
    """The limit that holds where the client names none, or a higher one."""
    limit, said = request.conversation.sampling.max_output_tokens, request.members.get("max_tokens")
    named = int(bytes(said)) if said is not None and bytes(said).isdigit() else None
    if named is None:
        members["max_tokens"] = DEFAULT_LIMIT_TOKENS if limit is None else limit
    elif limit is not None and limit < named:
        members["max_tokens"] = limit


class _Block(msgspec.Struct, frozen=True):
    type: str = ""
    signature: str | None = None


_messages = msgspec.json.Decoder(list[dict[str, msgspec.Raw]])
_blocks = msgspec.json.Decoder(list[msgspec.Raw])
_block = msgspec.json.Decoder(_Block)


def signed_alone(raw: msgspec.Raw) -> list[dict[str, object]]:
    """The messages of a client that has spoken to others too, without what these had thought. Turns of nothing else
    are left out."""
    kept: list[dict[str, object]] = []
    for message in _messages.decode(raw):
        content = message.get("content")
        if content is None or not bytes(content).startswith(b"["):
            kept.append(dict(message))
            continue
        blocks = [block for block in _blocks.decode(content) if not _is_unsigned(block)]
        if blocks:
            kept.append({**message, "content": blocks})
    return kept


def _is_unsigned(raw: msgspec.Raw) -> bool:
    block = _block.decode(raw) if bytes(raw).startswith(b"{") else _Block()
    return block.type == "thinking" and block.signature == ""
