"""OpenAI's text completions, as a client gets them: pieces → events, a whole reply → a body.

Law: what an upstream of this dialect said goes through byte for byte; anything else is built from the pieces. Pieces
have nothing of the prompt in them: where the client wants it before the answer, it is put there here.
Source: OpenAI's API reference, "The completion object".
"""

from typing import Any

from lodestard.domain.reply import Choice, Finish, Piece, Reply
from lodestard.domain.request import Request
from lodestard.protocols.openai.event_writer import DONE, EventWriter, encode, usage_members
from lodestard.protocols.openai.logprobs import Offsets, to_completion


class TextWriter(EventWriter):
    """Writes the events of one streamed answer."""

    __slots__ = ("_head", "_offsets", "_tail", "_unsaid")

    def __init__(self, request: Request, created: int, reply_id: str) -> None:
        super().__init__(request, created, reply_id)
        self._name(request.alias)
        self._unsaid = _echoes(request)
        self._offsets: dict[int, Offsets] = {}

    def close(self) -> bytes:
        """The usage chunk, where it was asked for and has not been passed through, and the end."""
        if self._usage is None or not self._include_usage:
            return DONE
        usage = b',"usage":' + encode(usage_members(self._usage))
        return b"data: " + self._head + b'"choices":[]' + usage + self._tail + DONE

    def _name(self, model: str) -> None:
        head = {"id": self._reply_id, "object": "text_completion", "created": self._created}
        self._head = encode(head)[:-1] + b","
        self._tail = b',"model":' + encode(model) + b"}\n\n"

    def _build(self, piece: Piece) -> bytes:
        if piece.model and piece.model != self._model:
            self._model = piece.model
            self._name(piece.model)
        if piece.usage is not None:
            self._usage = piece.usage
        text = piece.text
        if not (text or piece.finish or piece.logprobs is not None or piece.extra):
            return b""
        more = b"," + encode(dict(piece.extra))[1:-1] if piece.extra else b""
        if self._unsaid and (echo := self._unsaid.pop(piece.choice, "")):
            text = echo + text
        logprobs = b"null" if piece.logprobs is None else encode(self._logprobs(piece, text))
        finish = b"null" if piece.finish is None else encode(finish_word(piece.finish))
        return b'data: %b"choices":[{"text":%b,"index":%d,"logprobs":%b,"finish_reason":%b}]%b%b' % (
            self._head,
            encode(text),
            piece.choice,
            logprobs,
            finish,
            more,
            self._tail,
        )

    def _logprobs(self, piece: Piece, text: str) -> dict[str, Any] | None:
        offsets = self._offsets.setdefault(piece.choice, Offsets(len(text) - len(piece.text)))
        return None if piece.logprobs is None else to_completion(piece.logprobs, offsets)


def write_reply(reply: Reply, request: Request, *, reply_id: str, created: int) -> bytes:
    """The whole answer: the upstream's own body where it passes through, otherwise built."""
    if reply.body:
        return reply.body
    echoes = _echoes(request)
    built: dict[str, Any] = {
        "id": reply_id,
        "object": "text_completion",
        "created": created,
        "model": reply.model or request.alias,
        "choices": [_whole(choice, index, echoes.get(index, "")) for index, choice in enumerate(reply.choices)],
    }
    if reply.usage is not None:
        built["usage"] = usage_members(reply.usage)
    for name, value in reply.extra.items():
        built.setdefault(name, value)
    return encode(built)


def finish_word(finish: Finish | None) -> str | None:
    """How an answer ended, in words that a completion has."""
    return "stop" if finish in ("tool_calls", "function_call") else finish


def _whole(choice: Choice, index: int, echo: str) -> dict[str, Any]:
    logprobs = None if choice.logprobs is None else to_completion(choice.logprobs, Offsets(len(echo)))
    return {
        "text": echo + choice.text,
        "index": index,
        "logprobs": logprobs,
        "finish_reason": finish_word(choice.finish),
    }


def _echoes(request: Request) -> dict[int, str]:
    """What comes before each choice, by its index: its prompt, where the client wants it."""
    talk = request.conversation
    if talk.completion is None or not talk.completion.echo:
        return {}
    each = max(1, talk.n // max(1, len(talk.messages)))
    return {index: talk.messages[index // each].text for index in range(each * len(talk.messages))}
