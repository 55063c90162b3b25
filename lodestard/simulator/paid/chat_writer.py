"""Chat completions and their chunks, in OpenAI's shape and in the flavours of those who copied it.

Law: pure; builds bytes from planned choices and says nothing of its own.
"""

import hashlib
import math
import zlib
from collections.abc import Iterator, Sequence

import msgspec

from lodestard.simulator.answering.question import Json
from lodestard.simulator.paid.choices import Choice, SaidCall
from lodestard.simulator.paid.meter import Tokens
from lodestard.simulator.paid.providers import Flavour

DONE = b"data: [DONE]\n\n"
SSE = [("Content-Type", "text/event-stream; charset=utf-8"), ("Cache-Control", "no-cache")]
_TICK_PICO = 100
"""xAI bills in ticks of 1e-10 USD."""


class Chunk(msgspec.Struct, frozen=True):
    """One event and what it cost to generate."""

    data: bytes
    tokens: int = 0
    reasoning: bool = False


class ChatWriter:
    """Writes one answer."""

    def __init__(self, model: str, reply_id: str, created_s: int, flavour: Flavour) -> None:
        self._flavour = flavour
        self._head: dict[str, Json] = {
            "id": reply_id,
            "created": created_s,
            "model": model,
            "service_tier": "default",
            "system_fingerprint": "fp_simulated",
        }

    def whole(self, choices: Sequence[Choice], usage: dict[str, Json] | None, logprobs: int | None) -> bytes:
        body = {
            **self._head,
            "object": "chat.completion",
            "choices": [
                {
                    "index": choice.index,
                    "message": self._message(choice),
                    "logprobs": None if logprobs is None else find_logprobs(choice.pieces, logprobs),
                    "finish_reason": choice.finish,
                }
                for choice in choices
            ],
        }
        if usage is not None:
            body["usage"] = usage
        return msgspec.json.encode(body)

    def chunks(self, choice: Choice, *, usage: bool, logprobs: int | None) -> Iterator[Chunk]:
        """All events of one choice but its last; ``usage``: whether each says ``"usage": null``."""
        yield self._chunk(choice, {"role": "assistant", "content": ""}, usage=usage)
        for piece in choice.reasoning:
            if self._flavour.shows_reasoning:
                delta = {"reasoning_content": piece}
                yield Chunk(self._chunk(choice, delta, usage=usage).data, 1, reasoning=True)
            else:
                yield Chunk(b"", 1, reasoning=True)
        for piece in choice.pieces:
            found = None if logprobs is None else find_logprobs([piece], logprobs)
            yield Chunk(self._chunk(choice, {"content": piece}, usage=usage, logprobs=found).data, 1)
        for at, call in enumerate(choice.calls):
            yield from self._call_chunks(choice, at, call, usage=usage)

    def finish(self, choice: Choice, *, usage: bool) -> bytes:
        return self._chunk(choice, {}, usage=usage, finish=choice.finish).data

    def usage_event(self, usage: dict[str, Json]) -> bytes:
        return _event({**self._head, "object": "chat.completion.chunk", "choices": [], "usage": usage})

    def _call_chunks(self, choice: Choice, at: int, call: SaidCall, *, usage: bool) -> Iterator[Chunk]:
        first = {"index": at, "id": call.id, "type": "function", "function": {"name": call.name, "arguments": ""}}
        first |= self._beside(call, at)
        if self._flavour.whole_calls:
            first["function"] = {"name": call.name, "arguments": call.arguments}
            yield Chunk(self._chunk(choice, {"tool_calls": [first]}, usage=usage).data, call.tokens)
            return
        yield Chunk(self._chunk(choice, {"tool_calls": [first]}, usage=usage).data, call.tokens - len(call.pieces))
        for piece in call.pieces:
            delta = {"tool_calls": [{"index": at, "function": {"arguments": piece}}]}
            yield Chunk(self._chunk(choice, delta, usage=usage).data, 1)

    def _chunk(
        self, choice: Choice, delta: Json, *, usage: bool, finish: str | None = None, logprobs: Json = None
    ) -> Chunk:
        one = {"index": choice.index, "delta": delta, "logprobs": logprobs, "finish_reason": finish}
        body = {**self._head, "object": "chat.completion.chunk", "choices": [one]}
        if usage:
            body["usage"] = None
        return Chunk(_event(body))

    def _beside(self, call: SaidCall, at: int) -> dict[str, Json]:
        """Of calls side by side Gemini signs the first."""
        if at or not self._flavour.signs_calls(str(self._head["model"])):
            return {}
        return {"extra_content": {"google": {"thought_signature": signature_of(call.name, call.arguments)}}}

    def _message(self, choice: Choice) -> dict[str, Json]:
        message: dict[str, Json] = {"role": "assistant", "content": choice.text, "refusal": None}
        if choice.calls:
            message["content"] = choice.text or None
            message["tool_calls"] = [
                {
                    "id": call.id,
                    "type": "function",
                    "function": {"name": call.name, "arguments": call.arguments},
                    **self._beside(call, at),
                }
                for at, call in enumerate(choice.calls)
            ]
        if choice.reasoning and self._flavour.shows_reasoning:
            message["reasoning_content"] = "".join(choice.reasoning)
        return message


def usage_json(tokens: Tokens, flavour: Flavour, pico_usd: int) -> dict[str, Json]:
    """The ``usage`` object. xAI's reasoning stands beside ``completion_tokens``; its cost is in ticks."""
    completion = tokens.completion - (tokens.reasoning if flavour.reasoning_beside else 0)
    usage: dict[str, Json] = {
        "prompt_tokens": tokens.prompt,
        "completion_tokens": completion,
        "total_tokens": tokens.prompt + tokens.completion,
    }
    if flavour.errors != "gemini":
        usage["prompt_tokens_details"] = {"cached_tokens": tokens.cached, "audio_tokens": 0}
        usage["completion_tokens_details"] = {
            "reasoning_tokens": tokens.reasoning,
            "audio_tokens": 0,
            "accepted_prediction_tokens": 0,
            "rejected_prediction_tokens": 0,
        }
    if flavour.cost_in_ticks:
        usage["cost_in_usd_ticks"] = -(-pico_usd // _TICK_PICO)
    return usage


def find_logprobs(pieces: Sequence[str], top: int) -> dict[str, Json]:
    return {"content": [_logprob(piece, top) for piece in pieces], "refusal": None}


def _logprob(piece: str, top: int) -> dict[str, Json]:
    chance = 0.5 + (zlib.crc32(piece.encode()) % 499) / 1000
    own = {"token": piece, "logprob": round(math.log(chance), 6), "bytes": list(piece.encode())}
    others = [
        {"token": f"{piece}{at}", "logprob": round(math.log((1 - chance) / (at + 1)), 6), "bytes": None}
        for at in range(1, top)
    ]
    return {**own, "top_logprobs": [own, *others] if top else []}


def _event(body: Json) -> bytes:
    return b"data: " + msgspec.json.encode(body) + b"\n\n"


def signature_of(name: str, arguments: str) -> str:
    """What Gemini wants a call replayed with."""
    text = msgspec.json.encode([name, msgspec.json.decode(arguments or "{}")], order="sorted")
    return "c2ln" + hashlib.sha256(text).hexdigest()
