"""``POST /v1/messages``, read with Anthropic's own complaints.

Law: pure. A field's complaint is ``field: message``, as Anthropic's validator writes it.
"""

from collections.abc import Iterator, Mapping, Sequence

import msgspec

from lodestard.simulator.answering.question import Json, Question, Tool, Turn
from lodestard.simulator.exchange import Refusal
from lodestard.simulator.paid.anthropic_rules import (
    Block,
    check_format,
    check_marks,
    check_sampling,
    check_tools,
    check_turns,
)
from lodestard.simulator.paid.prompt_cache import Mark
from lodestard.simulator.reading import Members, decode_object, json_type
from lodestard.simulator.tokens import count_tokens

_CHOICES = {"auto": "auto", "any": "required", "none": "none"}
_LEAST_BUDGET = 1024
_WANTED = {"string": "string", "integer": "integer", "number": "number", "array": "list", "object": "dictionary"}


class MessagesRequest(msgspec.Struct, frozen=True, kw_only=True):
    """One request. ``marks``: its cache breakpoints, shortest first."""

    model: str
    question: Question
    prompt: str
    images: int
    max_tokens: int
    stops: tuple[str, ...]
    stream: bool
    thinking_tokens: int
    marks: tuple[Mark, ...]


class _Transcript:
    """The prompt as it grows, with the breakpoints met on the way."""

    def __init__(self) -> None:
        self.parts: list[str] = []
        self.images = 0
        self.ends: list[tuple[int, bool]] = []

    def add(self, text: str) -> None:
        self.parts.append(text)

    def mark(self, block: Mapping[str, Json]) -> None:
        if control := block.get("cache_control"):
            self.ends.append((len(self.parts), control.get("ttl") == "1h"))

    def marks(self) -> tuple[Mark, ...]:
        texts = (("".join(self.parts[:end]), long) for end, long in self.ends)
        return tuple(Mark(text, count_tokens(text), long) for text, long in texts)


def read_members(body: bytes) -> Members:
    raw = decode_object(body)
    if raw is None:
        raise Refusal(400, "The request body is not valid JSON: expected an object")
    return Members(raw, complain)


def read_messages(members: Members, version: str, *, counting: bool = False, newer: bool = False) -> MessagesRequest:
    """Raises `Refusal` (400). ``counting``: for ``count_tokens``, which wants no ``max_tokens``. ``newer``: for a
    model that samples as it likes, thinks without a budget and takes system messages among the others.
    """
    for name in ("model", "messages") if counting else ("model", "max_tokens", "messages"):
        if not members.has(name):
            raise Refusal(400, f"{name}: Field required")
    check_sampling(members, version, newer=newer)
    max_tokens = members.integer("max_tokens")
    if max_tokens is not None and max_tokens < 1:
        raise Refusal(400, "max_tokens: Input should be greater than or equal to 1")
    transcript = _Transcript()
    turns = [*_system_turns(members, transcript), *_message_turns(members, transcript, newer=newer)]
    transcript.mark(members.raw)
    _check_together(members)
    if not newer and members.inner("output_config").has("effort"):
        raise Refusal(400, "This model does not support the effort parameter.")
    thinking = members.inner("thinking")
    return MessagesRequest(
        model=members.text("model"),
        question=_question(members, turns),
        prompt="".join(transcript.parts),
        images=transcript.images,
        max_tokens=max_tokens or 1,
        stops=tuple(str(stop) for stop in members.items("stop_sequences")),
        stream=members.flag("stream", False),
        thinking_tokens=_thinking_tokens(thinking, max_tokens or 1, newer=newer),
        marks=transcript.marks(),
    )


def complain(name: str, wanted: str, _had: str) -> Refusal:
    return Refusal(400, f"{name}: Input should be a valid {_WANTED.get(wanted, wanted)}")


def _check_together(members: Members) -> None:
    turns = [(str(turn["role"]), _blocks_of(turn.get("content"))) for turn in members.items("messages")]
    check_tools(members, turns)
    check_turns(members, turns)
    check_marks(members, turns)


def _blocks_of(content: Json) -> list[Block]:
    return [{"type": "text", "text": content}] if isinstance(content, str) else list(content)


def _thinking_tokens(thinking: Members, max_tokens: int, *, newer: bool) -> int:
    kind = thinking.text("type")
    if kind in ("enabled", "adaptive") and kind != ("adaptive" if newer else "enabled"):
        raise Refusal(400, f'"thinking.type.{kind}" is not supported for this model.')
    if kind not in ("enabled", "adaptive"):
        return 0
    budget = thinking.integer("budget_tokens") or _LEAST_BUDGET
    if budget < _LEAST_BUDGET:
        raise Refusal(
            400, f"thinking.enabled.budget_tokens: Input should be greater than or equal to {_LEAST_BUDGET}"
        )
    if budget >= max_tokens and thinking.text("type") == "enabled":
        raise Refusal(400, "`max_tokens` must be greater than `thinking.budget_tokens`.")
    return 32


def _question(members: Members, turns: Sequence[Turn]) -> Question:
    choice = members.inner("tool_choice")
    kind = choice.text("type", "auto")
    return Question(
        model=members.text("model"),
        turns=tuple(turns),
        tools=tuple(_tool(tool) for tool in members.items("tools")),
        choice=choice.text("name") if kind == "tool" else _CHOICES.get(kind, "auto"),
        parallel=not choice.flag("disable_parallel_tool_use", False),
        schema=check_format(members),
    )


def _system_turns(members: Members, transcript: _Transcript) -> Iterator[Turn]:
    for tool in members.items("tools"):
        transcript.add(msgspec.json.encode(tool).decode())
        transcript.mark(tool if isinstance(tool, dict) else {})
    system = members.raw.get("system")
    blocks = [{"type": "text", "text": system}] if isinstance(system, str) else members.items("system")
    for block in blocks:
        transcript.add(str(block.get("text", "")) + "\n")
        transcript.mark(block)
        yield Turn("system", str(block.get("text", "")))


def _message_turns(members: Members, transcript: _Transcript, *, newer: bool) -> Iterator[Turn]:
    messages = members.items("messages")
    if not messages:
        raise Refusal(400, "messages: at least one message is required")
    for at, message in enumerate(messages):
        if not isinstance(message, dict):
            raise complain(f"messages.{at}", "object", json_type(message))
        role = message.get("role")
        if role == "system" and not newer:
            raise Refusal(400, "role 'system' is not supported on this model")
        if role not in ("user", "assistant", "system"):
            raise Refusal(400, f"messages: Unexpected role \"{role}\". Allowed roles are 'user' or 'assistant'.")
        yield _turn(role, message.get("content"), transcript, at)


def _turn(role: str, content: Json, transcript: _Transcript, at: int) -> Turn:
    blocks = [{"type": "text", "text": content}] if isinstance(content, str) else content
    if not isinstance(blocks, list):
        raise complain(f"messages.{at}.content", "array", json_type(content))
    transcript.add(f"{role}\n")
    texts, images = [], 0
    for block in blocks:
        texts.append(_block_text(block))
        images += block.get("type") == "image"
        transcript.add(texts[-1] + "\n")
        transcript.mark(block)
    transcript.images += images
    is_result = any(block.get("type") == "tool_result" for block in blocks)
    return Turn("tool" if is_result else role, "\n".join(texts), images)


def _block_text(block: Mapping[str, Json]) -> str:
    match block.get("type"):
        case "text":
            return str(block.get("text", ""))
        case "thinking":
            return str(block.get("thinking", ""))
        case "tool_use":
            return msgspec.json.encode(block.get("input")).decode()
        case "tool_result":
            content = block.get("content", "")
            return content if isinstance(content, str) else "".join(_block_text(part) for part in content)
        case _:
            return ""


def _tool(tool: Json) -> Tool:
    if not isinstance(tool, dict) or not isinstance(tool.get("name"), str):
        raise Refusal(400, "tools.0.name: Field required")
    return Tool(tool["name"], Members(tool, complain).inner("input_schema").raw)
