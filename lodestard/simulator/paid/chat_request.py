"""``POST /chat/completions``, read with OpenAI's own complaints.

Law: pure; what OpenAI refuses is refused here, in its words and with its ``param`` and ``code``.
"""

import msgspec

from lodestard.simulator.answering.question import Json, Question, Tool, Turn
from lodestard.simulator.exchange import Refusal
from lodestard.simulator.paid.providers import PaidModel
from lodestard.simulator.reading import Members, decode_object, json_type
from lodestard.simulator.tokens import count_tokens

_ROLES = {"developer": "system", "function": "tool"}
_KNOWN_ROLES = {"system", "developer", "user", "assistant", "tool", "function"}
_CHOICES = {"auto", "none", "required"}


class ChatRequest(msgspec.Struct, frozen=True, kw_only=True):
    """One chat request. ``max_tokens`` None: the model's own limit."""

    model: str
    turns: tuple[Turn, ...]
    question: Question
    stream: bool
    include_usage: bool
    n: int
    max_tokens: int | None
    stops: tuple[str, ...]
    logprobs: bool
    top_logprobs: int
    reasoning: bool


def read_members(body: bytes) -> Members:
    raw = decode_object(body)
    if raw is None:
        raise Refusal(400, "We could not parse the JSON body of your request.")
    return Members(raw, complain)


def read_chat(members: Members) -> ChatRequest:
    """Raises `Refusal` (400)."""
    if not members.has("messages"):
        raise Refusal(
            400, "Missing required parameter: 'messages'.", code="missing_required_parameter", param="messages"
        )
    turns = tuple(_turn(message, at) for at, message in enumerate(members.items("messages")))
    if not turns:
        raise Refusal(
            400, "Invalid 'messages': empty array. Expected an array with minimum length 1.", param="messages"
        )
    limit = members.integer("max_completion_tokens") or members.integer("max_tokens")
    return ChatRequest(
        model=members.text("model"),
        turns=turns,
        question=_question(members, turns),
        stream=members.flag("stream", False),
        include_usage=members.inner("stream_options").flag("include_usage", False),
        n=_bounded(members, "n", 1, 128),
        max_tokens=limit,
        stops=read_stops(members),
        logprobs=members.flag("logprobs", False),
        top_logprobs=members.integer("top_logprobs") or 0,
        reasoning=members.text("reasoning_effort") != "none",
    )


def check_reasoning(members: Members, model: PaidModel) -> None:
    """A reasoning model refuses ``max_tokens`` and any temperature but 1. Raises `Refusal` (400)."""
    if not model.reasoning_tokens:
        return
    if members.has("max_tokens"):
        message = (
            "Unsupported parameter: 'max_tokens' is not supported with this model."
            " Use 'max_completion_tokens' instead."
        )
        raise Refusal(400, message, code="unsupported_parameter", param="max_tokens")
    temperature = members.number("temperature")
    if temperature is not None and temperature != 1:
        message = f"Unsupported value: 'temperature' does not support {temperature:g} with this model."
        raise Refusal(400, message, code="unsupported_value", param="temperature")


def prompt_text(request: ChatRequest) -> str:
    """All that the model reads, in order, so that equal beginnings stay equal."""
    tools = "".join(f"{one.name} {msgspec.json.encode(one.schema).decode()}\n" for one in request.question.tools)
    return tools + "".join(f"{turn.role}\n{turn.text}\n" for turn in request.turns)


def prompt_tokens(request: ChatRequest, image_tokens: int) -> int:
    return count_tokens(prompt_text(request)) + image_tokens * sum(turn.images for turn in request.turns)


def read_stops(members: Members) -> tuple[str, ...]:
    stop = members.raw.get("stop")
    if stop is None:
        return ()
    return (stop,) if isinstance(stop, str) else tuple(str(one) for one in members.items("stop"))


def complain(name: str, wanted: str, had: str) -> Refusal:
    article = "an" if wanted[0] in "aeiou" else "a"
    other = "an" if had[0] in "aeiou" else "a"
    message = f"Invalid type for '{name}': expected {article} {wanted}, but got {other} {had} instead."
    return Refusal(400, message, code="invalid_type", param=name)


def _question(members: Members, turns: tuple[Turn, ...]) -> Question:
    form = members.inner("response_format")
    wanted = form.text("type")
    return Question(
        model=members.text("model"),
        turns=turns,
        tools=tuple(_tool(tool) for tool in members.items("tools")),
        choice=_choice(members.raw.get("tool_choice")),
        parallel=members.flag("parallel_tool_calls", True),
        schema=form.inner("json_schema").inner("schema").raw if wanted == "json_schema" else None,
        json_wanted=wanted == "json_object",
        seed=members.integer("seed") or 0,
    )


def _bounded(members: Members, name: str, default: int, highest: int) -> int:
    value = members.integer(name)
    if value is None:
        return default
    if not 1 <= value <= highest:
        message = f"Invalid '{name}': integer out of range. Expected a value between 1 and {highest}."
        raise Refusal(400, message, code="integer_out_of_range", param=name)
    return value


def _turn(message: Json, at: int) -> Turn:
    if not isinstance(message, dict):
        raise complain(f"messages[{at}]", "object", json_type(message))
    role = str(message.get("role"))
    if role not in _KNOWN_ROLES:
        supported = "'system', 'assistant', 'user', 'function', 'tool', and 'developer'"
        text = f"Invalid value: '{role}'. Supported values are: {supported}."
        raise Refusal(400, text, code="invalid_value", param=f"messages[{at}].role")
    text, images = _content(message.get("content"), at)
    if message.get("tool_calls"):
        text += msgspec.json.encode(message["tool_calls"]).decode()
    return Turn(_ROLES.get(role, role), text, images)


def _content(content: Json, at: int) -> tuple[str, int]:
    if content is None or isinstance(content, str):
        return content or "", 0
    if not isinstance(content, list):
        raise complain(f"messages[{at}].content", "string", json_type(content))
    parts = [part for part in content if isinstance(part, dict)]
    text = "".join(str(part.get("text", "")) for part in parts)
    return text, sum(part.get("type") == "image_url" for part in parts)


def _tool(tool: Json) -> Tool:
    if not isinstance(tool, dict):
        raise complain("tools", "object", json_type(tool))
    function = Members(tool, complain).inner("function")
    if not function.text("name"):
        raise Refusal(400, "Missing required parameter: 'tools[0].function.name'.", param="tools[0].function.name")
    return Tool(function.text("name"), function.inner("parameters").raw)


def _choice(choice: Json) -> str:
    if isinstance(choice, dict):
        return str(choice.get("function", {}).get("name", "auto"))
    return choice if choice in _CHOICES else "auto"
