"""Gemini's responses, built from planned choices.

Law: pure. Every response carries running totals; an answer ends with a finish reason and no other mark. Events end
with CRLF, as Google's do.
"""

from collections.abc import Iterator, Sequence

import msgspec

from lodestard.simulator.answering.question import Json
from lodestard.simulator.paid.chat_writer import Chunk
from lodestard.simulator.paid.choices import Choice, SaidCall
from lodestard.simulator.paid.gemini_request import signature
from lodestard.simulator.paid.meter import Tokens

_REASONS = {"stop": "STOP", "length": "MAX_TOKENS", "tool_calls": "STOP"}


class Habit(msgspec.Struct, frozen=True, kw_only=True):
    """``shows``: what was thought is told. ``signs``: calls have signatures and ids. ``finish``: instead of it."""

    shows: bool = False
    signs: bool = False
    logprobs: bool = False
    finish: str = ""


class GeminiWriter:
    """Writes one answer."""

    def __init__(self, model: str, response_id: str, tokens: Tokens, habit: Habit) -> None:
        self._head: dict[str, Json] = {"modelVersion": model, "responseId": response_id}
        self._tokens = tokens
        self._habit = habit
        self._written = self._thought = 0

    def whole(self, choices: Sequence[Choice], *, usage: bool) -> bytes:
        """A plain answer, laid out as Google lays it out."""
        candidates = [self._candidate(choice, list(self._parts(choice)), ends=True) for choice in choices]
        body = {"candidates": candidates, **({"usageMetadata": self.total()} if usage else {}), **self._head}
        return msgspec.json.format(msgspec.json.encode(body), indent=2)

    def chunks(self, choice: Choice, *, usage: bool) -> Iterator[Chunk]:
        """All events of one candidate; its last one says why it finished."""
        for piece in choice.reasoning:
            self._thought += 1
            thought = [{"text": piece, "thought": True}] if self._habit.shows else []
            yield Chunk(self._event(choice, thought, usage=usage) if thought else b"", 1, reasoning=True)
        for piece in choice.pieces:
            self._written += 1
            yield Chunk(self._event(choice, [{"text": piece}], usage=usage), 1)
        for at, call in enumerate(choice.calls):
            self._written += call.tokens
            yield Chunk(self._event(choice, [self._call(call, at)], usage=usage), call.tokens)

    def end(self, choice: Choice, *, usage: bool) -> bytes:
        self._thought, self._written = self._tokens.reasoning, self._tokens.completion - self._tokens.reasoning
        return self._event(choice, [], usage=usage, ends=True)

    def block(self, reason: str) -> dict[str, Json]:
        usage = {"promptTokenCount": self._tokens.prompt, "totalTokenCount": self._tokens.prompt}
        return {"promptFeedback": {"blockReason": reason}, "usageMetadata": usage, **self._head}

    def total(self) -> dict[str, Json]:
        self._thought, self._written = self._tokens.reasoning, self._tokens.completion - self._tokens.reasoning
        return self._usage()

    def _usage(self) -> dict[str, Json]:
        """Counts of nought are left out, as Google does."""
        tokens = self._tokens
        counts = {
            "promptTokenCount": tokens.prompt,
            "cachedContentTokenCount": tokens.cached,
            "candidatesTokenCount": self._written,
            "thoughtsTokenCount": self._thought,
            "totalTokenCount": tokens.prompt + self._written + self._thought,
        }
        kept: dict[str, Json] = {name: count for name, count in counts.items() if count}
        kept["promptTokensDetails"] = [{"modality": "TEXT", "tokenCount": tokens.prompt}]
        return kept

    def _event(self, choice: Choice, parts: list[Json], *, usage: bool, ends: bool = False) -> bytes:
        body = {"candidates": [self._candidate(choice, parts, ends=ends)], **self._head}
        if usage:
            body["usageMetadata"] = self._usage()
        return event(body)

    def _candidate(self, choice: Choice, parts: list[Json], *, ends: bool) -> dict[str, Json]:
        candidate: dict[str, Json] = {"content": {"role": "model"}, "index": choice.index}
        if parts:
            candidate["content"]["parts"] = parts
        if ends:
            candidate["finishReason"] = self._habit.finish or _REASONS[choice.finish]
        if self._habit.logprobs and choice.pieces and ends:
            chosen = [{"token": piece, "tokenId": 7, "logProbability": -0.25} for piece in choice.pieces]
            candidate["logprobsResult"] = {
                "chosenCandidates": chosen,
                "topCandidates": [{"candidates": [one]} for one in chosen],
            }
        return candidate

    def _parts(self, choice: Choice) -> Iterator[Json]:
        if self._habit.shows and choice.reasoning:
            yield {"text": "".join(choice.reasoning), "thought": True}
        if choice.pieces:
            yield {"text": choice.text}
        for at, call in enumerate(choice.calls):
            yield self._call(call, at)

    def _call(self, call: SaidCall, at: int) -> Json:
        """Of calls side by side the first alone is signed."""
        named: dict[str, Json] = {"name": call.name, "args": msgspec.json.decode(call.arguments)}
        part: dict[str, Json] = {"functionCall": named}
        if self._habit.signs and at == 0:
            part["thoughtSignature"] = signature(named)
        if self._habit.signs:
            named["id"] = call.id
        return part


def event(body: Json) -> bytes:
    return b"data: " + msgspec.json.encode(body) + b"\r\n\r\n"
