"""Gemini's own dialect, as an upstream: ``generateContent``, streamed or plain, and ``batchEmbedContents``.

Law: nobody's client speaks it here, so that every request and every answer is translated. The end of a stream is the
end of its connection: it is whole where every candidate had finished by then.
Source: Google's API reference, "models.generateContent", "models.streamGenerateContent", "models.batchEmbedContents".
"""

from collections.abc import Mapping

import msgspec

from lodestard.domain.errors import Fault
from lodestard.domain.request import Format, Request
from lodestard.domain.settings import Upstream
from lodestard.protocols.codec import PLAIN_HEADERS, STREAM_HEADERS, ReplyReader, WireRequest, join_path
from lodestard.protocols.event_reader import EventReader
from lodestard.protocols.gemini.answer import Responses
from lodestard.protocols.gemini.errors import read_error
from lodestard.protocols.gemini.model import resource_of
from lodestard.protocols.gemini.plain import open_plain, open_vectors
from lodestard.protocols.gemini.request import build_embed, build_generate
from lodestard.protocols.sse import SseParser

VECTORS = "vectors"


class GeminiCodec:
    """Speaks ``/models/{model}:generateContent`` and its kin. Has no state."""

    __slots__ = ()

    def write_request(self, request: Request, model: str, settings: Upstream) -> WireRequest:
        talk = request.conversation
        if talk.embedding is not None:
            built, verb = build_embed(request, model), "batchEmbedContents"
        else:
            built = build_generate(request, model)
            verb = "streamGenerateContent?alt=sse" if request.stream else "generateContent"
        return WireRequest(
            path=join_path(settings.url, f"/{resource_of(model)}:{verb}"),
            headers=STREAM_HEADERS if request.stream else PLAIN_HEADERS,
            body=msgspec.json.encode(built.members),
            streamed=request.stream,
            choices=talk.n if talk.embedding is None else len(talk.messages),
            form="chat" if talk.embedding is None else VECTORS,
            dropped=built.dropped,
            notes=built.notes,
        )

    def takes_format(self, form: Format, model: str) -> bool:  # noqa: ARG002
        return True

    def reader(self, wire: WireRequest) -> ReplyReader:
        if wire.form == VECTORS:
            return open_vectors(wire.choices)
        return EventReader(SseParser(), Responses(wire.choices)) if wire.streamed else open_plain(wire.choices)

    def read_error(self, status: int, headers: Mapping[str, str], body: bytes) -> Fault:
        return read_error(status, headers, body)
