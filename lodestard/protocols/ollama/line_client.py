"""What ``/api/chat`` and ``/api/generate`` have in common, as clients speak them: an answer in lines is asked for.

Law: as ``client_read``. What is asked is read by the endpoint's own ``read``; what is written differs by its shape.
"""

from collections.abc import Callable, Mapping
from typing import NamedTuple

from lodestard.domain.reply import Reply
from lodestard.domain.request import Completion, Conversation, Message, Request, Tool
from lodestard.protocols.json_text import read_members
from lodestard.protocols.ollama.client_read import Asked, find_unsaid, read_effort, read_format, read_sampling
from lodestard.protocols.ollama.client_write import LineWriter, Shape, write_answer, write_empty


class Read(NamedTuple):
    """A body, as an endpoint reads it. ``said`` are the members that its conversation has words for."""

    asked: Asked
    talk: Conversation
    said: frozenset[str]


class LineClient:
    """A ``ClientCodec``. Has no state."""

    __slots__ = ("_read", "_shape", "dialect")

    heeded: tuple[str, ...] = ()

    def __init__(self, dialect: str, shape: Shape, read: Callable[[bytes], Read]) -> None:
        self.dialect = dialect
        self._shape = shape
        self._read = read

    def read_request(self, body: bytes, *, depth: int, headers: Mapping[str, str]) -> Request:  # noqa: ARG002
        members = read_members(body, depth=depth)
        read = self._read(body)
        return Request(
            dialect=self.dialect,
            alias=read.asked.model,
            stream=read.asked.stream is not False,
            include_usage=True,
            members=members,
            conversation=read.talk,
            size_bytes=len(body),
            unsaid=find_unsaid(members, read.said),
        )

    def stream_writer(self, request: Request, *, created: int, reply_id: str) -> LineWriter:  # noqa: ARG002
        return LineWriter(request, self._shape, created)

    def write_reply(self, reply: Reply, request: Request, *, created: int, reply_id: str) -> bytes:  # noqa: ARG002
        return write_answer(reply, request, self._shape, created)

    def write_empty(self, request: Request, reason: str, *, created: int) -> bytes:
        """What comes of a request that asks nothing: ``reason`` is load or unload."""
        return write_empty(request, self._shape, reason, created)


def read_talk(
    asked: Asked, messages: tuple[Message, ...], *, tools: tuple[Tool, ...] = (), completion: Completion | None = None
) -> Conversation:
    """The conversation, with what both endpoints say of the answer."""
    return Conversation(
        messages=messages,
        tools=tools,
        sampling=read_sampling(asked),
        format=read_format(asked.format),
        reasoning_effort=read_effort(asked.think),
        logprobs=bool(asked.logprobs),
        top_logprobs=asked.top_logprobs if asked.logprobs else None,
        completion=completion,
    )
