"""OpenAI's Responses: the one door to how a client's request is read and its answer written."""

from collections.abc import Mapping

from lodestard.domain.reply import Reply
from lodestard.domain.request import Request
from lodestard.protocols.responses.events import Keep, StreamWriter, read_id
from lodestard.protocols.responses.input import DIALECT
from lodestard.protocols.responses.read import Memory, NoMemory, Turn, read_turn
from lodestard.protocols.responses.toolbox import NO_TOOLS
from lodestard.protocols.responses.write import write_reply

__all__ = ["Keep", "Memory", "Responses", "StreamWriter", "Turn"]


class Responses:
    """``/v1/responses``; a ``ClientCodec`` for one request: it knows what was read when it writes the answer.

    ``keep``, where the client wants its answer kept, is called before the client has the whole.
    """

    __slots__ = ("_keep", "_memory", "turn")

    dialect = DIALECT
    heeded: tuple[str, ...] = ()

    def __init__(self, memory: Memory | None = None, keep: Keep | None = None) -> None:
        self._memory = memory or NoMemory()
        self._keep = keep
        self.turn: Turn | None = None

    def read_request(self, body: bytes, *, depth: int, headers: Mapping[str, str]) -> Request:  # noqa: ARG002
        self.turn = read_turn(body, depth=depth, memory=self._memory)
        return self.turn.request

    def stream_writer(self, request: Request, *, created: int, reply_id: str) -> StreamWriter:
        turn = self._turn(request)
        keep = self._keep if turn.stored else None
        return StreamWriter(turn, created=created, reply_id=reply_id, keep=keep)

    def write_reply(self, reply: Reply, request: Request, *, created: int, reply_id: str) -> bytes:
        turn = self._turn(request)
        body = write_reply(reply, turn, created=created, reply_id=reply_id)
        if self._keep is not None and turn.stored:
            self._keep(body, turn.items, [read_id(body).id])
        return body

    def _turn(self, request: Request) -> Turn:
        return self.turn or Turn(request=request, box=NO_TOOLS, items=(), stored=False)
