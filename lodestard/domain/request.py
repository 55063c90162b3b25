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


class OtherPart(msgspec.Struct, frozen=True, tag="other"):
    """A part that we don't know: passes through to its own dialect, refused by every other writer."""

    kind: str
    raw: msgspec.Raw


Part = TextPart | ImagePart | OtherPart


class ToolCall(msgspec.Struct, frozen=True):
    """A call that the model made. ``arguments`` is JSON text, as the model wrote it (perhaps not valid).

    A ``kind`` other than function belongs to one dialect alone: every other writer refuses it.
    """

    id: str
    name: str
    arguments: str
    kind: str = "function"


class Message(msgspec.Struct, frozen=True, kw_only=True):
    role: Role
    parts: tuple[Part, ...] = ()
    tool_calls: tuple[ToolCall, ...] = ()
    tool_call_id: str = ""
    name: str = ""
    reasoning: str = ""

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
    """The form that the answer must have. ``schema`` is a JSON schema, raw, for ``json_schema``."""

    kind: Literal["text", "json", "json_schema"] = "text"
    schema: msgspec.Raw | None = None
    name: str = ""


class Conversation(msgspec.Struct, frozen=True, kw_only=True):
    """The intermediate form of a chat request: what translators read and write."""

    messages: tuple[Message, ...]
    tools: tuple[Tool, ...] = ()
    tool_choice: ToolChoice | None = None
    sampling: Sampling = Sampling()
    format: Format = Format()
    n: int = 1
    reasoning_effort: str = ""
    logprobs: bool = False
    top_logprobs: int | None = None


class Request(msgspec.Struct, frozen=True, kw_only=True):
    """One chat request, read and checked.

    ``dialect`` is the client's. ``alias`` is the model that it named. ``include_usage`` says whether a streamed
    answer shall end with its usage. ``size_bytes`` is the body's size on the wire.
    """

    dialect: str
    alias: str
    stream: bool
    include_usage: bool
    members: Mapping[str, msgspec.Raw]
    conversation: Conversation
    size_bytes: int

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
    asks on its own saves nobody anything, and its text is kept nowhere.
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
