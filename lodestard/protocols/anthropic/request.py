"""A chat request in Anthropic's words, for clients that speak another dialect: the conversation → a body.

Law: what would change the answer badly is refused; what is merely not heeded is left out and told. No text is written
that the client did not send. Source: Anthropic's API reference, "Create a Message".
"""

from collections.abc import Sequence
from typing import Any

import msgspec

from lodestard.domain.errors import CallerFault, Code
from lodestard.domain.request import Conversation, Request, Tool
from lodestard.domain.settings import Upstream
from lodestard.protocols.anthropic.caching import mark
from lodestard.protocols.anthropic.models import Traits, find_traits
from lodestard.protocols.anthropic.thinking import plan_thinking
from lodestard.protocols.anthropic.turns import Block, Transcript, write_transcript

DEFAULT_LIMIT_TOKENS = 8_192
SAMPLING = ("temperature", "top_p", "top_k")
REFUSES_SAMPLING_FROM = "2026-10-21"
COOLER = "temperature 1: the highest there"
_LEAST_TOP_P = 0.95  # with thinking
_MAX_TEMPERATURE = 1.0
_ANYTHING = {"type": "object", "properties": {}}


class Built(msgspec.Struct):
    """The members of a body but ``model`` and ``stream``, and what became of the rest."""

    members: dict[str, Any]
    dropped: list[str]
    notes: list[str]


class _Schema(msgspec.Struct, frozen=True):
    type: Any = None


_schema = msgspec.json.Decoder(_Schema)
_members = msgspec.json.Decoder(dict[str, msgspec.Raw])


def build(request: Request, model: str, settings: Upstream) -> Built:
    """Raises ``CallerFault(NOT_SUPPORTED)``."""
    talk = request.conversation
    _require_chat(talk)
    traits = find_traits(model)
    transcript = write_transcript(talk.messages)
    limit = talk.sampling.max_output_tokens or DEFAULT_LIMIT_TOKENS
    thinking = plan_thinking(talk, traits, limit, lacks_thought=transcript.lacks_thought)
    built = Built({"max_tokens": limit}, [*request.unsaid, *transcript.dropped], list(transcript.notes))
    tools = _write_tools(built, talk, transcript, traits)
    if settings.prompt_caching:
        mark(transcript, tools)
    if transcript.system:
        built.members["system"] = transcript.system
    built.members["messages"] = [{"role": turn.role, "content": turn.content} for turn in transcript.turns]
    built.members |= thinking.members
    if talk.format.kind == "json_schema":
        form = {"type": "json_schema", "schema": talk.format.schema}
        built.members["output_config"] = {**built.members.get("output_config", {}), "format": form}
    if thinking.note:
        built.notes.append(thinking.note)
    taken = not refuses_sampling(model, settings.anthropic_version)
    _write_sampling(built, talk, traits, taken=taken, thinking=thinking.on)
    _write_stops(built, talk.sampling.stop)
    _tell_unheeded(built, talk)
    return built


def refuses_sampling(model: str, version: str) -> bool:
    """Whether a request with a temperature, a top_p or a top_k is refused."""
    return version >= REFUSES_SAMPLING_FROM or not find_traits(model).sampling


def _require_chat(talk: Conversation) -> None:
    if talk.embedding is not None:
        raise _unsupported("Anthropic has no embeddings.", "model")
    if talk.completion is not None:
        raise _unsupported("Anthropic has no text completions.", "prompt")
    if talk.n > 1:
        raise _unsupported("Anthropic gives one answer per request: ask with n = 1.", "n")


def _write_tools(built: Built, talk: Conversation, transcript: Transcript, traits: Traits) -> list[Block]:
    """The tools, and which of them shall be called. Calls of earlier turns are refused where no tool is named."""
    tools = [_tool(tool) for tool in talk.tools]
    if any(tool.strict for tool in talk.tools):
        built.dropped.append("tools[].strict")
    choice = _choice(built, talk, traits) if tools else None
    if not tools and transcript.names:
        tools = [{"name": name, "input_schema": _ANYTHING} for name in transcript.names]
        choice = {"type": "none"}
    if tools:
        built.members["tools"] = tools
    if choice is not None:
        built.members["tool_choice"] = choice
    return tools


def _tool(tool: Tool) -> Block:
    if tool.kind != "function":
        raise _unsupported(f"Anthropic has no tools of the type {tool.kind[:32]!r}.", "tools")
    written: Block = {"name": tool.name}
    if tool.description:
        written["description"] = tool.description
    written["input_schema"] = _ANYTHING if tool.parameters is None else _input_schema(tool.parameters)
    return written


def _input_schema(parameters: msgspec.Raw) -> msgspec.Raw | dict[str, Any]:
    """A schema that does not say that it is of an object is refused there."""
    if _schema.decode(parameters).type is not None:
        return parameters
    return {**_members.decode(parameters), "type": "object"}


def _choice(built: Built, talk: Conversation, traits: Traits) -> Block | None:
    choice = talk.tool_choice
    mode = "auto" if choice is None else choice.mode
    if mode in ("required", "function") and not traits.forced_calls:
        built.dropped.append("tool_choice")
        mode, choice = "auto", None
    if mode == "none":
        return {"type": "none"}
    if choice is None and talk.parallel_calls is not False:
        return None
    written: Block = {"type": {"required": "any", "function": "tool"}.get(mode, mode)}
    if choice is not None and mode == "function":
        written["name"] = choice.name
    if talk.parallel_calls is False:
        written["disable_parallel_tool_use"] = True
    return written


def _write_sampling(built: Built, talk: Conversation, traits: Traits, *, taken: bool, thinking: bool) -> None:
    """A model that thinks samples as it likes. Newer ones take a temperature or a top_p, but not both."""
    sampling = talk.sampling
    for name in SAMPLING:
        value = getattr(sampling, name)
        if value is None:
            continue
        second = name == "top_p" and traits.one_of_two and "temperature" in built.members
        if not taken or second or (thinking and not (name == "top_p" and value >= _LEAST_TOP_P)):
            built.dropped.append(name)
            continue
        built.members[name] = value
        if name == "temperature" and value > _MAX_TEMPERATURE:
            built.members[name] = _MAX_TEMPERATURE
            built.notes.append(COOLER)


def _write_stops(built: Built, stops: Sequence[str]) -> None:
    """One of nothing but white space is refused there."""
    seen = [stop for stop in stops if stop.strip()]
    if len(seen) < len(stops):
        built.dropped.append("stop")
    if seen:
        built.members["stop_sequences"] = seen


def _tell_unheeded(built: Built, talk: Conversation) -> None:
    """What the dialect has no word for, and what no answer is wrong without."""
    sampling = talk.sampling
    asked: dict[str, object] = {
        "seed": sampling.seed is not None,
        "presence_penalty": sampling.presence_penalty,
        "frequency_penalty": sampling.frequency_penalty,
        "logprobs": talk.logprobs,
    }
    built.dropped += [name for name, value in asked.items() if value]


def _unsupported(text: str, path: str) -> CallerFault:
    return CallerFault(Code.NOT_SUPPORTED, text, param=path)
