"""OpenAI's chat completions, as an upstream: OpenAI, xAI, Gemini's compatible endpoint, OpenRouter, vLLM, llama.cpp.

Law: a request of the same dialect goes through as the client wrote it; only the model's name is changed, and the
usage that we must know is asked for.
"""

from collections.abc import Callable, Mapping
from functools import lru_cache
from urllib.parse import urlsplit

import msgspec

from lodestard.domain.errors import Fault
from lodestard.domain.request import Format, Request
from lodestard.domain.settings import Upstream
from lodestard.protocols.codec import PLAIN_HEADERS, STREAM_HEADERS, ReplyReader, WireRequest, join_path
from lodestard.protocols.openai.build import build_members
from lodestard.protocols.openai.chat_read import DIALECT
from lodestard.protocols.openai.errors import read_error
from lodestard.protocols.openai.plain import PlainReader
from lodestard.protocols.openai.signatures import sign_calls
from lodestard.protocols.openai.stream import open_stream
from lodestard.protocols.openai.text_read import open_text
from lodestard.protocols.openai.text_upstream import COMPLETION, EMBEDDING, FIM, with_usage, write_text
from lodestard.protocols.responses.plain import open_plain as responses_plain
from lodestard.protocols.responses.request import FORM as RESPONSES
from lodestard.protocols.responses.request import write_responses
from lodestard.protocols.responses.stream import open_stream as responses_stream

_PATH = "/chat/completions"
LIMITS = ("max_tokens", "max_completion_tokens")
_NEWER_NAME = ("api.openai.com", "api.x.ai", "googleapis.com", "openrouter.ai", "openai.azure.com")


class OpenAICodec:
    """Speaks ``/chat/completions`` (or ``/responses``, as an upstream's ``api`` says), ``/completions`` and
    ``/embeddings``. Has no state."""

    __slots__ = ()

    def write_request(self, request: Request, model: str, settings: Upstream) -> WireRequest:
        if not request.conversation.is_chat:
            return write_text(request, model, settings)
        write = write_responses if settings.api == "responses" else _write_chat
        return write(request, model, settings)

    def takes_format(self, form: Format, model: str) -> bool:  # noqa: ARG002
        return True

    def reader(self, wire: WireRequest) -> ReplyReader:
        return _READERS[wire.form](wire)

    def read_error(self, status: int, headers: Mapping[str, str], body: bytes) -> Fault:
        return read_error(status, headers, body)


def _write_chat(request: Request, model: str, settings: Upstream) -> WireRequest:
    members: dict[str, object]
    members = dict(request.members) if request.dialect == DIALECT else build_members(request)
    members["model"] = model
    sign_calls(members, request)
    _limit_output(members, request, settings)
    if request.stream:
        members["stream_options"] = with_usage(request, DIALECT)
    return WireRequest(
        path=join_path(settings.url, _PATH),
        headers=STREAM_HEADERS if request.stream else PLAIN_HEADERS,
        body=msgspec.json.encode(members),
        streamed=request.stream,
        choices=request.conversation.n,
        passing=request.dialect == DIALECT,
        dropped=() if request.dialect == DIALECT else request.unsaid,
    )


def _open_chat(wire: WireRequest) -> ReplyReader:
    return open_stream(wire.choices, passing=wire.passing) if wire.streamed else PlainReader(passing=wire.passing)


def _open_responses(wire: WireRequest) -> ReplyReader:
    return responses_stream(passing=wire.passing) if wire.streamed else responses_plain(passing=wire.passing)


_READERS: Mapping[str, Callable[[WireRequest], ReplyReader]] = {
    "chat": _open_chat,
    RESPONSES: _open_responses,
    COMPLETION: open_text,
    FIM: open_text,
    EMBEDDING: open_text,
}
"""By the form of a request."""


def _limit_output(members: dict[str, object], request: Request, settings: Upstream) -> None:
    """An output limit that the body does not carry (one of ours, or of another dialect), under the name it takes."""
    limit = request.conversation.sampling.max_output_tokens
    if limit is None or (request.dialect == DIALECT and any(name in request.members for name in LIMITS)):
        return
    for name in LIMITS:
        members.pop(name, None)
    members[settings.limit_member or limit_member_of(settings.url)] = limit


@lru_cache(maxsize=64)
def limit_member_of(url: str) -> str:
    """How the server at ``url`` is told an output limit. Reasoning models of OpenAI refuse the older name."""
    host = urlsplit(url).hostname or ""
    return LIMITS[1] if host.endswith(_NEWER_NAME) else LIMITS[0]
