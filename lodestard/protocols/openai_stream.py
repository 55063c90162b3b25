"""Answers of OpenAI and its likes: streamed chunks and plain bodies → pieces.

Law: each event's own bytes ride along in ``raw``, for clients of the same dialect; what we read of it is for the
ledger, the cache and the other dialects. Words that come many at once are read at once (``openai_words``). An answer
is whole when each of its choices said how it finished.
Source: OpenAI's API reference, "The chat completion chunk object" and "The chat completion object".
"""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from lodestard.domain.errors import Code, Fault, UpstreamFault
from lodestard.domain.reply import Finish, Piece, ToolCallPiece
from lodestard.domain.usage import Usage
from lodestard.protocols.codec import MAX_ANSWER_BYTES
from lodestard.protocols.event_reader import EventReader, RunReader, cut
from lodestard.protocols.json_depth import nests_deeper
from lodestard.protocols.openai_errors import stream_fault
from lodestard.protocols.openai_usage import larger, read_tier, read_usage
from lodestard.protocols.openai_words import read_words
from lodestard.protocols.sse import SseParser, frame, frame_all

_ABSENT = msgspec.Raw()
_NOTHING = (b"", b"null")
_KNOWN = frozenset({"id", "object", "created", "model", "choices", "usage", "error"})
_FINISHES: Mapping[str, Finish] = {
    "stop": "stop",
    "length": "length",
    "tool_calls": "tool_calls",
    "content_filter": "content_filter",
    "function_call": "function_call",
    "eos": "stop",
    "end_turn": "stop",
    "stop_sequence": "stop",
    "max_tokens": "length",
}
_BROKEN = frozenset({"error", "abort", "insufficient_system_resource", "malformed_function_call"})

_LOGPROBS_DEPTH = 16

_Index = Annotated[int, Meta(ge=0, le=4095)]


class _Function(msgspec.Struct, frozen=True):
    name: str | None = None
    arguments: str | None = None


class _Call(msgspec.Struct, frozen=True):
    index: _Index | None = None
    id: str | None = None
    function: _Function | None = None


class _Message(msgspec.Struct, frozen=True):
    """A delta, or the whole message of a plain answer: the same members."""

    content: str | list[msgspec.Raw] | None = None
    reasoning_content: str | None = None
    reasoning: str | None = None
    refusal: str | None = None
    tool_calls: list[_Call] | None = None


class _Choice(msgspec.Struct, frozen=True):
    index: _Index = 0
    delta: _Message | None = None
    message: _Message | None = None
    finish_reason: str | None = None
    logprobs: msgspec.Raw = _ABSENT


class _Answer(msgspec.Struct, frozen=True):
    id: str | None = None
    object: str | None = None
    model: str | None = None
    created: int | float | None = None
    choices: list[_Choice] | None = None
    usage: msgspec.Raw = _ABSENT
    service_tier: Any = None
    error: msgspec.Raw = _ABSENT


class _Part(msgspec.Struct, frozen=True):
    text: str = ""


class _Logprobs(msgspec.Struct, frozen=True):
    content: list[msgspec.Raw] | None = None
    refusal: list[msgspec.Raw] | None = None


_answer = msgspec.json.Decoder(_Answer)
_members = msgspec.json.Decoder(dict[str, msgspec.Raw])
_part = msgspec.json.Decoder(_Part)
_logprobs = msgspec.json.Decoder(_Logprobs)
_NAMELESS = ("", "", 0)
_raws = msgspec.json.Decoder(list[msgspec.Raw])
_NO_MESSAGE = _Message()


def open_stream(choices: int) -> EventReader:
    """A reader for a streamed answer of so many choices."""
    return RunReader(SseParser(), ChatChunks(choices))


class ChatChunks:
    """What the chunks of one streamed answer say, one after the other."""

    __slots__ = ("_asked", "_calls", "_finished", "_named", "_seen", "_tier", "_usage", "done")

    def __init__(self, choices: int) -> None:
        self._asked = choices
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
            raise _garbage() from None

    def words(self, events: list[bytes]) -> Piece | None:
        """One piece for many events, where each is a little text of the first choice and nothing else."""
        if not self._named or (run := read_words(events)) is None:
            return None
        self._seen.add(0)
        self._tier = self._tier if run.tier is None else run.tier
        return Piece(text=run.text, raw=frame_all(events), words=run.words)

    def _chunk(self, event: bytes) -> list[Piece]:
        chunk = _decode(event)
        if chunk.choices is None:
            return []  # not of this dialect: a ping of some kind
        if self._named and len(chunk.choices) == 1 and (chunk.usage is _ABSENT or bytes(chunk.usage) == b"null"):
            piece = self._word(chunk.choices[0], event)
            if piece is not None:
                self._tier = self._tier if chunk.service_tier is None else chunk.service_tier
                return [piece]
        usage = self._meter(chunk)
        if len(chunk.choices) > 1:
            return self._split(chunk, event, usage)
        choice = chunk.choices[0] if chunk.choices else None
        return [self._piece(chunk, choice, event, usage)]

    def _word(self, choice: _Choice, event: bytes) -> Piece | None:
        """What nearly every chunk of an answer is: a little text and nothing else. None where it is more or less."""
        delta = choice.delta
        if delta is None or choice.finish_reason or type(delta.content) is not str:
            return None
        if choice.logprobs is not _ABSENT and bytes(choice.logprobs) != b"null":
            return None
        if delta.tool_calls or delta.refusal or delta.reasoning_content or delta.reasoning:
            return None
        self._seen.add(choice.index)
        return Piece(choice=choice.index, text=delta.content, raw=frame(event))

    def _piece(self, chunk: _Answer, choice: _Choice | None, event: bytes, usage: Usage | None) -> Piece:
        finish = None if choice is None else self._follow(choice)
        names, extra = _NAMELESS, None
        if not self._named:
            self._named = True
            names, extra = _names(chunk), _extra(event)
        elif usage is not None or finish is not None:
            extra = _extra(event)
        if choice is None:
            return Piece(usage=usage, raw=frame(event), extra=extra, id=names[0], model=names[1], created=names[2])
        message = choice.delta or _NO_MESSAGE
        return Piece(
            choice=choice.index,
            text=_text(message.content),
            reasoning=message.reasoning_content or message.reasoning or "",
            refusal=message.refusal or "",
            tool_calls=self._tool_calls(choice.index, message.tool_calls) if message.tool_calls else (),
            logprobs=_read_logprobs(choice.logprobs) if choice.logprobs is not _ABSENT else None,
            finish=finish,
            usage=usage,
            raw=frame(event),
            extra=extra,
            id=names[0],
            model=names[1],
            created=names[2],
        )

    def _split(self, chunk: _Answer, event: bytes, usage: Usage | None) -> list[Piece]:
        """A chunk of several choices → one chunk for each, with all its members; the usage stays on the last."""
        members = _members.decode(event)
        raws = _raws.decode(members["choices"])
        said = members.pop("usage", None)
        pieces: list[Piece] = []
        for choice, raw in zip(chunk.choices or (), raws, strict=True):
            last = len(pieces) == len(raws) - 1
            alone: dict[str, object] = {**members, "choices": [raw]}
            if last and said is not None:
                alone["usage"] = said
            text = msgspec.json.encode(alone)
            pieces.append(self._piece(chunk, choice, text, usage if last else None))
        return pieces

    def _meter(self, chunk: _Answer) -> Usage | None:
        if chunk.service_tier is not None:
            self._tier = chunk.service_tier
        if chunk.usage is _ABSENT or (new := read_usage(chunk.usage, read_tier(self._tier))) is None:
            return None
        self._usage = larger(self._usage, new)
        return self._usage

    def _follow(self, choice: _Choice) -> Finish | None:
        self._seen.add(choice.index)
        finish = _finish(choice.finish_reason)
        if finish is not None:
            self._finished.add(choice.index)
        return finish

    def _all_finished(self) -> bool:
        return bool(self._seen) and self._seen == self._finished

    def _tool_calls(self, choice: int, calls: Sequence[_Call]) -> tuple[ToolCallPiece, ...]:
        return tuple(_call(call, self._call_index(choice, call)) for call in calls)

    def _call_index(self, choice: int, call: _Call) -> int:
        """Gemini's endpoint leaves the index out: an id begins a new call."""
        last = self._calls.get(choice, -1)
        index = call.index
        if index is None:
            index = last + 1 if call.id or last < 0 else last
        self._calls[choice] = max(last, index)
        return index


class PlainReader:
    """Reads one plain answer; a ``ReplyReader``. Its pieces come when all of it is there."""

    __slots__ = ("_held", "body", "done", "fault")

    def __init__(self) -> None:
        self._held = bytearray()
        self.body = b""
        self.done = False
        self.fault: Fault | None = None

    def feed(self, data: bytes) -> list[Piece]:
        if self.fault is not None:
            raise self.fault
        self._held += data
        if len(self._held) > MAX_ANSWER_BYTES:
            self._held.clear()
            self.fault = _garbage(f"The upstream's answer is larger than {MAX_ANSWER_BYTES} bytes.")
            raise self.fault
        return []

    def finish(self) -> list[Piece]:
        if self.fault is not None:
            raise self.fault
        if self.done:
            return []
        body = bytes(self._held)
        self._held.clear()
        try:
            pieces = read_plain(body)
        except Fault as fault:
            self.fault = fault
            raise
        self.body = body
        self.done = True
        return pieces


def read_plain(body: bytes) -> list[Piece]:
    """A plain body → its pieces. Raises ``UpstreamFault``: cut, garbage, or the error that it holds."""
    try:
        return _read_plain(body)
    except (ValueError, RecursionError):
        text = body.strip()
        raise (cut() if text[:1] in (b"", b"{") and text[-1:] != b"}" else _garbage()) from None


def _read_plain(body: bytes) -> list[Piece]:
    answer = _decode(body)
    if not answer.choices:
        raise _garbage()
    known_id, model, created = _names(answer)
    about = _About(
        extra=_extra(body),
        usage=read_usage(answer.usage, read_tier(answer.service_tier)),
        id=known_id,
        model=model,
        created=created,
    )
    return [_whole(choice, about if place == 0 else _NOTHING_MORE) for place, choice in enumerate(answer.choices)]


class _About(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What a plain body says of all its choices: it is told with the first."""

    extra: Mapping[str, msgspec.Raw] | None = None
    usage: Usage | None = None
    id: str = ""
    model: str = ""
    created: int = 0


_NOTHING_MORE = _About()


def _whole(choice: _Choice, about: _About) -> Piece:
    message = choice.message or _NO_MESSAGE
    return Piece(
        choice=choice.index,
        text=_text(message.content),
        reasoning=message.reasoning_content or message.reasoning or "",
        refusal=message.refusal or "",
        tool_calls=_calls(message.tool_calls) if message.tool_calls else (),
        logprobs=_read_logprobs(choice.logprobs) if choice.logprobs is not _ABSENT else None,
        finish=_finish(choice.finish_reason),
        extra=about.extra,
        usage=about.usage,
        id=about.id,
        model=about.model,
        created=about.created,
    )


def _calls(calls: Sequence[_Call]) -> tuple[ToolCallPiece, ...]:
    return tuple([_call(call, place) for place, call in enumerate(calls)])


def _decode(event: bytes) -> _Answer:
    answer = _answer.decode(event)
    if (answer.error is not _ABSENT and bytes(answer.error) != b"null") or answer.object == "error":
        raise stream_fault(event)
    return answer


def _finish(reason: str | None) -> Finish | None:
    if not reason:
        return None
    finish = _FINISHES.get(reason)
    if finish is None:
        reason = reason.lower()
        if reason in _BROKEN:
            raise UpstreamFault(Code.UPSTREAM_ERROR, "The provider broke off its answer with an error.")
        finish = _FINISHES.get(reason, "error")  # unknown: passed on, but not worth keeping
    return finish


def _call(call: _Call, index: int) -> ToolCallPiece:
    function = call.function or _Function()
    return ToolCallPiece(index, call.id or "", function.name or "", function.arguments or "")


def _names(answer: _Answer) -> tuple[str, str, int]:
    """Id, model and creation time, as far as they make sense."""
    created = answer.created
    if created is None or not 0 <= created < 2**53:
        created = 0
    return answer.id or "", answer.model or "", int(created)


def _extra(event: bytes) -> Mapping[str, msgspec.Raw] | None:
    """The top-level members that the house has no word for."""
    if not event.isascii():
        event.decode()  # the decoder does not look into what stays raw
    found = {
        name: raw for name, raw in _members.decode(event).items() if name not in _KNOWN and bytes(raw) != b"null"
    }
    return found or None


def _read_logprobs(raw: msgspec.Raw) -> msgspec.Raw | None:
    """``{"content": […], "refusal": […]}``, and nothing else: others join them."""
    if bytes(raw) in _NOTHING:
        return None
    try:
        bytes(raw).decode()
        _logprobs.decode(raw)
        deep = nests_deeper(bytes(raw), _LOGPROBS_DEPTH)
    except (ValueError, RecursionError):
        return None
    return None if deep else raw


def _text(content: str | Sequence[msgspec.Raw] | None) -> str:
    if type(content) is str:
        return content
    return "".join([_part.decode(raw).text for raw in content]) if content else ""  # Mistral's parts


def _garbage(text: str = "The upstream sent something that is no part of a chat completion.") -> UpstreamFault:
    return UpstreamFault(Code.UPSTREAM_GARBAGE, text)
