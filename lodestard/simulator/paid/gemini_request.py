"""``:generateContent``, read with Google's own complaints.

Law: pure. A member that Google does not know is refused, as its parser does; so is what breaks the order of calls and
their results, and, from Gemini 3 on, a call of the turn under way whose signature is missing or is not its own.
"""

from collections.abc import Iterator, Mapping, Sequence

import msgspec

from lodestard.simulator.answering.question import Json, Question, Tool, Turn
from lodestard.simulator.exchange import Refusal
from lodestard.simulator.paid.chat_writer import signature_of
from lodestard.simulator.reading import Members, decode_object

SKIP = "skip_thought_signature_validator"
_MODES = {"AUTO": "auto", "ANY": "required", "NONE": "none", "VALIDATED": "auto"}
_TOP = frozenset(
    [
        "contents",
        "systemInstruction",
        "tools",
        "toolConfig",
        "generationConfig",
        "safetySettings",
        "cachedContent",
        "model",
        "labels",
        "serviceTier",
        "store",
    ]
)
_CONFIG = frozenset(
    [
        "temperature",
        "topP",
        "topK",
        "candidateCount",
        "maxOutputTokens",
        "stopSequences",
        "responseLogprobs",
        "logprobs",
        "presencePenalty",
        "frequencyPenalty",
        "seed",
        "responseMimeType",
        "responseSchema",
        "responseJsonSchema",
        "thinkingConfig",
        "responseModalities",
        "mediaResolution",
    ]
)
_PARTS = frozenset(
    ["text", "thought", "thoughtSignature", "functionCall", "functionResponse", "inlineData", "fileData"]
)
_MOST_CANDIDATES = 8
_LEVELS = ("minimal", "low", "medium", "high")


class GenerateRequest(msgspec.Struct, frozen=True, kw_only=True):
    """One request. ``max_tokens`` None: the model's own limit; ``thinks``: unless it was told not to."""

    question: Question
    prompt: str
    images: int
    n: int
    max_tokens: int | None
    stops: tuple[str, ...]
    thinks: bool
    shows_thoughts: bool
    logprobs: int | None


def read_members(body: bytes) -> Members:
    raw = decode_object(body)
    if raw is None:
        raise Refusal(400, "Invalid JSON payload received. Unexpected token.")
    return Members(raw, complain)


def complain(name: str, wanted: str, _had: str) -> Refusal:
    return Refusal(400, f"Invalid value at '{name}' ({wanted})")


def read_generate(members: Members, model: str, *, signed: bool) -> GenerateRequest:
    """``signed``: whether the model insists on its signatures. Raises `Refusal` (400)."""
    _check_names(members.raw, _TOP, "")
    config = members.inner("generationConfig")
    _check_names(config.raw, _CONFIG, " at 'generation_config'")
    contents = members.items("contents")
    if not contents:
        raise Refusal(400, "* GenerateContentRequest.contents: contents is not specified")
    check_order(contents)
    if signed:
        check_signatures(contents)
    turns = [*_system(members), *(_turn(content) for content in contents)]
    thinking = config.inner("thinkingConfig")
    _check_thinking(thinking)
    return GenerateRequest(
        question=_question(members, model, turns),
        prompt=_tools_text(members) + "".join(f"{turn.role}\n{turn.text}\n" for turn in turns),
        images=sum(turn.images for turn in turns),
        n=_candidates(config),
        max_tokens=config.integer("maxOutputTokens"),
        stops=tuple(str(stop) for stop in config.items("stopSequences")),
        thinks=thinking.integer("thinkingBudget") != 0,
        shows_thoughts=thinking.flag("includeThoughts", False),
        logprobs=(config.integer("logprobs") or 0) if config.flag("responseLogprobs", False) else None,
    )


def _check_names(raw: Mapping[str, Json], known: frozenset[str], where: str) -> None:
    for name in raw:
        if name not in known:
            raise Refusal(400, f'Invalid JSON payload received. Unknown name "{name}"{where}: Cannot find field.')


def _check_thinking(thinking: Members) -> None:
    level = thinking.text("thinkingLevel")
    if level and thinking.has("thinkingBudget"):
        raise Refusal(400, "You can only set only one of thinking budget and thinking level.")
    if level and level.lower() not in _LEVELS:
        raise Refusal(400, f"Invalid value at 'generation_config.thinking_config.thinking_level' ({level})")


def _candidates(config: Members) -> int:
    count = config.integer("candidateCount")
    if count is not None and not 1 <= count <= _MOST_CANDIDATES:
        raise Refusal(400, f"Invalid value at 'generation_config.candidate_count' ({count})")
    return count or 1


def check_order(contents: Sequence[Json]) -> None:
    """Calls are answered in the next content, each once."""
    for before, content in zip([None, *contents], contents, strict=False):
        answered = sum("functionResponse" in part for part in parts_of(content))
        asked = sum("functionCall" in part for part in parts_of(before)) if before is not None else 0
        if answered != asked and (answered or asked):
            raise Refusal(
                400,
                "Please ensure that the number of function response parts is equal to the number of function call"
                " parts of the function call turn.",
            )
        for part in parts_of(content):
            response = part.get("functionResponse")
            if response is not None and not isinstance(response.get("response"), dict):
                raise complain("contents.parts.function_response.response", "Struct", "")


def check_signatures(contents: Sequence[Json]) -> None:
    """Of the turn under way alone: all after the last thing that a user said. The first call of a step is signed."""
    said_at = [at for at, content in enumerate(contents) if content.get("role") != "model" and _says(content)]
    for content in contents[said_at[-1] + 1 if said_at else 0 :]:
        calls = [part for part in parts_of(content) if "functionCall" in part]
        if not calls:
            continue
        name = calls[0]["functionCall"].get("name", "")
        signed = calls[0].get("thoughtSignature")
        if not signed:
            text = "Function call is missing a thought_signature in functionCall parts. This is required for tools to"
            raise Refusal(400, f"{text} work correctly. Function call `{name}`.")
        if signed not in (SKIP, signature(calls[0]["functionCall"])):
            raise Refusal(400, "Thought signature is not valid")


def signature(call: Mapping[str, Json]) -> str:
    """What a call must be replayed with, at either endpoint."""
    return signature_of(str(call.get("name")), msgspec.json.encode(call.get("args", {})).decode())


def check_compatible(body: bytes) -> None:
    """The same of a body in OpenAI's words. Raises `Refusal` (400)."""
    messages = (decode_object(body) or {}).get("messages")
    listed = messages if isinstance(messages, list) else []
    said_at = [at for at, message in enumerate(listed) if isinstance(message, dict) and message.get("role") == "user"]
    for message in listed[said_at[-1] + 1 if said_at else 0 :]:
        for call in (message.get("tool_calls") or [])[:1]:
            function = call.get("function", {})
            signed = call.get("extra_content", {}).get("google", {}).get("thought_signature")
            if signed not in (SKIP, signature_of(function.get("name", ""), function.get("arguments", ""))):
                raise Refusal(400, "Function call is missing a thought_signature in functionCall parts.")


def parts_of(content: Json) -> list[dict[str, Json]]:
    parts = content.get("parts") if isinstance(content, dict) else None
    if not isinstance(parts, list) or not all(isinstance(part, dict) for part in parts):
        raise complain("contents.parts", "Part", "")
    for part in parts:
        _check_names(part, _PARTS, " at 'contents[0].parts[0]'")
        if not _PARTS.intersection(part) - {"thought", "thoughtSignature"}:
            raise Refusal(
                400, "* GenerateContentRequest.contents[0].parts[0].data: required oneof field 'data' must have"
            )
    return parts


def _says(content: Json) -> bool:
    return any("functionResponse" not in part for part in parts_of(content))


def _system(members: Members) -> Iterator[Turn]:
    if members.has("systemInstruction"):
        text = "".join(str(part.get("text", "")) for part in parts_of(members.raw["systemInstruction"]))
        yield Turn("system", text)


def _turn(content: Json) -> Turn:
    role = content.get("role", "user")
    if role not in ("user", "model", "function"):
        raise Refusal(400, "Please use a valid role: user, model.")
    parts = parts_of(content)
    text = "".join(_part_text(part) for part in parts)
    images = sum("inlineData" in part or "fileData" in part for part in parts)
    if any("functionResponse" in part for part in parts):
        return Turn("tool", text, images)
    return Turn("assistant" if role == "model" else "user", text, images)


def _part_text(part: Mapping[str, Json]) -> str:
    """All that is counted of a part, its signature too."""
    text = str(part.get("text", "")) + str(part.get("thoughtSignature", ""))
    for name in ("functionCall", "functionResponse"):
        if name in part:
            text += msgspec.json.encode(part[name]).decode()
    for name in ("inlineData", "fileData"):
        if name in part and not str(part[name].get("mimeType", "")).startswith("image/"):
            raise Refusal(400, f"Unsupported MIME type: {part[name].get('mimeType')}")
    return text


def _tools_text(members: Members) -> str:
    return "".join(f"{one.name} {msgspec.json.encode(one.schema).decode()}\n" for one in _tools(members))


def _tools(members: Members) -> list[Tool]:
    declared = [
        one for tool in members.items("tools") for one in Members(tool, complain).items("functionDeclarations")
    ]
    found: list[Tool] = []
    for one in declared:
        function = Members(one, complain)
        if not function.text("name"):
            raise Refusal(
                400, "* GenerateContentRequest.tools[0].function_declarations[0].name: Invalid function name."
            )
        schema = "parametersJsonSchema" if function.has("parametersJsonSchema") else "parameters"
        found.append(Tool(function.text("name"), function.inner(schema).raw))
    return found


def _question(members: Members, model: str, turns: Sequence[Turn]) -> Question:
    config = members.inner("generationConfig")
    calling = members.inner("toolConfig").inner("functionCallingConfig")
    allowed = calling.items("allowedFunctionNames")
    mode = calling.text("mode", "AUTO")
    if mode not in _MODES:
        raise complain("tool_config.function_calling_config.mode", mode, "")
    if allowed and mode != "ANY":
        raise Refusal(400, "allowed_function_names should only be set when mode is ANY")
    wants_json = config.text("responseMimeType") == "application/json"
    schema = config.inner("responseJsonSchema").raw or config.inner("responseSchema").raw
    return Question(
        model=model,
        turns=tuple(turns),
        tools=tuple(_tools(members)),
        choice=str(allowed[0]) if allowed else _MODES[mode],
        schema=schema or None,
        json_wanted=wants_json and not schema,
        seed=config.integer("seed") or 0,
    )
