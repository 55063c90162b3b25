"""What a client asks for, in the house's words.

A ``Request`` has two faces. ``members`` are the top-level members of the client's body as raw JSON: where client
and upstream speak the same dialect they are sent on with only what must change changed, so no field is lost.
``conversation`` is the intermediate form that one reader per dialect fills and one writer per dialect reads.
"""

from collections.abc import Mapping
from typing import Literal

import msgspec

Role = Literal["system", "developer", "user", "assistant", "tool"]


class TextPart(msgspec.Struct, frozen=True, tag="text"):
    text: str


class ImagePart(msgspec.Struct, frozen=True, tag="image"):
    """An image: ``data`` is base64 when it came inline, otherwise ``url`` names it."""

    url: str = ""
    media_type: str = ""
    data: str = ""
    detail: str = ""


TOKENS = "tokens"
"""The kind of a part that is text in a tokenizer's own numbers; its body has at least as many bytes as tokens."""


class OtherPart(msgspec.Struct, frozen=True, tag="other"):
    """A part that we don't know: passes through to its own dialect, refused by every other writer."""

    kind: str
    raw: msgspec.Raw


Part = TextPart | ImagePart | OtherPart


class Thought(msgspec.Struct, frozen=True):
    """What a provider thought before it called a tool, in its own form: it wants it back unchanged with the result.

    ``raw`` is the provider's own JSON, which only the ``dialect`` that wrote it can read: Anthropic's thinking block
    with its signature, Gemini's thought signature. ``call_id``: of which call; empty where it is of the whole answer.
    """

    dialect: str
    raw: msgspec.Raw
    call_id: str = ""


class ToolCall(msgspec.Struct, frozen=True):
    """A call that the model made. ``arguments`` is JSON text, as the model wrote it (perhaps not valid).

    A ``kind`` other than function belongs to one dialect alone: every other writer refuses it.
    """

    id: str
    name: str
    arguments: str
    kind: str = "function"


class Message(msgspec.Struct, frozen=True, kw_only=True):
    """One turn, or the result of one tool call (``role`` tool; ``is_error``: the call failed)."""

    role: Role
    parts: tuple[Part, ...] = ()
    tool_calls: tuple[ToolCall, ...] = ()
    tool_call_id: str = ""
    name: str = ""
    reasoning: str = ""
    thoughts: tuple[Thought, ...] = ()
    is_error: bool = False

    @property
    def text(self) -> str:
        """Its text parts, joined."""
        texts = [part.text for part in self.parts if type(part) is TextPart]
        return texts[0] if len(texts) == 1 else "".join(texts)


class Tool(msgspec.Struct, frozen=True, kw_only=True):
    """A function that the model may call; ``parameters`` is its JSON schema, raw.

    A ``kind`` other than function belongs to one dialect alone: every other writer refuses it.
    """

    name: str
    kind: str = "function"
    description: str = ""
    parameters: msgspec.Raw | None = None
    strict: bool | None = None


class ToolChoice(msgspec.Struct, frozen=True):
    """``mode`` auto, none, required, or function (then ``name`` says which)."""

    mode: Literal["auto", "none", "required", "function"]
    name: str = ""


class Sampling(msgspec.Struct, frozen=True, kw_only=True):
    temperature: float | None = None
    top_p: float | None = None
    top_k: int | None = None
    seed: int | None = None
    stop: tuple[str, ...] = ()
    presence_penalty: float | None = None
    frequency_penalty: float | None = None
    max_output_tokens: int | None = None


class Format(msgspec.Struct, frozen=True, kw_only=True):
    """The form that the answer must have. ``schema`` is a JSON schema, raw, for ``json_schema``.

    ``strict``: whether the answer must follow it to the letter; None where the client did not say.
    """

    kind: Literal["text", "json", "json_schema"] = "text"
    schema: msgspec.Raw | None = None
    name: str = ""
    strict: bool | None = None


class Completion(msgspec.Struct, frozen=True, kw_only=True):
    """Text to be continued rather than answered. Its prompt is the conversation's only message, of the user; where
    there are several prompts (for the dialect that they came in alone), each is one, and ``n`` counts for all.

    ``suffix``: what comes after the gap that shall be filled; None where nothing is filled in. ``raw``: the prompt
    goes to the model without any template. ``echo``: the answer begins with the prompt.
    """

    suffix: str | None = None
    raw: bool = False
    echo: bool = False


class Embedding(msgspec.Struct, frozen=True, kw_only=True):
    """Vectors are asked for. Its inputs are the conversation's messages, each of the user, with one text part.

    ``dimensions``: of how many numbers; None as many as the model gives. ``base64``: the client wants little-endian
    32-bit floats in base64 instead of numbers. ``truncate``: an input that is too long is cut instead of refused.
    """

    dimensions: int | None = None
    base64: bool = False
    truncate: bool = False


class Conversation(msgspec.Struct, frozen=True, kw_only=True):
    """The intermediate form of a request: what translators read and write.

    ``completion`` and ``embedding`` are set where it is no chat. ``reasoning_effort`` is OpenAI's word (none,
    minimal, low, medium, high, xhigh), ``reasoning_tokens`` a budget for it; empty and None leave it to the model.
    ``parallel_calls``: whether the model may call several tools at once.
    """

    messages: tuple[Message, ...]
    tools: tuple[Tool, ...] = ()
    tool_choice: ToolChoice | None = None
    sampling: Sampling = Sampling()
    format: Format = Format()
    n: int = 1
    reasoning_effort: str = ""
    reasoning_tokens: int | None = None
    parallel_calls: bool | None = None
    logprobs: bool = False
    top_logprobs: int | None = None
    completion: Completion | None = None
    embedding: Embedding | None = None

    @property
    def is_chat(self) -> bool:
        return self.completion is None and self.embedding is None


class Request(msgspec.Struct, frozen=True, kw_only=True):
    """One request, read and checked.

    ``dialect`` is the client's. ``alias`` is the model that it named. ``include_usage`` says whether a streamed
    answer shall end with its usage. ``size_bytes`` is the body's size on the wire. ``headers`` are those of the
    client that go on to an upstream of the same dialect (Anthropic's versions); names in lower case. ``unsaid`` are
    members that the conversation has no word for, by their paths: whoever writes another dialect drops them, and
    says so.
    """

    dialect: str
    alias: str
    stream: bool
    include_usage: bool
    members: Mapping[str, msgspec.Raw]
    conversation: Conversation
    size_bytes: int
    headers: tuple[tuple[str, str], ...] = ()
    unsaid: tuple[str, ...] = ()

    @property
    def has_images(self) -> bool:
        return any(isinstance(part, ImagePart) for message in self.conversation.messages for part in message.parts)


class Caller(msgspec.Struct, frozen=True, kw_only=True):
    """Who asks. ``principal`` is the only one that is verified: it splits cache and budgets.

    The others are what the client says of itself (headers, body), kept for reports and for the budgets of whoever
    sets them. ``task`` is what the request is for (``edit``, ``commit``, ``summary`` …), where that can be told.
    ``priority`` is how urgent it says that it is (``interactive``, ``background``, ``idle``); empty where it says
    nothing. ``said_session`` is the session as it named it; ``session`` may be the ledger's guess. ``origin`` is
    the part of the house that asks, which no client can say of itself; empty for a client's request. What the house
    asks on its own saves nobody anything, and its text is kept nowhere. ``tags`` are words of the client's for rules,
    ``prefer`` what it wants of a choice (cheap, balanced, fast, best); empty where it says nothing. ``folder`` is the
    path that a tool works in, by which a trusted project is found; it is written nowhere.
    """

    principal: str = "local"
    project: str = ""
    user: str = ""
    session: str = ""
    client: str = ""
    task: str = ""
    priority: str = ""
    said_session: str = ""
    origin: str = ""
    tags: tuple[str, ...] = ()
    prefer: str = ""
    folder: str = ""
