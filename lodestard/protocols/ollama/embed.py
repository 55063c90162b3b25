"""Embeddings in Ollama's own dialect, ``POST /api/embed``: inputs → a body, its plain answer → one piece for each.

Law: a vector is checked to be numbers and kept as the text that it was. An input that is too long is refused by the
server rather than cut, unless the client asked for that. Source: Ollama's API documentation, "Generate embeddings".
"""

from functools import partial
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from lodestard.domain.errors import Code, UpstreamFault
from lodestard.domain.pins import pinned_members
from lodestard.domain.reply import Piece
from lodestard.domain.request import Request
from lodestard.domain.settings import Upstream
from lodestard.domain.usage import Durations, Usage
from lodestard.protocols.codec import JSON_HEADERS, WireRequest, join_path
from lodestard.protocols.completion_as_chat import input_texts
from lodestard.protocols.vectors import require_vector
from lodestard.protocols.whole_reader import WholeReader, broken

FORM = "embedding"
_Count = Annotated[int, Meta(ge=0, le=10**10)]
_Ns = Annotated[int, Meta(ge=0, le=2**62)]


class _Answer(msgspec.Struct, frozen=True):
    embeddings: list[msgspec.Raw]
    model: str = ""


class _Meter(msgspec.Struct, frozen=True):
    total_duration: _Ns = 0
    load_duration: _Ns = 0
    prompt_eval_count: _Count = 0


_answer = msgspec.json.Decoder(_Answer)
_meter = msgspec.json.Decoder(_Meter)


def write_embed(request: Request, model: str, settings: Upstream) -> WireRequest:
    """The inputs as ``/api/embed`` takes them. Raises ``CallerFault(NOT_SUPPORTED)``."""
    embedding = request.conversation.embedding
    inputs = input_texts(request)
    body: dict[str, Any] = {
        "model": model,
        "input": inputs,
        "truncate": embedding is not None and embedding.truncate,
        **pinned_members(settings, model),
    }
    if embedding is not None and embedding.dimensions is not None:
        body["dimensions"] = embedding.dimensions
    return WireRequest(
        path=join_path(settings.url, "/api/embed"),
        headers=(*JSON_HEADERS, ("accept", "application/json")),
        body=msgspec.json.encode(body),
        streamed=False,
        choices=len(inputs),
        form=FORM,
        dropped=request.unsaid,
    )


def open_embed(choices: int) -> WholeReader:
    """A reader for the vectors of so many inputs."""
    return WholeReader(partial(_read, choices=choices), passing=False)


def _read(body: bytes, *, passing: bool, choices: int) -> list[Piece]:  # noqa: ARG001 - it is never passed
    try:
        return _pieces(body, choices)
    except (ValueError, RecursionError):
        raise broken(body, _garbage()) from None


def _pieces(body: bytes, choices: int) -> list[Piece]:
    answer = _answer.decode(body)
    if len(answer.embeddings) != choices:
        raise _garbage()
    usage, durations = _read_meter(body)
    pieces = [
        Piece(choice=place, text=require_vector(raw), finish="stop") for place, raw in enumerate(answer.embeddings)
    ]
    pieces.append(Piece(usage=usage, durations=durations, model=answer.model))
    return pieces


def _read_meter(body: bytes) -> tuple[Usage | None, Durations | None]:
    """Figures that can't be right are none. All that is not loading is reading; nothing is written."""
    try:
        meter = _meter.decode(body)
    except ValueError:
        return None, None
    usage = Usage(prompt_tokens=meter.prompt_eval_count) if meter.prompt_eval_count else None
    total_ns, load_ns = meter.total_duration, meter.load_duration
    return usage, Durations(total_ns=total_ns, load_ns=load_ns, prefill_ns=max(0, total_ns - load_ns))


def _garbage() -> UpstreamFault:
    return UpstreamFault(Code.UPSTREAM_GARBAGE, "Ollama sent something that is not the vectors that were asked for.")
