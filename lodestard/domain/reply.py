"""What a model answers: pieces as they come, and the whole once it is there.

Law: readers in ``protocols/`` turn an upstream's bytes into ``Piece``s, writers turn pieces into a client's
bytes, and ``assemble`` is the one place that makes a whole of pieces; so a streamed and a plain answer, fresh or
from the cache, are the same answer in two forms.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Literal

import msgspec

from lodestard.domain.request import Thought
from lodestard.domain.usage import Durations, Usage

PIECE_OVERHEAD_BYTES = 200
Finish = Literal["stop", "length", "tool_calls", "content_filter", "function_call", "error"]


class ToolCallPiece(msgspec.Struct, frozen=True, gc=False):
    """A piece of a tool call: the first one of an ``index`` has id and name, later ones argument text."""

    index: int
    id: str = ""
    name: str = ""
    arguments: str = ""


class Piece(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A part of one choice of an answer, or of what is said about the whole (usage, durations, its names).

    ``raw`` are the upstream's own stream events, framed; empty where the client speaks another dialect, or the piece
    was made by us. ``thoughts`` are what the provider wants back with the calls. ``words`` is how many events with
    text it stands for, where they came at once and said nothing else. ``id``, ``model`` and ``created`` (unix
    seconds) are set on the first. ``extra`` holds top-level members of the answer that we don't know, as raw JSON,
    for a client of the same dialect.
    """

    choice: int = 0
    text: str = ""
    reasoning: str = ""
    refusal: str = ""
    tool_calls: tuple[ToolCallPiece, ...] = ()
    logprobs: msgspec.Raw | None = None
    finish: Finish | None = None
    usage: Usage | None = None
    durations: Durations | None = None
    id: str = ""
    model: str = ""
    created: int = 0
    raw: bytes = b""
    thoughts: tuple[Thought, ...] = ()
    words: int = 1
    extra: Mapping[str, msgspec.Raw] | None = None

    @property
    def has_content(self) -> bool:
        """Whether a client would see something of the answer in it."""
        return bool(self.text or self.reasoning or self.refusal or self.tool_calls or self.finish)


class Choice(msgspec.Struct, frozen=True, kw_only=True):
    """One whole answer. ``tool_calls`` are (id, name, arguments) with arguments as JSON text.

    Of an embedding, ``text`` is the vector as a JSON array of numbers; choices are in the order of the inputs. Where
    the answer's body passes through, it is what that has in its place: perhaps a string of base64, in its quotes.
    """

    text: str = ""
    reasoning: str = ""
    refusal: str = ""
    tool_calls: tuple[ToolCallPiece, ...] = ()
    logprobs: msgspec.Raw | None = None
    finish: Finish | None = None
    thoughts: tuple[Thought, ...] = ()


class Reply(msgspec.Struct, frozen=True, kw_only=True):
    """A whole answer of an upstream.

    ``body`` is the upstream's own plain body where it gave one in ``dialect``: a client of that dialect gets
    exactly this.
    """

    id: str = ""
    model: str = ""
    created: int = 0
    choices: tuple[Choice, ...] = ()
    usage: Usage | None = None
    durations: Durations | None = None
    dialect: str = ""
    body: bytes = b""
    extra: Mapping[str, msgspec.Raw] = msgspec.field(default_factory=dict)

    @property
    def complete(self) -> bool:
        """Whether every choice came to an end of its own (worth keeping), rather than being cut."""
        return bool(self.choices) and all(choice.finish not in (None, "error") for choice in self.choices)


def size_of(piece: Piece) -> int:
    """About how many bytes a piece takes where it is kept."""
    text = len(piece.text) + len(piece.reasoning) + len(piece.raw)
    thoughts = sum(len(bytes(thought.raw)) for thought in piece.thoughts) if piece.thoughts else 0
    return PIECE_OVERHEAD_BYTES + text + thoughts + sum(len(call.arguments) for call in piece.tool_calls)


class Draft:
    """Gathers pieces into a whole. Keeps lists of strings, so that a long answer costs linear time.

    ``has_content``: a client would see something of the answer in what has come.
    """

    __slots__ = ("_choices", "_extra", "created", "durations", "has_content", "has_thoughts", "id", "model", "usage")

    def __init__(self) -> None:
        self.id = ""
        self.model = ""
        self.created = 0
        self.has_content = self.has_thoughts = False
        self.usage: Usage | None = None
        self.durations: Durations | None = None
        self._extra: dict[str, msgspec.Raw] = {}
        self._choices: dict[int, _ChoiceDraft] = {}

    def add(self, piece: Piece) -> None:
        if piece.id or piece.model or piece.created:
            self._name(piece)
        if piece.usage is not None:
            self.usage = piece.usage
        if piece.durations is not None:
            self.durations = piece.durations
        if piece.extra:
            self._extra.update(piece.extra)
        has_content = bool(piece.text) or piece.has_content
        if has_content or piece.logprobs is not None or piece.thoughts:
            self.has_content |= has_content
            self.has_thoughts |= bool(piece.thoughts)
            draft = self._choices.get(piece.choice)
            if draft is None:
                draft = self._choices[piece.choice] = _ChoiceDraft()
            draft.add(piece)

    def _name(self, piece: Piece) -> None:
        self.id = self.id or piece.id
        self.model = self.model or piece.model
        self.created = self.created or piece.created

    @property
    def cut_short(self) -> bool:
        """Whether an output limit ended an answer."""
        return any(draft.finish == "length" for draft in self._choices.values())

    def reply(self, *, body: bytes = b"", dialect: str = "") -> Reply:
        """The whole, as far as it has come; with the upstream's own ``body``, which is in ``dialect``."""
        return Reply(
            id=self.id,
            model=self.model,
            created=self.created,
            choices=tuple([draft.choice() for _, draft in sorted(self._choices.items(), key=_index)]),
            usage=self.usage,
            durations=self.durations,
            dialect=dialect,
            body=body,
            extra=self._extra,
        )


def _index(numbered: "tuple[int, _ChoiceDraft]") -> int:
    return numbered[0]


class _ChoiceDraft:
    __slots__ = ("finish", "logprobs", "reasoning", "refusal", "text", "thoughts", "tools")

    def __init__(self) -> None:
        self.text: list[str] = []
        self.reasoning: list[str] = []
        self.refusal: list[str] = []
        self.tools: dict[int, tuple[list[str], list[str], list[str]]] = {}
        self.logprobs: list[msgspec.Raw] = []
        self.thoughts: tuple[Thought, ...] = ()
        self.finish: Finish | None = None

    def add(self, piece: Piece) -> None:
        if piece.text:
            self.text.append(piece.text)
        if piece.reasoning:
            self.reasoning.append(piece.reasoning)
        if piece.refusal:
            self.refusal.append(piece.refusal)
        if piece.logprobs is not None:
            self.logprobs.append(piece.logprobs)
        if piece.finish is not None:
            self.finish = piece.finish
        if piece.thoughts:
            self.thoughts += piece.thoughts
        for call in piece.tool_calls:
            ids, names, arguments = self.tools.setdefault(call.index, ([], [], []))
            ids.append(call.id)
            names.append(call.name)
            arguments.append(call.arguments)

    def choice(self) -> Choice:
        return Choice(
            text="".join(self.text),
            reasoning="".join(self.reasoning) if self.reasoning else "",
            refusal="".join(self.refusal) if self.refusal else "",
            tool_calls=_join_calls(self.tools) if self.tools else (),
            logprobs=_join_logprobs(self.logprobs) if self.logprobs else None,
            finish=self.finish,
            thoughts=self.thoughts,
        )


def _join_calls(tools: dict[int, tuple[list[str], list[str], list[str]]]) -> tuple[ToolCallPiece, ...]:
    return tuple(
        ToolCallPiece(index, "".join(ids), "".join(names), "".join(arguments))
        for index, (ids, names, arguments) in sorted(tools.items())
    )


class _Logprobs(msgspec.Struct, omit_defaults=True):
    content: list[msgspec.Raw] | None = None
    refusal: list[msgspec.Raw] | None = None


def _join_logprobs(pieces: list[msgspec.Raw]) -> msgspec.Raw:
    """``{"content":[a]}`` and ``{"content":[b]}`` → ``{"content":[a,b]}``."""
    if len(pieces) == 1:
        return pieces[0]
    whole = _Logprobs()
    for raw in pieces:
        part = msgspec.json.decode(raw, type=_Logprobs)
        if part.content is not None:
            whole.content = (whole.content or []) + part.content
        if part.refusal is not None:
            whole.refusal = (whole.refusal or []) + part.refusal
    return msgspec.Raw(msgspec.json.encode(whole))


def assemble(pieces: Iterable[Piece]) -> Reply:
    """Pieces in order → the whole answer."""
    draft = Draft()
    for piece in pieces:
        draft.add(piece)
    return draft.reply()


def disassemble(reply: Reply) -> Iterator[Piece]:
    """The whole answer → pieces that ``assemble`` makes the same whole of (without ``raw``)."""
    first = {"id": reply.id, "model": reply.model, "created": reply.created}
    for index, choice in enumerate(reply.choices):
        yield Piece(
            choice=index,
            text=choice.text,
            reasoning=choice.reasoning,
            refusal=choice.refusal,
            tool_calls=choice.tool_calls,
            logprobs=choice.logprobs,
            thoughts=choice.thoughts,
            finish=None,
            extra=reply.extra if index == 0 and reply.extra else None,
            **first,  # type: ignore[arg-type]
        )
        if choice.finish is not None:
            yield Piece(choice=index, finish=choice.finish)
    if reply.usage is not None or reply.durations is not None:
        yield Piece(usage=reply.usage, durations=reply.durations)
