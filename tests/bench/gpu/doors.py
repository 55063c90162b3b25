"""How a client asks: through lodestard in OpenAI's dialect, or straight to Ollama in its own.

Straight to it, each client says what it really says: Aider a context of its own for each request (a quarter more than
the prompt, and 8,192), Continue a fixed one with a keep-alive, a script nothing at all.
"""

import re
from collections.abc import Awaitable, Callable
from typing import Any, Protocol

import msgspec
import trio

from tests.bench.gpu.machines import NUM_CTX
from tests.bench.gpu.traffic import ANY_LOCAL, DEEPSEEK, LLAMA, Ask
from tests.bench.gpu.words import CHARACTERS

ALIASES = {LLAMA: "local-llama", DEEPSEEK: "gpt-3.5-turbo"}
TEMPERATURES = {"autocomplete": 0.01, "job": 0.2}
LIMITS = {"autocomplete": 128, "job": 256}
AGENTS = {"autocomplete": "Continue/1.2", "job": "OpenAI/Python 2.6.1", "turn": "curl/8.5"}
AIDER_AGENT = "OpenAI/Python 2.20.0"
EDITOR_CTX, EDITOR_KEEP_ALIVE_S = 8192, 1800

Connect = Callable[[], Awaitable[trio.SocketStream]]


class Door(Protocol):
    """Writes a request, and knows the first content in an answer."""

    def write(self, ask: Ask) -> tuple[str, dict[str, str], bytes]:
        """Path, headers, body."""
        ...

    def has_content(self, data: bytes) -> bool:
        """Whether ``data`` of a streamed answer has a token in it."""
        ...


class Lodestard:
    """``POST /v1/chat/completions``. ``capped``: no answer may be longer than the planned one."""

    _CONTENT = re.compile(rb'"content":"[^"]')

    def __init__(self, *, capped: bool = False) -> None:
        self._capped = capped

    def write(self, ask: Ask) -> tuple[str, dict[str, str], bytes]:
        body: dict[str, Any] = {
            "model": ANY_LOCAL if ask.any_model else ALIASES[ask.model],
            "messages": [{"role": role, "content": text} for role, text in ask.messages],
            "stream": ask.stream,
            "temperature": TEMPERATURES.get(ask.kind, 0),
        }
        if (limit := _limit(ask, self._capped)) is not None:
            body["max_tokens"] = limit
        headers = {"user-agent": AGENTS.get(ask.kind, AIDER_AGENT)}
        if ask.kind == "job":
            headers["x-lodestar-priority"] = "background"
        return "/v1/chat/completions", headers, msgspec.json.encode(body)

    def has_content(self, data: bytes) -> bool:
        return self._CONTENT.search(data) is not None


class Ollama:
    """``POST /api/chat`` and, for autocomplete, ``/api/generate``.

    ``agreed``: all clients pin the same options. ``capped``: no answer may be longer than the planned one.
    """

    def __init__(self, *, agreed: bool, capped: bool = False) -> None:
        self._agreed = agreed
        self._capped = capped

    def write(self, ask: Ask) -> tuple[str, dict[str, str], bytes]:
        options: dict[str, Any] = {"temperature": TEMPERATURES.get(ask.kind, 0)}
        if (limit := _limit(ask, self._capped)) is not None:
            options["num_predict"] = limit
        body: dict[str, Any] = {"model": ask.model, "stream": ask.stream, "options": options}
        self._disagree(ask, body)
        headers = {"user-agent": AGENTS.get(ask.kind, AIDER_AGENT)}
        if ask.kind == "autocomplete":
            body |= {"prompt": ask.key, "raw": True}
            return "/api/generate", headers, msgspec.json.encode(body)
        body["messages"] = [{"role": role, "content": text} for role, text in ask.messages]
        return "/api/chat", headers, msgspec.json.encode(body)

    def _disagree(self, ask: Ask, body: dict[str, Any]) -> None:
        if self._agreed:
            body["options"]["num_ctx"] = NUM_CTX
        elif ask.kind == "autocomplete":
            body["options"]["num_ctx"] = EDITOR_CTX
            body["keep_alive"] = EDITOR_KEEP_ALIVE_S
        elif ask.kind not in ("job", "turn"):
            tokens = sum(len(text) for _, text in ask.messages) // CHARACTERS
            body["options"]["num_ctx"] = int(tokens * 1.25) + 8192

    def has_content(self, data: bytes) -> bool:
        return bool(data)


def _limit(ask: Ask, capped: bool) -> int | None:
    """How many tokens its client allows it."""
    return len(ask.answer) // CHARACTERS if capped else LIMITS.get(ask.kind)
