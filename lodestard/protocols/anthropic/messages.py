"""Anthropic's messages: the one door to how a client's request is read and its answer written."""

from collections.abc import Mapping

from lodestard.domain.reply import Reply
from lodestard.domain.request import Request
from lodestard.protocols.anthropic.messages_read import HEEDED, VERSION, read_request
from lodestard.protocols.anthropic.messages_write import StreamWriter, write_reply
from lodestard.protocols.anthropic.turns import DIALECT

__all__ = ["VERSION", "AnthropicMessages", "StreamWriter", "read_request", "write_reply"]


class AnthropicMessages:
    """``/v1/messages``; a ``ClientCodec``. Has no state."""

    __slots__ = ()

    dialect = DIALECT
    heeded: tuple[str, ...] = HEEDED

    def read_request(self, body: bytes, *, depth: int, headers: Mapping[str, str]) -> Request:
        return read_request(body, depth=depth, headers=headers)

    def stream_writer(self, request: Request, *, created: int, reply_id: str) -> StreamWriter:  # noqa: ARG002
        return StreamWriter(request, reply_id)

    def write_reply(self, reply: Reply, request: Request, *, created: int, reply_id: str) -> bytes:  # noqa: ARG002
        return write_reply(reply, request, reply_id=reply_id)
