"""Requests in Ollama's own dialect, ``POST /api/chat``: the conversation → a body.

Law: what would make the server load the model anew (runner options) or forget it (``keep_alive``) comes from the
configuration and never from a client. What the dialect can't say is refused, not dropped.
Source: Ollama's API documentation, "Generate a chat completion", and its ``api/types.go``.
"""

from collections.abc import Mapping
from typing import Any

import msgspec

from lodestard.domain.errors import CallerFault, Code
from lodestard.domain.pins import pinned_members
from lodestard.domain.request import (
    Conversation,
    Format,
    ImagePart,
    Message,
    Request,
    Sampling,
    TextPart,
    Tool,
    ToolCall,
)
from lodestard.domain.settings import Upstream
from lodestard.protocols.codec import JSON_HEADERS, WireRequest, join_path
from lodestard.protocols.json_text import read_object
from lodestard.protocols.ollama.passing import find_lost, passes, passing_members, passing_options

_DEPTH = 64
_THINK: Mapping[str, bool | str] = {"none": False, "minimal": "low", "xhigh": "high"}


def write_chat(request: Request, model: str, settings: Upstream) -> WireRequest:
    """The request as ``/api/chat`` takes it, always streamed.

    What is pinned for the model wins over what the client said. ``truncate`` is off: by default the server drops the
    oldest messages without a word. ``shift`` is never said: it is one of the things that a model is loaded with. A
    ``required`` tool choice can't be enforced there. Raises ``CallerFault(NOT_SUPPORTED)``.
    """
    require_one_answer(request)
    talk = request.conversation
    pinned = pinned_members(settings, model)
    body: dict[str, Any] = {
        **(passing_members(request) if passes(request) else _built_members(talk)),
        "model": model,
        "stream": True,
        "truncate": False,
        **pinned,
        "options": passing_options(request) | write_options(talk.sampling, pinned.get("options", {})),
    }
    return wrap(settings, "/api/chat", body, dropped=find_dropped(request))


def wrap(
    settings: Upstream, path: str, body: dict[str, Any], *, dropped: tuple[str, ...], notes: tuple[str, ...] = ()
) -> WireRequest:
    """``body`` on its way to ``path``; its answer comes in lines."""
    return WireRequest(
        path=join_path(settings.url, path),
        headers=(*JSON_HEADERS, ("accept", "application/x-ndjson")),
        body=msgspec.json.encode(body),
        streamed=True,
        dropped=dropped,
        notes=notes,
    )


def require_one_answer(request: Request) -> None:
    """Raises ``CallerFault(NOT_SUPPORTED)`` for several."""
    if request.conversation.n > 1:
        raise _unsupported("Ollama gives one answer per request: ask with n = 1.", "n")


def _built_members(talk: Conversation) -> dict[str, Any]:
    """The members that say what is asked, of a client that speaks another dialect."""
    body: dict[str, Any] = {"messages": _messages(talk)}
    if tools := _tools(talk):
        body["tools"] = tools
    return body | answer_members(talk)


def answer_members(talk: Conversation) -> dict[str, Any]:
    """What chats and completions say alike of the answer: its form, how it is thought of, what comes with it."""
    body: dict[str, Any] = {}
    if talk.format.kind != "text":
        body["format"] = _format(talk.format)
    if talk.reasoning_effort:
        body["think"] = _THINK.get(talk.reasoning_effort, talk.reasoning_effort)
    if talk.logprobs:
        body["logprobs"] = True
        body["top_logprobs"] = talk.top_logprobs or 0
    return body


def find_dropped(request: Request) -> tuple[str, ...]:
    """What the dialect can't carry. What a client says of the runner is noted by the context guard."""
    talk = request.conversation
    dropped = find_lost(request)
    if talk.tool_choice is not None and talk.tool_choice.mode == "required":
        dropped += ("tool_choice",)  # it can't be enforced there
    if talk.parallel_calls is False:
        dropped += ("parallel_tool_calls",)
    return dropped


def write_options(sampling: Sampling, pinned: Mapping[str, Any]) -> dict[str, Any]:
    """What is pinned lies over what is asked for. Of two output limits the lower one holds: an answer that ran over
    the end of the context would cost the conversation its beginning."""
    asked: dict[str, Any] = {
        "temperature": sampling.temperature,
        "top_p": sampling.top_p,
        "top_k": sampling.top_k,
        "seed": sampling.seed,
        "stop": list(sampling.stop) or None,
        "num_predict": sampling.max_output_tokens,
        "presence_penalty": sampling.presence_penalty,
        "frequency_penalty": sampling.frequency_penalty,
    }
    options = {name: value for name, value in asked.items() if value is not None} | dict(pinned)
    limit, most = sampling.max_output_tokens, pinned.get("num_predict")
    if limit is not None and not (isinstance(most, int) and 0 <= most < limit):
        options["num_predict"] = limit
    return options


def _format(form: Format) -> str | msgspec.Raw:
    return form.schema if form.kind == "json_schema" and form.schema is not None else "json"


def _tools(talk: Conversation) -> list[dict[str, Any]]:
    choice = talk.tool_choice
    if choice is None or choice.mode in ("auto", "required"):
        offered = talk.tools
    else:
        offered = tuple(tool for tool in talk.tools if choice.mode == "function" and tool.name == choice.name)
    return [_tool(tool) for tool in offered]


def _tool(tool: Tool) -> dict[str, Any]:
    if tool.kind != "function":
        raise _unsupported(f"Ollama has no tools of the type {tool.kind[:32]!r}.", "tools")
    function: dict[str, Any] = {"name": tool.name, "description": tool.description}
    function["parameters"] = tool.parameters or {"type": "object", "properties": {}}
    return {"type": "function", "function": function}


def _messages(talk: Conversation) -> list[dict[str, Any]]:
    names: dict[str, str] = {}
    written: list[dict[str, Any]] = []
    for index, message in enumerate(talk.messages):
        names.update((call.id, call.name) for call in message.tool_calls)
        written.append(_message(message, index, names))
    return written


def _message(message: Message, index: int, names: Mapping[str, str]) -> dict[str, Any]:
    texts, images = content(message, index)
    role = "system" if message.role == "developer" else message.role
    written: dict[str, Any] = {"role": role, "content": "\n".join(texts)}
    if images:
        written["images"] = images
    if message.reasoning:
        written["thinking"] = message.reasoning
    if message.role == "tool":
        written["tool_name"] = names.get(message.tool_call_id) or message.name
    if message.tool_calls:
        written["tool_calls"] = [
            _call(call, f"messages[{index}].tool_calls[{place}]") for place, call in enumerate(message.tool_calls)
        ]
    return written


def content(message: Message, index: int) -> tuple[list[str], list[str]]:
    """The texts and the images of a message. Raises ``CallerFault(NOT_SUPPORTED)`` for anything else."""
    texts: list[str] = []
    images: list[str] = []
    for place, part in enumerate(message.parts):
        path = f"messages[{index}].content[{place}]"
        if isinstance(part, TextPart):
            texts.append(part.text)
        elif not isinstance(part, ImagePart):
            raise _unsupported(f"Ollama has no content of the type {part.kind[:32]!r}.", path)
        elif not part.data:
            raise _unsupported("Ollama takes images as base64 data URLs only: it fetches no addresses.", path)
        else:
            images.append(part.data)
    return texts, images


def _call(call: ToolCall, path: str) -> dict[str, Any]:
    if call.kind != "function":
        raise _unsupported(f"Ollama has no calls of the type {call.kind[:32]!r}.", path)
    return {"function": {"name": call.name, "arguments": _arguments(call.arguments)}}


def _arguments(text: str) -> msgspec.Raw | dict[str, Any]:
    """Ollama wants an object. What the model once wrote that is none is kept as the text that it was."""
    if not text.strip():
        return {}
    return read_object(text, depth=_DEPTH) or {"arguments": text}


def _unsupported(text: str, param: str) -> CallerFault:
    return CallerFault(Code.NOT_SUPPORTED, text, param=param)
