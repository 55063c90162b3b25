"""Ollama's own dialect, as an upstream: the codec that joins its writer and its reader.

Its ``/v1`` is not used: it drops ``keep_alive`` and ``num_ctx``, cuts prompts short in silence and loses errors
that come in the middle of an answer.
"""

from collections.abc import Mapping

from lodestard.domain.errors import Fault
from lodestard.domain.request import Format, Request
from lodestard.domain.settings import Upstream
from lodestard.protocols.codec import WireRequest
from lodestard.protocols.event_reader import EventReader
from lodestard.protocols.ollama_read import open_reader, read_error
from lodestard.protocols.ollama_write import write_chat


class OllamaCodec:
    """Speaks ``/api/chat``. Has no state."""

    __slots__ = ()

    def write_request(self, request: Request, model: str, settings: Upstream) -> WireRequest:
        return write_chat(request, model, settings)

    def takes_format(self, form: Format, model: str) -> bool:  # noqa: ARG002
        return True

    def reader(self, wire: WireRequest) -> EventReader:  # noqa: ARG002 - every answer is streamed
        return open_reader()

    def read_error(self, status: int, headers: Mapping[str, str], body: bytes) -> Fault:  # noqa: ARG002
        return read_error(status, body)
