"""What Anthropic refuses of a request whose members have the right types: its rules of what goes together.

Law: pure. The complaints are worded as the provider words them, as far as they are known.
"""

import hashlib
import re
from collections.abc import Iterator, Mapping, Sequence

from lodestard.simulator.answering.question import Json
from lodestard.simulator.exchange import Refusal
from lodestard.simulator.reading import Members

SAMPLING_REFUSED_FROM = "2026-10-21"
SAMPLING = ("temperature", "top_p", "top_k")
MOST_MARKS = 4
LEAST_TOP_P = 0.95
_ID = re.compile(r"[a-zA-Z0-9_-]+")
_THINKS = ("enabled", "adaptive")
_THOUGHTS = ("thinking", "redacted_thinking")

Block = Mapping[str, Json]


def signature(thinking: str) -> str:
    """What a thinking block must be replayed with."""
    return "sim" + hashlib.sha256(thinking.encode()).hexdigest()


def check_sampling(members: Members, version: str, *, newer: bool) -> None:
    """``newer``: a model that samples as it likes. Raises `Refusal`."""
    for name in SAMPLING:
        if members.has(name) and version >= SAMPLING_REFUSED_FROM:
            raise Refusal(400, f"{name}: Extra inputs are not permitted")
        if members.has(name) and newer:
            raise Refusal(400, f"`{name}` is deprecated for this model.")
    temperature = members.number("temperature")
    if temperature is not None and not 0 <= temperature <= 1:
        raise Refusal(400, "temperature: range: 0..1")
    if temperature is not None and members.has("top_p"):
        raise Refusal(400, "`temperature` and `top_p` cannot both be specified for this model. Please use only one.")
    if members.inner("thinking").text("type") in _THINKS:
        _check_sampling_while_thinking(members, temperature)


def _check_sampling_while_thinking(members: Members, temperature: float | None) -> None:
    top_p = members.number("top_p")
    if temperature not in (None, 1):
        raise Refusal(400, "`temperature` may only be set to 1 when thinking is enabled.")
    if members.has("top_k") or (top_p is not None and top_p < LEAST_TOP_P):
        raise Refusal(400, "`top_k` must be unset and `top_p` at least 0.95 when thinking is enabled.")


def check_tools(members: Members, turns: Sequence[tuple[str, Sequence[Block]]]) -> None:
    """Tools have schemas of objects, a choice has tools, and so have calls."""
    tools, choice = members.items("tools"), members.inner("tool_choice")
    for at, tool in enumerate(tools):
        schema = tool.get("input_schema") if isinstance(tool, dict) else None
        if isinstance(schema, dict) and "type" not in schema:
            raise Refusal(400, f"tools.{at}.custom.input_schema.type: Field required")
    if members.has("tool_choice") and not tools:
        raise Refusal(400, "tool_choice may only be specified while providing tools")
    called = any(block.get("type") in ("tool_use", "tool_result") for _, blocks in turns for block in blocks)
    if called and not tools:
        raise Refusal(400, "Requests which include `tool_use` or `tool_result` blocks must define tools.")
    if choice.text("type") in ("any", "tool") and members.inner("thinking").text("type") in _THINKS:
        raise Refusal(400, "Thinking may not be enabled when tool_choice forces tool use.")


def check_turns(members: Members, turns: Sequence[tuple[str, Sequence[Block]]]) -> None:
    """What blocks hold, and what answers what."""
    for at, (_, blocks) in enumerate(turns):
        for place, block in enumerate(blocks):
            _check_block(block, f"messages.{at}.content.{place}")
    ids = [str(block.get("id")) for _, blocks in turns for block in blocks if block.get("type") == "tool_use"]
    if len(set(ids)) < len(ids):
        raise Refusal(400, "messages: `tool_use` ids must be unique")
    merged = list(_merge(turns))
    for at, (role, blocks) in enumerate(merged):
        before = merged[at - 1][1] if at else ()
        after = merged[at + 1][1] if at + 1 < len(merged) else ()
        _check_calls(at, role, blocks, before, after)
    _check_end(merged[-1])
    if members.inner("thinking").text("type") == "enabled":
        _check_thought_of_round(merged)


def check_marks(members: Members, turns: Sequence[tuple[str, Sequence[Block]]]) -> None:
    """At most four, the one at the top among them."""
    system = members.raw.get("system")
    blocks = [*members.items("tools"), *(system if isinstance(system, list) else ())]
    for _, said in turns:
        blocks += said
    count = sum(isinstance(block, dict) and bool(block.get("cache_control")) for block in blocks)
    count += members.has("cache_control")
    if count > MOST_MARKS:
        raise Refusal(400, f"A maximum of 4 blocks with cache_control may be provided. Found {count}.")


def _check_block(block: Block, path: str) -> None:
    match block.get("type"):
        case "text":
            text = block.get("text")
            if not text:
                raise Refusal(400, "messages: text content blocks must be non-empty")
            if not str(text).strip():
                raise Refusal(400, "messages: text content blocks must contain non-whitespace text")
        case "thinking":
            if block.get("signature") != signature(str(block.get("thinking", ""))):
                raise Refusal(400, f"{path}: Invalid `signature` in `thinking` block")
        case "tool_use":
            if not _ID.fullmatch(str(block.get("id", ""))):
                raise Refusal(400, f"{path}.tool_use.id: String should match pattern '^[a-zA-Z0-9_-]+$'")
            if not isinstance(block.get("input"), dict):
                raise Refusal(400, f"{path}.tool_use.input: Input should be a valid dictionary")


def _merge(turns: Sequence[tuple[str, Sequence[Block]]]) -> Iterator[tuple[str, Sequence[Block]]]:
    """Turns of one role that follow each other are one."""
    role, gathered = "", list[Block]()
    for said_by, blocks in turns:
        if said_by != role and role:
            yield role, gathered
            gathered = []
        role = said_by
        gathered = [*gathered, *blocks]
    yield role, gathered


def _check_calls(
    at: int, role: str, blocks: Sequence[Block], before: Sequence[Block], after: Sequence[Block]
) -> None:
    if role == "assistant":
        missing = _ids(blocks, "tool_use", "id") - _ids(after, "tool_result", "tool_use_id")
        if missing:
            text = f"`tool_use` ids were found without `tool_result` blocks immediately after: {min(missing)}."
            raise Refusal(400, f"messages.{at}: {text}")
        return
    strange = _ids(blocks, "tool_result", "tool_use_id") - _ids(before, "tool_use", "id")
    if strange:
        raise Refusal(400, f"messages.{at}: unexpected `tool_use_id` found in `tool_result` blocks: {min(strange)}.")
    kinds = [block.get("type") == "tool_result" for block in blocks]
    if any(kinds) and kinds != sorted(kinds, reverse=True):
        raise Refusal(400, f"messages.{at}: `tool_result` blocks must come first.")


def _ids(blocks: Sequence[Block], kind: str, name: str) -> set[str]:
    return {str(block.get(name, "")) for block in blocks if block.get("type") == kind}


def _check_end(last: tuple[str, Sequence[Block]]) -> None:
    role, blocks = last
    text = str(blocks[-1].get("text", "")) if role == "assistant" and blocks else ""
    if text != text.rstrip():
        raise Refusal(400, "messages: final assistant content cannot end with trailing whitespace")


def _check_thought_of_round(merged: Sequence[tuple[str, Sequence[Block]]]) -> None:
    """With manual thinking, a round of calls goes on only with the thought that it began with."""
    if len(merged) < 2 or not _ids(merged[-1][1], "tool_result", "tool_use_id"):
        return
    kind = merged[-2][1][0].get("type")
    if kind not in _THOUGHTS:
        path = f"messages.{len(merged) - 2}.content.0.type"
        raise Refusal(400, f"{path}: Expected `thinking` or `redacted_thinking`, but found `{kind}`.")


def check_format(members: Members) -> Mapping[str, Json] | None:
    """The schema that the answer is held to: every object in it is closed. Raises `Refusal`."""
    form = members.inner("output_config").inner("format")
    if not form.raw:
        return None
    if form.text("type") != "json_schema":
        raise Refusal(400, "output_config.format.type: Input should be 'json_schema'")
    schema: Mapping[str, Json] = form.inner("schema").raw
    if not all(one.get("additionalProperties") is False for one in _objects(schema)):
        message = "For 'object' type, 'additionalProperties' must be explicitly set to false"
        raise Refusal(400, f"output_config.format.schema: {message}")
    return schema


def _objects(schema: Json) -> Iterator[Mapping[str, Json]]:
    """Every object of a schema, the innermost too."""
    if isinstance(schema, Mapping):
        if schema.get("type") == "object":
            yield schema
        for value in schema.values():
            yield from _objects(value)
    elif isinstance(schema, list):
        for value in schema:
            yield from _objects(value)
