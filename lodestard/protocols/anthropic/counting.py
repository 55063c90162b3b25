"""Asking Anthropic how many tokens a prompt is, which is free: for clients that speak its dialect.

Law: what is counted is what would be sent. Source: Anthropic's
API reference, "Count tokens in a Message".
"""

from typing import Annotated

import msgspec
from msgspec import Meta

from lodestard.domain.request import Request
from lodestard.domain.settings import Upstream
from lodestard.protocols.anthropic.passing import pass_on
from lodestard.protocols.anthropic.turns import DIALECT
from lodestard.protocols.codec import JSON_HEADERS, WireRequest, join_path

_PATH = "/messages/count_tokens"


class _Counted(msgspec.Struct, frozen=True):
    input_tokens: Annotated[int, Meta(ge=0, le=10**9)]


_counted = msgspec.json.Decoder(_Counted)


def counts(request: Request, settings: Upstream) -> bool:
    """Whether the upstream can be asked: it speaks the client's dialect."""
    return request.dialect == settings.dialect == DIALECT


def write_count(request: Request, model: str, settings: Upstream) -> WireRequest:
    """The question."""
    passed = pass_on(request, model, settings)
    return WireRequest(
        path=join_path(settings.url, _PATH),
        headers=(*JSON_HEADERS, *passed.headers),
        body=msgspec.json.encode(passed.members),
        streamed=False,
    )


def read_count(body: bytes) -> int | None:
    """The answer; None for what is none."""
    try:
        return _counted.decode(body).input_tokens
    except (ValueError, RecursionError):
        return None
