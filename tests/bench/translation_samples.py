"""What the benchmark translates: a request of 4 KB in each dialect of clients, a stream in each of upstreams."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

WORDS = 200
"""Chunks with a word in them, in each stream."""

SIZE_BYTES = 4_096
_CODE = "def greet(name: str) -> str:\n    return f'Hello, {name}!'\n"
_SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
_TURNS = [("user", "Write a function that greets."), ("assistant", _CODE), ("user", "Now in French, please.")]


def _padded(build: Any) -> bytes:
    """The body that ``build`` makes around as much text as brings it to its size."""
    short = len(json.dumps(build("")).encode())
    lines = _CODE * (SIZE_BYTES // len(_CODE))
    while len(json.dumps(build(lines)).encode()) > SIZE_BYTES:
        lines = lines[:-64]
    assert short < SIZE_BYTES
    return json.dumps(build(lines)).encode()


def _openai(text: str) -> dict[str, Any]:
    turns = [{"role": role, "content": said} for role, said in _TURNS]
    function = {"name": "get_weather", "description": "The weather", "parameters": _SCHEMA}
    messages = [{"role": "system", "content": text}, *turns]
    return {
        "model": "a",
        "stream": True,
        "temperature": 0,
        "max_tokens": 500,
        "messages": messages,
        "tools": [{"type": "function", "function": function}],
    }


def _anthropic(text: str) -> dict[str, Any]:
    turns = [{"role": role, "content": [{"type": "text", "text": said}]} for role, said in _TURNS]
    tool = {"name": "get_weather", "description": "The weather", "input_schema": _SCHEMA}
    return {"model": "a", "stream": True, "max_tokens": 500, "system": text, "messages": turns, "tools": [tool]}


def _responses(text: str) -> dict[str, Any]:
    turns = [{"role": role, "content": said} for role, said in _TURNS]
    tool = {"type": "function", "name": "get_weather", "description": "The weather", "parameters": _SCHEMA}
    return {"model": "a", "stream": True, "instructions": text, "input": turns, "tools": [tool]}


def _ollama(text: str) -> dict[str, Any]:
    body = _openai(text)
    options = {"temperature": body.pop("temperature"), "num_predict": body.pop("max_tokens")}
    return {**body, "options": options}


REQUESTS: Mapping[str, bytes] = {
    "openai": _padded(_openai),
    "anthropic": _padded(_anthropic),
    "responses": _padded(_responses),
    "ollama": _padded(_ollama),
}


def _sse(*events: Any, named: bool = False) -> list[bytes]:
    return [_event(event, named=named) for event in events]


def _event(event: Any, *, named: bool) -> bytes:
    if event == "[DONE]":
        return b"data: [DONE]\n\n"
    name = f"event: {event['type']}\n".encode() if named else b""
    return name + b"data: " + json.dumps(event, separators=(",", ":")).encode() + b"\n\n"


def _chunk(delta: dict[str, Any], finish: str | None = None) -> dict[str, Any]:
    choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}
    return {"id": "c1", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": [choice]}


def _openai_stream() -> list[bytes]:
    words = [_chunk({"content": " word"})] * WORDS
    usage = {"prompt_tokens": 9, "completion_tokens": WORDS, "total_tokens": WORDS + 9}
    end = {**_chunk({}), "choices": [], "usage": usage}
    return _sse(_chunk({"role": "assistant", "content": ""}), *words, _chunk({}, "stop"), end, "[DONE]")


def _anthropic_stream() -> list[bytes]:
    message = {"id": "msg_1", "type": "message", "role": "assistant", "model": "m", "content": []}
    start = {"type": "message_start", "message": {**message, "usage": {"input_tokens": 9, "output_tokens": 1}}}
    block = {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}}
    word = {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": " word"}}
    stop = {"type": "content_block_stop", "index": 0}
    delta = {"stop_reason": "end_turn", "stop_sequence": None}
    end = {"type": "message_delta", "delta": delta, "usage": {"output_tokens": WORDS}}
    return _sse(start, block, *[word] * WORDS, stop, end, {"type": "message_stop"}, named=True)


def _gemini_stream() -> list[bytes]:
    def part(text: str, **more: Any) -> dict[str, Any]:
        candidate = {"content": {"parts": [{"text": text}], "role": "model"}, "index": 0, **more}
        usage = {"promptTokenCount": 9, "candidatesTokenCount": WORDS, "totalTokenCount": WORDS + 9}
        return {"candidates": [candidate], "usageMetadata": usage, "modelVersion": "m", "responseId": "r1"}

    return _sse(*[part(" word")] * (WORDS - 1), part(" word", finishReason="STOP"))


def _responses_stream() -> list[bytes]:
    item = {"id": "msg_1", "type": "message", "role": "assistant", "status": "in_progress", "content": []}
    response = {"id": "resp_1", "object": "response", "created_at": 1, "model": "m", "status": "in_progress"}
    usage = {"input_tokens": 9, "output_tokens": WORDS, "total_tokens": WORDS + 9}
    text = " word" * WORDS
    whole = {**item, "status": "completed", "content": [{"type": "output_text", "text": text, "annotations": []}]}
    place = {"item_id": "msg_1", "output_index": 0, "content_index": 0}
    events: list[dict[str, Any]] = [
        {"type": "response.created", "response": {**response, "output": []}},
        {"type": "response.output_item.added", "output_index": 0, "item": item},
        {"type": "response.content_part.added", **place, "part": {"type": "output_text", "text": ""}},
        *[{"type": "response.output_text.delta", **place, "delta": " word"}] * WORDS,
        {"type": "response.output_text.done", **place, "text": text},
        {"type": "response.output_item.done", "output_index": 0, "item": whole},
        {
            "type": "response.completed",
            "response": {**response, "status": "completed", "output": [whole], "usage": usage},
        },
    ]
    return _sse(*[{**event, "sequence_number": number} for number, event in enumerate(events)], named=True)


def _ollama_stream() -> list[bytes]:
    word = {"model": "m", "created_at": "2026-01-01T00:00:00Z", "message": {"role": "assistant", "content": " word"}}
    end = {**word, "message": {"role": "assistant", "content": ""}, "done": True, "done_reason": "stop"}
    counts = {"prompt_eval_count": 9, "eval_count": WORDS, "total_duration": 10**9}
    lines = [*[{**word, "done": False}] * WORDS, {**end, **counts}]
    return [json.dumps(line, separators=(",", ":")).encode() + b"\n" for line in lines]


STREAMS: Mapping[str, Sequence[bytes]] = {
    "openai": _openai_stream(),
    "anthropic": _anthropic_stream(),
    "gemini": _gemini_stream(),
    "responses": _responses_stream(),
    "ollama": _ollama_stream(),
}
