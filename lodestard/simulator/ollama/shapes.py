"""The two shapes of Ollama's answers: ``message`` for ``/api/chat``, ``response`` for ``/api/generate``.

Law: pure dict building; `generation` decides what is said and when.
"""

import zlib
from collections.abc import Callable, Iterable, Sequence
from typing import Protocol

from lodestard.simulator.answering.question import Call, Json
from lodestard.simulator.tokens import split_tokens
from lodestard.simulator.walltime import WallNs, rfc3339_nano

_VOCABULARY = 32000


class Shape(Protocol):
    """How one endpoint writes its pieces."""

    def opening(self) -> dict[str, Json]: ...
    def piece(self, kind: str, text: str) -> dict[str, Json]: ...
    def calls(self, calls: Sequence[Call], /) -> dict[str, Json]: ...
    def ending(self, said: Sequence[str], /) -> dict[str, Json]: ...
    def whole(self, text: str, thinking: str, calls: Sequence[Call], /) -> dict[str, Json]: ...
    def context(self, said: str, /) -> dict[str, Json]: ...


class _Opening:
    def __init__(self, model: str, wall_ns: WallNs) -> None:
        self._model = model
        self._wall_ns = wall_ns

    def opening(self) -> dict[str, Json]:
        return {"model": self._model, "created_at": rfc3339_nano(self._wall_ns())}


class ChatShape(_Opening):
    """``message`` with role, content, thinking and tool calls."""

    def __init__(self, model: str, wall_ns: WallNs, call_id: Callable[[int], str]) -> None:
        super().__init__(model, wall_ns)
        self._call_id = call_id

    def piece(self, kind: str, text: str) -> dict[str, Json]:
        if kind == "thinking":
            return {"message": {"role": "assistant", "content": "", "thinking": text}}
        return {"message": {"role": "assistant", "content": text}}

    def calls(self, calls: Sequence[Call], /) -> dict[str, Json]:
        return {"message": {"role": "assistant", "content": "", "tool_calls": self._calls(calls)}}

    def ending(self, _said: Sequence[str], /) -> dict[str, Json]:
        return self.piece("text", "")

    def whole(self, text: str, thinking: str, calls: Sequence[Call], /) -> dict[str, Json]:
        message: dict[str, Json] = {"role": "assistant", "content": text}
        if thinking:
            message["thinking"] = thinking
        if calls:
            message["tool_calls"] = self._calls(calls)
        return {"message": message}

    def context(self, _said: str, /) -> dict[str, Json]:
        return {}

    def _calls(self, calls: Iterable[Call]) -> list[Json]:
        return [
            {"id": self._call_id(at), "function": {"index": at, "name": call.name, "arguments": call.arguments}}
            for at, call in enumerate(calls)
        ]


class GenerateShape(_Opening):
    """``response`` as text; the last line carries ``context``, the ids of all tokens, unless the prompt was raw."""

    def __init__(self, model: str, wall_ns: WallNs, prompt: str | None) -> None:
        super().__init__(model, wall_ns)
        self._prompt = prompt

    def piece(self, kind: str, text: str) -> dict[str, Json]:
        return {"response": "", "thinking": text} if kind == "thinking" else {"response": text}

    def calls(self, _calls: Sequence[Call], /) -> dict[str, Json]:
        return {"response": ""}

    def ending(self, said: Sequence[str], /) -> dict[str, Json]:
        return {"response": "", **self.context("".join(said))}

    def whole(self, text: str, thinking: str, _calls: Sequence[Call], /) -> dict[str, Json]:
        return {"response": text, "thinking": thinking} if thinking else {"response": text}

    def context(self, said: str, /) -> dict[str, Json]:
        if self._prompt is None:
            return {}
        return {"context": [zlib.crc32(piece.encode()) % _VOCABULARY for piece in split_tokens(self._prompt + said)]}
