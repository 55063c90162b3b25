"""Ollama's own dialect, as an upstream: the codec that joins its writers and its readers.

Its ``/v1`` is not used: it drops ``keep_alive`` and ``num_ctx``, cuts prompts short in silence and loses errors
that come in the middle of an answer.
"""

from collections.abc import Mapping

from lodestard.domain.errors import Fault
from lodestard.domain.request import Format, Request
from lodestard.domain.settings import Upstream
from lodestard.protocols.codec import ReplyReader, WireRequest
from lodestard.protocols.ollama.embed import FORM as EMBEDDING
from lodestard.protocols.ollama.embed import open_embed, write_embed
from lodestard.protocols.ollama.generate import write_generate
from lodestard.protocols.ollama.read import open_reader, read_error
from lodestard.protocols.ollama.write import write_chat


class OllamaCodec:
    """Speaks ``/api/chat``, ``/api/generate`` and ``/api/embed``. Has no state."""

    __slots__ = ()

    def write_request(self, request: Request, model: str, settings: Upstream) -> WireRequest:
        talk = request.conversation
        if talk.embedding is not None:
            return write_embed(request, model, settings)
        write = write_chat if talk.completion is None else write_generate
        return write(request, model, settings)

    def takes_format(self, form: Format, model: str) -> bool:  # noqa: ARG002
        return True

    def reader(self, wire: WireRequest) -> ReplyReader:
        return open_embed(wire.choices) if wire.form == EMBEDDING else open_reader()

    def read_error(self, status: int, headers: Mapping[str, str], body: bytes) -> Fault:  # noqa: ARG002
        return read_error(status, body)
