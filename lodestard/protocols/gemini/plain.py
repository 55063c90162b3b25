"""Plain answers of Gemini: one whole response, and vectors.

Law: an answer in which a candidate did not finish is no whole one.
Source: Google's API reference, "GenerateContentResponse", "BatchEmbedContentsResponse".
"""

from functools import partial

import msgspec

from lodestard.domain.errors import Code, UpstreamFault
from lodestard.domain.reply import Piece
from lodestard.protocols.event_reader import cut
from lodestard.protocols.gemini.answer import ABSENT, Responses, garbage
from lodestard.protocols.gemini.usage import read_usage
from lodestard.protocols.vectors import Numbers
from lodestard.protocols.whole_reader import WholeReader, broken


class _Vector(msgspec.Struct, frozen=True):
    values: Numbers


class _Vectors(msgspec.Struct, frozen=True, rename="camel"):
    embeddings: list[_Vector]
    usage_metadata: msgspec.Raw = ABSENT


_vectors = msgspec.json.Decoder(_Vectors)


def open_plain(choices: int) -> WholeReader:
    """A reader for a plain answer of so many candidates."""
    return WholeReader(partial(_read_answer, choices), passing=False)


def open_vectors(inputs: int) -> WholeReader:
    """A reader for the vectors of so many inputs."""
    return WholeReader(partial(_read_vectors, inputs), passing=False)


def _read_answer(choices: int, body: bytes, *, passing: bool) -> list[Piece]:  # noqa: ARG001  nobody speaks it
    responses = Responses(choices)
    try:
        pieces = responses.pieces(body)
    except UpstreamFault as fault:
        raise (broken(body, fault) if fault.code is Code.UPSTREAM_GARBAGE else fault) from None
    if not responses.ended:
        raise cut()
    return pieces


def _read_vectors(inputs: int, body: bytes, *, passing: bool) -> list[Piece]:  # noqa: ARG001
    """One piece for each input; the usage, where it is told, is with the last."""
    try:
        said = _vectors.decode(body)
    except (ValueError, RecursionError):
        raise broken(body, garbage()) from None
    if len(said.embeddings) != inputs:
        raise garbage()
    usage = read_usage(said.usage_metadata)
    return [
        Piece(
            choice=place,
            text=msgspec.json.encode(vector.values).decode(),
            finish="stop",
            usage=usage if place == inputs - 1 else None,
        )
        for place, vector in enumerate(said.embeddings)
    ]
