"""Streamed answers of OpenAI and its likes: chunks → pieces.

Law: each event's own bytes ride along in ``raw`` where the client speaks the same dialect; what we read of it is
for the ledger, the cache and the other dialects. Words that come many at once are read at once (``words``). An
answer is whole when each of its choices said how it finished.
Source: OpenAI's API reference, "The chat completion chunk object" and "The chat completion object".
"""

from collections.abc import Sequence

import msgspec

from lodestard.domain.reply import Finish, Piece, ToolCallPiece
from lodestard.domain.usage import Usage, larger
from lodestard.protocols.event_reader import EventReader, RunReader, cut
from lodestard.protocols.openai.answer import (
    ABSENT,
    NO_MESSAGE,
    Answer,
    Call,
    Choice,
    decode,
    garbage,
    read_call,
    read_extra,
    read_finish,
    read_logprobs,
    read_members,
    read_names,
    read_text,
)
from lodestard.protocols.openai.signatures import read_signatures
from lodestard.protocols.openai.usage import read_tier, read_usage
from lodestard.protocols.openai.words import read_words
from lodestard.protocols.sse import SseParser, frame, frame_all

_NAMELESS = ("", "", 0)
_raws = msgspec.json.Decoder(list[msgspec.Raw])


def open_stream(choices: int, *, passing: bool = True) -> EventReader:
    """A reader for a streamed answer of so many choices. ``passing``: the client speaks this dialect."""
    return RunReader(SseParser(), ChatChunks(choices, passing=passing))


class ChatChunks:
    """What the chunks of one streamed answer say, one after the other."""

    __slots__ = ("_asked", "_calls", "_finished", "_named", "_passing", "_seen", "_tier", "_usage", "done")

    def __init__(self, choices: int, *, passing: bool = True) -> None:
        self._asked = choices
        self._passing = passing
        self._seen: set[int] = set()
        self._finished: set[int] = set()
        self._calls: dict[int, int] = {}
        self._named = False
        self._tier: object = None
        self._usage: Usage | None = None
        self.done = False

    @property
    def ended(self) -> bool:
        """All choices that were asked for have finished; some servers leave ``[DONE]`` out."""
        return self._all_finished() and len(self._finished) >= self._asked

    def pieces(self, event: bytes) -> list[Piece]:
        if event == b"[DONE]":
            if not self._all_finished():
                raise cut()
            self.done = True
            return []
        try:
            return self._chunk(event)
        except (ValueError, RecursionError):
            raise garbage() from None

    def words(self, events: list[bytes]) -> Piece | None:
        """One piece for many events, where each is a little text of the first choice and nothing else."""
        if not self._named or (run := read_words(events)) is None:
            return None
        self._seen.add(0)
        self._tier = self._tier if run.tier is None else run.tier
        return Piece(text=run.text, raw=frame_all(events) if self._passing else b"", words=run.words)

    def _chunk(self, event: bytes) -> list[Piece]:
        chunk = decode(event)
        if chunk.choices is None:
            return []  # not of this dialect: a ping of some kind
        if self._named and len(chunk.choices) == 1 and (chunk.usage is ABSENT or bytes(chunk.usage) == b"null"):
            piece = self._word(chunk.choices[0], event)
            if piece is not None:
                self._tier = self._tier if chunk.service_tier is None else chunk.service_tier
                return [piece]
        usage = self._meter(chunk)
        if len(chunk.choices) > 1:
            return self._split(chunk, event, usage)
        choice = chunk.choices[0] if chunk.choices else None
        return [self._piece(chunk, choice, event, usage)]

    def _word(self, choice: Choice, event: bytes) -> Piece | None:
        """What nearly every chunk of an answer is: a little text and nothing else. None where it is more or less."""
        delta = choice.delta
        if delta is None or choice.finish_reason or type(delta.content) is not str:
            return None
        if choice.logprobs is not ABSENT and bytes(choice.logprobs) != b"null":
            return None
        if delta.tool_calls or delta.refusal or delta.reasoning_content or delta.reasoning:
            return None
        self._seen.add(choice.index)
        return Piece(choice=choice.index, text=delta.content, raw=frame(event) if self._passing else b"")

    def _piece(self, chunk: Answer, choice: Choice | None, event: bytes, usage: Usage | None) -> Piece:
        finish = None if choice is None else self._follow(choice)
        names, extra, raw = _NAMELESS, None, b""
        if self._passing:
            raw = frame(event)
            extra = read_extra(event) if not self._named or usage is not None or finish is not None else None
        if not self._named:
            self._named = True
            names = read_names(chunk)
        if choice is None:
            return Piece(usage=usage, raw=raw, extra=extra, id=names[0], model=names[1], created=names[2])
        message = choice.delta or NO_MESSAGE
        return Piece(
            choice=choice.index,
            text=read_text(message.content),
            reasoning=message.reasoning_content or message.reasoning or "",
            refusal=message.refusal or "",
            tool_calls=self._tool_calls(choice.index, message.tool_calls) if message.tool_calls else (),
            thoughts=read_signatures(message.tool_calls) if message.tool_calls else (),
            logprobs=read_logprobs(choice.logprobs) if choice.logprobs is not ABSENT else None,
            finish=finish,
            usage=usage,
            raw=raw,
            extra=extra,
            id=names[0],
            model=names[1],
            created=names[2],
        )

    def _split(self, chunk: Answer, event: bytes, usage: Usage | None) -> list[Piece]:
        """A chunk of several choices → one chunk for each, with all its members; the usage stays on the last."""
        alike = read_members(event)
        raws = _raws.decode(alike["choices"])
        said = alike.pop("usage", None)
        pieces: list[Piece] = []
        for choice, raw in zip(chunk.choices or (), raws, strict=True):
            last = len(pieces) == len(raws) - 1
            alone: dict[str, object] = {**alike, "choices": [raw]}
            if last and said is not None:
                alone["usage"] = said
            text = msgspec.json.encode(alone)
            pieces.append(self._piece(chunk, choice, text, usage if last else None))
        return pieces

    def _meter(self, chunk: Answer) -> Usage | None:
        if chunk.service_tier is not None:
            self._tier = chunk.service_tier
        if chunk.usage is ABSENT or (new := read_usage(chunk.usage, read_tier(self._tier))) is None:
            return None
        self._usage = larger(self._usage, new)
        return self._usage

    def _follow(self, choice: Choice) -> Finish | None:
        self._seen.add(choice.index)
        finish = read_finish(choice.finish_reason)
        if finish is not None:
            self._finished.add(choice.index)
        return finish

    def _all_finished(self) -> bool:
        return bool(self._seen) and self._seen == self._finished

    def _tool_calls(self, choice: int, calls: Sequence[Call]) -> tuple[ToolCallPiece, ...]:
        return tuple(read_call(call, self._call_index(choice, call)) for call in calls)

    def _call_index(self, choice: int, call: Call) -> int:
        """Gemini's endpoint leaves the index out: an id begins a new call."""
        last = self._calls.get(choice, -1)
        index = call.index
        if index is None:
            index = last + 1 if call.id or last < 0 else last
        self._calls[choice] = max(last, index)
        return index
