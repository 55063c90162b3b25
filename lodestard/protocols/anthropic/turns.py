"""The messages of a conversation as Anthropic takes them: a system prompt, then turns of the user and the assistant.

Law: the order of what was said is kept. What comes first of system messages is the system prompt; later ones are said
in the user's turn, at their place. In a user's turn the results of calls come first. Thoughts are given back before
the calls that they led to, in the round of calls that is under way: earlier ones may be left out, and a client that
has cut its history short would have them refused. What the dialect can't say is refused.
Source: Anthropic's API reference, "Create a Message"; its guides "Tool use" and "Extended thinking".
"""

import re
from collections import Counter
from collections.abc import Sequence
from typing import Any

import msgspec

from lodestard.domain.errors import CallerFault, Code
from lodestard.domain.request import ImagePart, Message, Part, TextPart, ToolCall
from lodestard.protocols.json_text import read_object

DIALECT = "anthropic"
LATER_SYSTEM = "later system messages are said as the user's"
_DEPTH = 64
_NOT_IN_AN_ID = re.compile(r"[^a-zA-Z0-9_-]")
_IMAGES = {kind: kind for kind in ("image/jpeg", "image/png", "image/gif", "image/webp")} | {
    "image/jpg": "image/jpeg"
}
_PLAIN_DETAIL = ("", "auto")

Block = dict[str, Any]


class Turn(msgspec.Struct):
    """One turn: ``thoughts``, then ``results`` of calls (of a user's turn), then its other ``blocks``."""

    role: str
    blocks: list[Block]
    results: list[Block]
    thoughts: list[msgspec.Raw]
    calls: bool = False

    @property
    def content(self) -> list[Any]:
        return [*self.thoughts, *self.results, *self.blocks]


class Transcript(msgspec.Struct):
    """The system prompt and the turns. ``names``: the tools that were called; ``notes``: what is said otherwise."""

    system: list[Block]
    turns: list[Turn]
    dropped: list[str]
    notes: list[str]
    names: dict[str, None]

    @property
    def lacks_thought(self) -> bool:
        """Whether a round of calls is under way whose thoughts are not known any more."""
        if len(self.turns) < 2 or not self.turns[-1].results:
            return False
        asked = self.turns[-2]
        return asked.calls and not asked.thoughts


def write_transcript(messages: Sequence[Message]) -> Transcript:
    """Raises ``CallerFault(NOT_SUPPORTED)`` for what the dialect can't say."""
    writer = _Writer()
    for index, message in enumerate(messages):
        writer.add(message, index)
    return writer.finish()


class _Ids:
    """Ids as they may be there: of few characters, each one once. Calls and their results come in the same order, so
    that what has no id, or the same one as an earlier call, is named alike on both sides.
    """

    def __init__(self) -> None:
        self._met: Counter[str] = Counter()

    def name(self, given: str) -> str:
        plain = _NOT_IN_AN_ID.sub("_", given) or "call"
        self._met[plain] += 1
        again = self._met[plain]
        return plain if again == 1 else f"{plain}_{again}"


class _Writer:
    """Gathers turns."""

    def __init__(self) -> None:
        self._written = Transcript([], [], [], [], {})
        self._calls, self._results = _Ids(), _Ids()

    def add(self, message: Message, index: int) -> None:
        path = f"messages[{index}].content"
        match message.role:
            case "system" | "developer":
                self._add_system(message, path)
            case "assistant":
                self._add_assistant(message, index, path)
            case "tool":
                self._turn("user").results.append(self._result(message, path))
            case _:
                self._say("user", self._blocks(message.parts, path))
        if message.name and message.role != "tool":
            self._drop("messages[].name")

    def finish(self) -> Transcript:
        written = self._written
        _keep_current_thoughts(written.turns)
        _strip_end(written.turns)
        if not written.turns:
            if not written.system:
                raise _unsupported("Anthropic wants at least one message with something in it.", "messages")
            written.turns = [Turn("user", [written.system.pop()], [], [])]
        return written

    def _turn(self, role: str) -> Turn:
        turns = self._written.turns
        if not turns or turns[-1].role != role:
            turns.append(Turn(role, [], [], []))
        return turns[-1]

    def _say(self, role: str, blocks: Sequence[Block]) -> None:
        """An empty turn is none: those before and after it are one."""
        if blocks:
            self._turn(role).blocks += blocks

    def _add_system(self, message: Message, path: str) -> None:
        for place, part in enumerate(message.parts):
            if type(part) is not TextPart:
                raise _unsupported("Anthropic's system prompt is text alone.", f"{path}[{place}]")
        blocks = self._blocks(message.parts, path)
        if not self._written.turns:
            self._written.system += blocks
        elif blocks:
            self._say("user", blocks)
            if LATER_SYSTEM not in self._written.notes:
                self._written.notes.append(LATER_SYSTEM)

    def _add_assistant(self, message: Message, index: int, path: str) -> None:
        for place, part in enumerate(message.parts):
            if type(part) is ImagePart:
                raise _unsupported("Anthropic's assistant says nothing in images.", f"{path}[{place}]")
        self._say("assistant", self._blocks(message.parts, path))
        for place, call in enumerate(message.tool_calls):
            turn = self._turn("assistant")
            turn.blocks.append(self._call(call, f"messages[{index}].tool_calls[{place}]"))
            turn.calls = True
        if message.tool_calls:
            self._turn("assistant").thoughts += [
                thought.raw for thought in message.thoughts if thought.dialect == DIALECT
            ]
        if message.reasoning and not message.thoughts:
            self._drop("messages[].reasoning")

    def _call(self, call: ToolCall, path: str) -> Block:
        if call.kind != "function":
            raise _unsupported(f"Anthropic has no calls of the type {call.kind[:32]!r}.", path)
        self._written.names[call.name] = None
        return {
            "type": "tool_use",
            "id": self._calls.name(call.id),
            "name": call.name,
            "input": read_arguments(call.arguments),
        }

    def _result(self, message: Message, path: str) -> Block:
        block: Block = {"type": "tool_result", "tool_use_id": self._results.name(message.tool_call_id)}
        if any(type(part) is not TextPart for part in message.parts):
            block["content"] = self._blocks(message.parts, path)
        elif text := message.text:
            block["content"] = text
        if message.is_error:
            block["is_error"] = True
        return block

    def _blocks(self, parts: Sequence[Part], path: str) -> list[Block]:
        """A text of nothing but white space is refused there: it is left out."""
        blocks: list[Block] = []
        for place, part in enumerate(parts):
            if type(part) is TextPart:
                if part.text and not part.text.isspace():
                    blocks.append({"type": "text", "text": part.text})
            elif isinstance(part, ImagePart):
                blocks.append(self._image(part, f"{path}[{place}]"))
            else:
                kind = getattr(part, "kind", "")[:32]
                raise _unsupported(f"Content of the type {kind!r} can't be said to Anthropic.", f"{path}[{place}]")
        return blocks

    def _image(self, image: ImagePart, path: str) -> Block:
        if image.detail not in _PLAIN_DETAIL:
            self._drop("messages[].content[].detail")
        if not image.data:
            if image.url[:5].lower() == "data:":
                raise _unsupported("An image in a data URL must be base64.", path)
            return {"type": "image", "source": {"type": "url", "url": image.url}}
        kind = _IMAGES.get(image.media_type.lower())
        if kind is None:
            raise _unsupported("Anthropic takes JPEG, PNG, GIF and WebP images only.", path)
        return {"type": "image", "source": {"type": "base64", "media_type": kind, "data": image.data}}

    def _drop(self, path: str) -> None:
        if path not in self._written.dropped:
            self._written.dropped.append(path)


def read_arguments(text: str) -> msgspec.Raw | Block:
    """Anthropic wants an object. What the model once wrote that is none is kept as the text that it was."""
    if not text.strip():
        return {}
    return read_object(text, depth=_DEPTH) or {"arguments": text}


def _keep_current_thoughts(turns: Sequence[Turn]) -> None:
    """Only those of the round of calls that the last turn goes on with."""
    current = True
    for turn in reversed(turns):
        if turn.role == "user":
            current = current and bool(turn.results)
        elif not (current and turn.calls):
            turn.thoughts = []


def _strip_end(turns: list[Turn]) -> None:
    """White space at the end of what the assistant shall go on with is refused there."""
    if not turns or turns[-1].role != "assistant" or turns[-1].calls:
        return
    last = turns[-1].blocks[-1]
    last["text"] = last["text"].rstrip()


def _unsupported(text: str, path: str) -> CallerFault:
    return CallerFault(Code.NOT_SUPPORTED, text, param=path)
