"""OpenAI's chat completions: the one door to how a client's request is read and its answer written."""

from collections.abc import Mapping

from lodestard.domain.reply import Reply
from lodestard.domain.request import Request
from lodestard.protocols.openai.chat_read import DIALECT, read_request
from lodestard.protocols.openai.chat_write import StreamWriter, write_reply

__all__ = ["OpenAIChat", "StreamWriter", "read_request", "write_reply"]


class OpenAIChat:
    """``/v1/chat/completions``; a ``ClientCodec``. Has no state."""

    __slots__ = ()

    dialect = DIALECT
    heeded: tuple[str, ...] = ()

    def read_request(self, body: bytes, *, depth: int, headers: Mapping[str, str]) -> Request:  # noqa: ARG002
        return read_request(body, depth=depth)

    def stream_writer(self, request: Request, *, created: int, reply_id: str) -> StreamWriter:
        return StreamWriter(request, created=created, reply_id=reply_id)

    def write_reply(self, reply: Reply, request: Request, *, created: int, reply_id: str) -> bytes:
        return write_reply(reply, request, created=created, reply_id=reply_id)
