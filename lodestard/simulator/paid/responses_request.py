"""``POST /responses``, read with OpenAI's own complaints.

Law: pure; what OpenAI refuses is refused here, in its words and with its ``param`` and ``code``. Nothing is kept, so
whatever names an earlier answer names nothing.
"""

import base64
from collections.abc import Iterator, Sequence

import msgspec

from lodestard.simulator.answering.question import Json, Question, Tool, Turn
from lodestard.simulator.exchange import Refusal
from lodestard.simulator.paid.chat_request import complain
from lodestard.simulator.paid.providers import PaidModel
from lodestard.simulator.reading import Members, json_type
from lodestard.simulator.tokens import count_tokens

ENCRYPTED = "reasoning.encrypted_content"
LOGPROBS = "message.output_text.logprobs"
_LEAST_OUTPUT = 16
_KNOWN = frozenset(
    {
        "model", "input", "instructions", "stream", "stream_options", "tools", "tool_choice", "parallel_tool_calls",
        "max_output_tokens", "max_tool_calls", "temperature", "top_p", "top_logprobs", "include", "store", "text",
        "reasoning", "metadata", "user", "safety_identifier", "prompt_cache_key", "prompt_cache_retention",
        "service_tier", "truncation", "previous_response_id", "background", "conversation", "prompt",
        "client_metadata",
    }
)  # fmt: skip
_PARTS = {"assistant": ("output_text", "refusal")}
_INPUT_PARTS = ("input_text", "input_image", "input_file")
_ROLES = {"developer": "system", "system": "system", "user": "user", "assistant": "assistant"}
_CHOICES = ("auto", "none", "required")


class ResponsesRequest(msgspec.Struct, frozen=True, kw_only=True):
    """One request. ``max_tokens`` None: the model's own limit. ``thoughts``: what it brings back, readable again."""

    question: Question
    turns: tuple[Turn, ...]
    thoughts: str
    stream: bool
    max_tokens: int | None
    include: frozenset[str]
    top_logprobs: int
    reasoning: bool
    summary: bool

    @property
    def text(self) -> str:
        """All that the model reads, in order, so that equal beginnings stay equal."""
        tools = "".join(f"{one.name} {msgspec.json.encode(one.schema).decode()}\n" for one in self.question.tools)
        return tools + "".join(f"{turn.role}\n{turn.text}\n" for turn in self.turns) + self.thoughts

    def tokens(self, image_tokens: int) -> int:
        return count_tokens(self.text) + image_tokens * sum(turn.images for turn in self.turns)


def seal(provider: str, thought: str) -> str:
    """What was thought, as only this provider can read it."""
    return "gAAAAA" + base64.urlsafe_b64encode(f"{provider}\n{thought}".encode()).decode()


def read_responses(members: Members, model: PaidModel, provider: str) -> ResponsesRequest:
    """Raises `Refusal`."""
    _check_members(members, model)
    items = _input(members)
    form = members.inner("text").inner("format")
    _check_json(form, items)
    instructions = members.text("instructions")
    turns = tuple(_turn(item, at) for at, item in enumerate(items) if item.get("type") != "reasoning")
    if instructions:
        turns = (Turn("system", instructions), *turns)
    _check_calls(items)
    return ResponsesRequest(
        question=_question(members, turns, form),
        turns=turns,
        thoughts="".join(_thought(item, at, provider) for at, item in enumerate(items)),
        stream=members.flag("stream", False),
        max_tokens=members.integer("max_output_tokens"),
        include=frozenset(str(one) for one in members.items("include")),
        top_logprobs=members.integer("top_logprobs") or 0,
        reasoning=members.inner("reasoning").text("effort") != "none",
        summary=bool(members.inner("reasoning").text("summary")),
    )


def _check_members(members: Members, model: PaidModel) -> None:
    for name in members.raw:
        if name not in _KNOWN:
            raise Refusal(400, f"Unknown parameter: '{name}'.", code="unknown_parameter", param=name)
    if members.has("previous_response_id"):
        message = f"Previous response with id '{members.text('previous_response_id')}' not found."
        raise Refusal(400, message, code="previous_response_not_found", param="previous_response_id")
    limit = members.integer("max_output_tokens")
    if limit is not None and limit < _LEAST_OUTPUT:
        message = f"Invalid 'max_output_tokens': integer below minimum value. Expected a value >= {_LEAST_OUTPUT}."
        raise Refusal(400, message, code="integer_below_min_value", param="max_output_tokens")
    if model.reasoning_tokens:
        return
    if members.inner("reasoning").text("effort"):
        message = "Unsupported parameter: 'reasoning.effort' is not supported with this model."
        raise Refusal(400, message, code="unsupported_parameter", param="reasoning.effort")
    if ENCRYPTED in members.items("include"):
        raise Refusal(400, "Encrypted content is not supported with this model.", param="include")


def _input(members: Members) -> list[dict[str, Json]]:
    given = members.raw.get("input")
    if isinstance(given, str):
        return [{"type": "message", "role": "user", "content": given}]
    items = members.items("input")
    if not items:
        raise Refusal(400, "Missing required parameter: 'input'.", code="missing_required_parameter", param="input")
    for at, item in enumerate(items):
        if not isinstance(item, dict):
            raise complain(f"input[{at}]", "object", json_type(item))
    return items


def _check_json(form: Members, items: Sequence[dict[str, Json]]) -> None:
    if form.text("type") == "json_object" and b"json" not in msgspec.json.encode(items).lower():
        message = (
            "Response input messages must contain the word 'json' in some form"
            " to use 'text.format' of type 'json_object'."
        )
        raise Refusal(400, message, param="input")


def _check_calls(items: Sequence[dict[str, Json]]) -> None:
    """A result belongs to a call, and what was thought to what followed it."""
    called: set[str] = set()
    for at, item in enumerate(items):
        kind, call_id = item.get("type"), str(item.get("call_id"))
        if kind == "function_call":
            called.add(call_id)
        elif kind == "function_call_output" and call_id not in called:
            raise Refusal(400, f"No tool call found for function call output with call_id {call_id}.", param="input")
        elif kind == "reasoning" and (at + 1 == len(items) or items[at + 1].get("role") == "user"):
            message = f"Item '{item.get('id')}' of type 'reasoning' was provided without its required following item."
            raise Refusal(400, message, param="input")


def _turn(item: dict[str, Json], at: int) -> Turn:
    match item.get("type", "message"):
        case "message":
            return _message(item, at)
        case "function_call":
            return Turn("assistant", "".join(_required(item, name, at) for name in ("call_id", "name", "arguments")))
        case "function_call_output":
            text, images = _content(item.get("output"), _INPUT_PARTS, f"input[{at}].output")
            return Turn("tool", text, images)
        case kind:
            raise Refusal(400, f"Invalid value: '{kind}'.", code="invalid_value", param=f"input[{at}]")


def _required(item: dict[str, Json], name: str, at: int) -> str:
    value = item.get(name)
    if not isinstance(value, str):
        param = f"input[{at}].{name}"
        raise Refusal(400, f"Missing required parameter: '{param}'.", code="missing_required_parameter", param=param)
    return value


def _message(item: dict[str, Json], at: int) -> Turn:
    role = str(item.get("role"))
    if role not in _ROLES:
        text = f"Invalid value: '{role}'. Supported values are: 'assistant', 'system', 'developer', and 'user'."
        raise Refusal(400, text, code="invalid_value", param=f"input[{at}].role")
    text, images = _content(item.get("content"), _PARTS.get(role, _INPUT_PARTS), f"input[{at}].content")
    return Turn(_ROLES[role], text, images)


def _content(content: Json, kinds: Sequence[str], path: str) -> tuple[str, int]:
    if isinstance(content, str):
        return content, 0
    if not isinstance(content, list):
        raise complain(path, "string", json_type(content))
    for at, part in enumerate(content):
        if part.get("type") not in kinds:
            supported = " and ".join(f"'{kind}'" for kind in kinds)
            message = f"Invalid value: '{part.get('type')}'. Supported values are: {supported}."
            raise Refusal(400, message, code="invalid_value", param=f"{path}[{at}]")
    images = sum(part["type"] == "input_image" for part in content)
    return "".join(str(part.get("text", "")) for part in content), images


def _thought(item: dict[str, Json], at: int, provider: str) -> str:
    if item.get("type") != "reasoning":
        return ""
    name, sealed = item.get("id"), item.get("encrypted_content")
    if not isinstance(item.get("summary"), list):
        param = f"input[{at}].summary"
        raise Refusal(400, f"Missing required parameter: '{param}'.", code="missing_required_parameter", param=param)
    if not sealed:
        message = f"Item with id '{name}' not found. Items are not persisted when `store` is set to false."
        raise Refusal(404, message, param="input")
    try:
        owner, _, text = base64.urlsafe_b64decode(str(sealed).removeprefix("gAAAAA")).decode().partition("\n")
    except ValueError:
        owner, text = "", ""
    if owner != provider:
        message = f"The encrypted content for item {name} could not be verified."
        raise Refusal(400, message, code="invalid_encrypted_content")
    return text


def _question(members: Members, turns: tuple[Turn, ...], form: Members) -> Question:
    return Question(
        model=members.text("model"),
        turns=turns,
        tools=tuple(_tools(members.items("tools"))),
        choice=_choice(members.raw.get("tool_choice")),
        parallel=members.flag("parallel_tool_calls", True),
        schema=form.inner("schema").raw if form.text("type") == "json_schema" else None,
        json_wanted=form.text("type") == "json_object",
    )


def _tools(tools: Sequence[Json]) -> Iterator[Tool]:
    """Those that are called: of a namespace what is in it; a custom one is known, and never called here."""
    for at, tool in enumerate(tools):
        kind = tool.get("type") if isinstance(tool, dict) else None
        if kind == "namespace":
            yield from _tools(tool.get("tools", []))
        elif kind != "custom":
            yield _tool(tool, at)


def _tool(tool: Json, at: int) -> Tool:
    if not isinstance(tool, dict) or tool.get("type") != "function":
        raise Refusal(400, f"Invalid value for 'tools[{at}].type'.", code="invalid_value", param=f"tools[{at}].type")
    read = Members(tool, complain)
    if not read.text("name"):
        name = f"tools[{at}].name"
        raise Refusal(400, f"Missing required parameter: '{name}'.", code="missing_required_parameter", param=name)
    return Tool(read.text("name"), read.inner("parameters").raw)


def _choice(choice: Json) -> str:
    if isinstance(choice, dict):
        return str(choice.get("name", "auto"))
    return choice if choice in _CHOICES else "auto"
