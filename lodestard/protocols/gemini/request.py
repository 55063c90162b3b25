"""Requests in Gemini's own dialect: the conversation → the members of a ``generateContent`` body.

Law: what the dialect can't say is refused where leaving it out would change the answer badly, otherwise it is named.
An output limit goes along as it is: what is thought counts within it, so that it bounds what is billed.
Sources: Google's API reference, "GenerateContentRequest", "GenerationConfig", "Tool"; types of google-genai 3.6.
"""

from collections.abc import Mapping
from typing import Any

import msgspec

from lodestard.domain.errors import CallerFault, Code
from lodestard.domain.request import Conversation, Format, Request, Sampling, Tool, ToolChoice
from lodestard.protocols.completion_as_chat import input_texts
from lodestard.protocols.gemini.content import ContentWriter, require_name
from lodestard.protocols.gemini.model import never_rests, plan_thinking, resource_of

_MODES = {"auto": "AUTO", "none": "NONE", "required": "ANY"}
_MOST_SEED = 2**31 - 1
_JSON = "application/json"

Members = dict[str, Any]


class Built(msgspec.Struct, frozen=True):
    """A body's members, with what of the request they don't say and what they say otherwise."""

    members: Members
    dropped: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


def build_generate(request: Request, model: str) -> Built:
    """All members of ``:generateContent``. Raises ``CallerFault``."""
    talk = request.conversation
    if talk.completion is not None:
        raise CallerFault(Code.NOT_SUPPORTED, "Gemini continues no plain text: ask it in a chat.", param="prompt")
    writer = ContentWriter(model)
    writer.write(talk)
    members: Members = {"contents": writer.contents}
    if writer.system:
        members["systemInstruction"] = {"parts": writer.system}
    if talk.tools:
        members["tools"] = [{"functionDeclarations": [_tool(tool) for tool in talk.tools]}]
        if talk.tool_choice is not None:
            members["toolConfig"] = {"functionCallingConfig": _choice(talk.tool_choice)}
    if config := _config(talk, model):
        members["generationConfig"] = config
    dropped = (*request.unsaid, *writer.dropped, *_find_dropped(talk, model))
    return Built(members, dropped, _find_notes(talk, model, moved=writer.moved))


def build_embed(request: Request, model: str) -> Built:
    """All members of ``:batchEmbedContents``. Raises ``CallerFault``."""
    talk = request.conversation
    asked: list[Members] = []
    for at, text in enumerate(input_texts(request)):
        if not text:
            raise CallerFault(Code.INVALID_REQUEST, "Gemini embeds no empty text.", param=f"input[{at}]")
        one: Members = {"model": resource_of(model), "content": {"parts": [{"text": text}]}}
        if talk.embedding is not None and talk.embedding.dimensions is not None:
            one["outputDimensionality"] = talk.embedding.dimensions
        asked.append(one)
    return Built({"requests": asked}, request.unsaid)


def _config(talk: Conversation, model: str) -> Members:
    asked = _sampling(talk.sampling)
    asked["candidateCount"] = talk.n if talk.n > 1 else None
    if talk.logprobs:
        asked["responseLogprobs"] = True
        asked["logprobs"] = talk.top_logprobs or None
    if talk.reasoning_effort or talk.reasoning_tokens is not None:
        asked["thinkingConfig"] = plan_thinking(model, talk.reasoning_effort, talk.reasoning_tokens)
    asked |= _format(talk.format)
    return {name: value for name, value in asked.items() if value is not None}


def _sampling(sampling: Sampling) -> Members:
    """Penalties of nought are what holds anyway, and some models take none at all."""
    return {
        "temperature": sampling.temperature,
        "topP": sampling.top_p,
        "topK": sampling.top_k,
        "maxOutputTokens": sampling.max_output_tokens,
        "stopSequences": list(sampling.stop) or None,
        "seed": sampling.seed if _takes_seed(sampling.seed) else None,
        "presencePenalty": sampling.presence_penalty or None,
        "frequencyPenalty": sampling.frequency_penalty or None,
    }


def _takes_seed(seed: int | None) -> bool:
    return seed is None or -_MOST_SEED <= seed <= _MOST_SEED


def _format(form: Format) -> Mapping[str, object]:
    if form.kind == "text":
        return {}
    if form.kind == "json_schema" and form.schema is not None:
        return {"responseMimeType": _JSON, "responseJsonSchema": form.schema}
    return {"responseMimeType": _JSON}


def _tool(tool: Tool) -> Members:
    if tool.kind != "function":
        raise CallerFault(Code.NOT_SUPPORTED, f"Gemini has no tools of the type {tool.kind[:32]!r}.", param="tools")
    require_name(tool.name, "tools")
    declared: Members = {"name": tool.name}
    if tool.description:
        declared["description"] = tool.description
    if tool.parameters is not None:
        declared["parametersJsonSchema"] = tool.parameters
    return declared


def _choice(choice: ToolChoice) -> Members:
    if choice.mode == "function":
        return {"mode": "ANY", "allowedFunctionNames": [choice.name]}
    return {"mode": _MODES[choice.mode]}


def _find_dropped(talk: Conversation, model: str) -> tuple[str, ...]:
    dropped: list[str] = []
    if talk.parallel_calls is False and talk.tools:
        dropped.append("parallel_tool_calls")
    if any(tool.strict for tool in talk.tools):
        dropped.append("tools[].function.strict")
    if not _takes_seed(talk.sampling.seed):
        dropped.append("seed")
    if _asks_to_think(talk) and plan_thinking(model, talk.reasoning_effort, talk.reasoning_tokens) is None:
        dropped.append("reasoning_effort")
    return tuple(dropped)


def _find_notes(talk: Conversation, model: str, *, moved: bool) -> tuple[str, ...]:
    notes: list[str] = []
    if moved:
        notes.append("system messages put first")
    if (talk.reasoning_effort == "none" or talk.reasoning_tokens == 0) and never_rests(model):
        notes.append("thinking can't be turned off: as little as it can")
    return tuple(notes)


def _asks_to_think(talk: Conversation) -> bool:
    return talk.reasoning_effort not in ("", "none") or bool(talk.reasoning_tokens)
