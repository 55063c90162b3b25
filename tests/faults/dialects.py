"""What clients of other dialects than OpenAI's chat completions ask, and what they saw, read off the bytes by hand.

Law: as in ``reading.py``: an answer that looks whole is whole, and any other looks broken.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from tests.fakes.world import CHAT, chat
from tests.faults.reading import Seen, load

OVERLAY = """
[upstreams.google]
dialect = "gemini"
url = "{gemini}/v1beta"

[upstreams.responding]
dialect = "openai"
url = "{openai}/v1"
key = { env = "OPENAI_API_KEY" }
api = "responses"

[models]
flash = { route = ["google/gemini-2.5-flash"] }
responding = { route = ["responding/gpt-4o-mini"] }

[prices]
"google/gemini-2.5-flash" = { input = 0.30, output = 2.50, cache_read = 0.03, max_output_tokens = 65536 }
"responding/gpt-4o-mini" = { input = 0.15, output = 0.60, cache_read = 0.075, max_output_tokens = 16384 }
"""
"""The upstreams whose dialects the plain house of the tests does not have."""


class EventsSeen(Seen):
    """Of a dialect whose events tell their kind in ``type``."""

    last: frozenset[str]
    broken: frozenset[str]

    @property
    def events(self) -> list[str]:
        """Line ends and several lines of data as the specification of server-sent events has them."""
        text = self.body.decode(errors="replace").replace("\r\n", "\n").replace("\r", "\n")
        found = ([line[5:] for line in block.split("\n") if line.startswith("data:")] for block in text.split("\n\n"))
        whole = list(found)[:-1]  # the last one has no empty line behind it
        return ["\n".join(line.removeprefix(" ") for line in lines) for lines in whole if lines]

    @property
    def kinds(self) -> list[str]:
        return [chunk.get("type", "") for chunk in self.chunks]  # an event of no kind is one that nobody heeds

    @property
    def succeeded(self) -> bool:
        if self.status != 200 or not self.framed:
            return False
        return self.broken.isdisjoint(self.kinds) if self.streamed else self.plain_succeeded

    @property
    def plain_succeeded(self) -> bool:
        return not load(self.body).get("error")

    @property
    def told_of_failure(self) -> bool:
        if self.status != 200:
            return self.status >= 400 and self.framed and bool(load(self.body)["error"]["type"])
        if not self.streamed:
            return not self.framed
        return self.last.isdisjoint(self.kinds) and (not self.broken.isdisjoint(self.kinds) or not self.framed)


class AnthropicSeen(EventsSeen):
    """Messages."""

    last, broken = frozenset({"message_stop"}), frozenset({"error"})

    @property
    def text(self) -> str:
        if not self.streamed:
            return "".join(block.get("text", "") for block in load(self.body)["content"])
        deltas = [chunk["delta"] for chunk in self.chunks if chunk.get("type") == "content_block_delta"]
        return "".join(delta.get("text", "") for delta in deltas)

    @property
    def finished(self) -> bool:
        if not self.streamed:
            return bool(load(self.body)["stop_reason"])
        reasons = [chunk["delta"].get("stop_reason") for chunk in self.chunks if chunk.get("type") == "message_delta"]
        return any(reasons) and self.kinds[-1] == "message_stop"

    @property
    def readable(self) -> bool:
        return self.kinds[-1] == "message_stop" if self.streamed else isinstance(load(self.body)["content"], list)


class ResponsesSeen(EventsSeen):
    """Responses."""

    last = frozenset({"response.completed", "response.incomplete"})
    broken = frozenset({"error", "response.failed"})

    @property
    def response(self) -> Any:
        """The response object, which ends a stream too."""
        return self.chunks[-1]["response"] if self.streamed else load(self.body)

    @property
    def text(self) -> str:
        parts = [part for item in self.response["output"] for part in item.get("content") or ()]
        return "".join(part.get("text", "") for part in parts)

    @property
    def finished(self) -> bool:
        ended = not self.streamed or self.kinds[-1] in self.last
        return ended and self.response["status"] in ("completed", "incomplete")

    @property
    def readable(self) -> bool:
        return isinstance(self.response["output"], list) and (not self.streamed or self.kinds[-1] in self.last)


class OllamaSeen(Seen):
    """Ollama's chat: a line for each piece."""

    @property
    def streamed(self) -> bool:
        return self.headers.get("content-type", "").startswith("application/x-ndjson")

    @property
    def events(self) -> list[str]:
        return [line.decode() for line in self.body.split(b"\n")[:-1]]

    @property
    def chunks(self) -> list[Any]:
        return [load(event) for event in self.events] if self.streamed else [load(self.body)]

    @property
    def succeeded(self) -> bool:
        return self.status == 200 and self.framed and not any("error" in chunk for chunk in self.chunks)

    @property
    def told_of_failure(self) -> bool:
        if self.status != 200:
            return self.status >= 400 and self.framed and bool(load(self.body)["error"])
        if not self.streamed:
            return not self.framed
        errors = [chunk for chunk in self.chunks if "error" in chunk]
        return not any(chunk.get("done") for chunk in self.chunks) and (bool(errors) or not self.framed)

    @property
    def text(self) -> str:
        return "".join(chunk["message"]["content"] for chunk in self.chunks)

    @property
    def finished(self) -> bool:
        return self.chunks[-1]["done"] is True

    @property
    def readable(self) -> bool:
        return self.finished


def _message(alias: str, text: str, **members: Any) -> dict[str, Any]:
    return chat(alias, text, max_tokens=300, **members)


def _response(alias: str, text: str, **members: Any) -> dict[str, Any]:
    return {"model": alias, "input": text, **members}


@dataclass(frozen=True)
class Client:
    """One dialect: where it is asked, by what, and how its answers are read."""

    path: str
    write: Callable[..., dict[str, Any]]
    seen: type[Seen]
    headers: Mapping[str, str] | None = None


CLIENTS = {
    "openai": Client(CHAT, chat, Seen),
    "anthropic": Client("/v1/messages", _message, AnthropicSeen, {"anthropic-version": "2023-06-01"}),
    "responses": Client("/v1/responses", _response, ResponsesSeen),
    "ollama": Client("/api/chat", chat, OllamaSeen),
}
