"""Responses and their events, in OpenAI's shape.

Law: pure; builds bytes from a planned choice and says nothing of its own.
"""

from collections.abc import Iterator, Mapping

import msgspec

from lodestard.simulator.answering.question import Json
from lodestard.simulator.paid.chat_writer import Chunk, find_logprobs
from lodestard.simulator.paid.choices import Choice, SaidCall
from lodestard.simulator.paid.meter import Tokens
from lodestard.simulator.paid.providers import Flavour
from lodestard.simulator.paid.responses_request import ENCRYPTED, LOGPROBS, ResponsesRequest, seal

_TICK_PICO = 100
_ECHOED: Mapping[str, Json] = {
    "instructions": None,
    "max_output_tokens": None,
    "metadata": {},
    "parallel_tool_calls": True,
    "previous_response_id": None,
    "store": True,
    "temperature": 1.0,
    "text": {"format": {"type": "text"}},
    "tool_choice": "auto",
    "tools": [],
    "top_p": 1.0,
    "truncation": "disabled",
}
"""What is told back of a request, as it is where nothing was said."""

Item = dict[str, Json]


class ResponsesWriter:
    """Writes one answer. ``asked`` are the members of its request; ``provider`` is who seals what was thought."""

    def __init__(
        self,
        head: dict[str, Json],
        request: ResponsesRequest,
        asked: Mapping[str, Json],
        provider: str,
        flavour: Flavour,
    ) -> None:
        told = {name: asked[name] if asked.get(name) is not None else usual for name, usual in _ECHOED.items()}
        self._head: dict[str, Json] = {"object": "response", **head, **told, "service_tier": "default"}
        self._request = request
        self._provider = provider
        self._flavour = flavour
        self._shows = flavour.shows_reasoning or request.summary
        self._number = 0

    # -- whole ---------------------------------------------------------------------------------------------------

    def whole(self, choice: Choice, usage: dict[str, Json] | None) -> Item:
        cut = choice.finish == "length"
        return {
            **self._head,
            "status": "incomplete" if cut else "completed",
            "error": None,
            "incomplete_details": {"reason": "max_output_tokens"} if cut else None,
            "output": self._items(choice),
            "usage": usage,
        }

    def _items(self, choice: Choice) -> list[Item]:
        items = [self._reasoning(choice)] if choice.reasoning else []
        if choice.pieces or not choice.calls:
            items.append(self._message(choice))
        return items + [self._call(call, call.arguments) for call in choice.calls]

    def _reasoning(self, choice: Choice) -> Item:
        thought = "".join(choice.reasoning)
        summary = [{"type": "summary_text", "text": thought}] if self._shows else []
        item = {"id": self._name("rs"), "type": "reasoning", "summary": summary}
        if ENCRYPTED in self._request.include:
            item["encrypted_content"] = seal(self._provider, thought)
        return item

    def _message(self, choice: Choice, *, empty: bool = False) -> Item:
        content = [] if empty else [self._part(choice.text, self._logprobs(list(choice.pieces)))]
        status = "in_progress" if empty else "completed"
        return {
            "id": self._name("msg"), "type": "message", "status": status, "role": "assistant", "content": content
        }  # fmt: skip

    def _part(self, text: str, logprobs: list[Json]) -> Item:
        return {"type": "output_text", "text": text, "annotations": [], "logprobs": logprobs}

    def _call(self, call: SaidCall, arguments: str) -> Item:
        return {
            "id": f"fc_{call.id.removeprefix('call_')}",
            "type": "function_call",
            "status": "completed" if arguments else "in_progress",
            "call_id": call.id,
            "name": call.name,
            "arguments": arguments,
        }

    def _logprobs(self, pieces: list[str]) -> list[Json]:
        if LOGPROBS not in self._request.include:
            return []
        return list(find_logprobs(pieces, self._request.top_logprobs)["content"])

    def _name(self, kind: str) -> str:
        return f"{kind}_{str(self._head['id']).removeprefix('resp_')}"

    # -- streamed ------------------------------------------------------------------------------------------------

    def opening(self) -> Iterator[Chunk]:
        begun = {**self._head, "status": "in_progress", "error": None, "incomplete_details": None, "output": []}
        for kind in ("created", "in_progress"):
            yield self._event(f"response.{kind}", {"response": {**begun, "usage": None}})

    def chunks(self, choice: Choice) -> Iterator[Chunk]:
        """All events of the answer between its beginning and its end."""
        at = 0
        if choice.reasoning:
            yield from self._thinking(choice)
            at += 1
        if choice.pieces or not choice.calls:
            yield from self._saying(choice, at)
            at += 1
        for call in choice.calls:
            yield from self._calling(call, at)
            at += 1

    def ending(self, choice: Choice, usage: dict[str, Json] | None) -> bytes:
        whole = self.whole(choice, usage)
        return self._event(f"response.{whole['status']}", {"response": whole}).data

    def failing(self, code: str, message: str) -> bytes:
        failed = {"status": "failed", "error": {"code": code, "message": message}, "incomplete_details": None}
        return self._event(
            "response.failed", {"response": {**self._head, **failed, "output": [], "usage": None}}
        ).data

    def error(self, code: str, message: str) -> bytes:
        return self._event("error", {"code": code, "message": message, "param": None}).data

    def _thinking(self, choice: Choice) -> Iterator[Chunk]:
        item = self._reasoning(choice)
        place = {"item_id": item["id"], "output_index": 0, "summary_index": 0}
        yield self._added(0, {"id": item["id"], "type": "reasoning", "summary": []})
        if self._shows:
            part = {"type": "summary_text", "text": ""}
            yield self._event("response.reasoning_summary_part.added", {**place, "part": part})
        for piece in choice.reasoning:
            if self._shows:
                delta = self._event("response.reasoning_summary_text.delta", {**place, "delta": piece})
                yield Chunk(delta.data, 1, reasoning=True)
            else:
                yield Chunk(b"", 1, reasoning=True)
        if self._shows:
            text = "".join(choice.reasoning)
            yield self._event("response.reasoning_summary_text.done", {**place, "text": text})
            part = {"type": "summary_text", "text": text}
            yield self._event("response.reasoning_summary_part.done", {**place, "part": part})
        yield self._done(0, item)

    def _saying(self, choice: Choice, at: int) -> Iterator[Chunk]:
        item = self._message(choice)
        place = {"item_id": item["id"], "output_index": at, "content_index": 0}
        yield self._added(at, self._message(choice, empty=True))
        yield self._event("response.content_part.added", {**place, "part": self._part("", [])})
        for piece in choice.pieces:
            told = {**place, "delta": piece, "logprobs": self._logprobs([piece]), "obfuscation": "a1b2c3d4"}
            yield Chunk(self._event("response.output_text.delta", told).data, 1)
        logprobs = self._logprobs(list(choice.pieces))
        yield self._event("response.output_text.done", {**place, "text": choice.text, "logprobs": logprobs})
        yield self._event("response.content_part.done", {**place, "part": item["content"][0]})
        yield self._done(at, item)

    def _calling(self, call: SaidCall, at: int) -> Iterator[Chunk]:
        item = self._call(call, call.arguments)
        place = {"item_id": item["id"], "output_index": at}
        yield Chunk(self._added(at, self._call(call, "")).data, call.tokens - len(call.pieces))
        for piece in call.pieces:
            yield Chunk(self._event("response.function_call_arguments.delta", {**place, "delta": piece}).data, 1)
        told = {**place, "name": call.name, "arguments": call.arguments}
        yield self._event("response.function_call_arguments.done", told)
        yield self._done(at, item)

    def _added(self, at: int, item: Item) -> Chunk:
        return self._event("response.output_item.added", {"output_index": at, "item": item})

    def _done(self, at: int, item: Item) -> Chunk:
        return self._event("response.output_item.done", {"output_index": at, "item": item})

    def _event(self, kind: str, members: dict[str, Json]) -> Chunk:
        body = {"type": kind, "sequence_number": self._number, **members}
        self._number += 1
        return Chunk(b"event: %b\ndata: %b\n\n" % (kind.encode(), msgspec.json.encode(body)))


def usage_json(tokens: Tokens, flavour: Flavour, pico_usd: int) -> dict[str, Json]:
    """The ``usage`` object. xAI's reasoning stands beside ``output_tokens``; its cost is in ticks."""
    usage: dict[str, Json] = {
        "input_tokens": tokens.prompt,
        "input_tokens_details": {"cached_tokens": tokens.cached, "cache_write_tokens": 0},
        "output_tokens": tokens.completion - (tokens.reasoning if flavour.reasoning_beside else 0),
        "output_tokens_details": {"reasoning_tokens": tokens.reasoning},
        "total_tokens": tokens.prompt + tokens.completion,
    }
    if flavour.cost_in_ticks:
        usage["cost_in_usd_ticks"] = -(-pico_usd // _TICK_PICO)
    return usage
