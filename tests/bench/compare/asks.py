"""What is asked, in the words of each kind of gateway. Pure.

A ``Want`` says what a case needs; a ``Dialect`` makes an ``Ask`` of it: the path, the headers and the body that this
gateway wants for it. Bodies that are never cached carry no temperature; those that may be carry temperature 0.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal

import msgspec

Answer = Literal["1k", "100k", "fast", "paced", "brief", "long"]
ANSWERS: tuple[Answer, ...] = ("1k", "100k", "fast", "paced", "brief", "long")
STREAMED = frozenset({"fast", "paced", "brief", "long"})
FALLBACK = "fallback"
PAID = "paid"
CHAT = "/v1/chat/completions"
SENTENCE = "Explain what a closed-loop load test measures. "
SMALL_BYTES = 1_000
LARGE_BYTES = 100_000


@dataclass(frozen=True)
class Want:
    """``model`` is what the answer is asked of: its own upstream, one that is refused first, or a paid one."""

    answer: Answer
    model: str = ""
    cached: bool = False

    @property
    def name(self) -> str:
        return self.model or self.answer

    @property
    def streamed(self) -> bool:
        return self.answer in STREAMED


@dataclass(frozen=True)
class Ask:
    """A request, ready to be sent to 127.0.0.1 at some port."""

    path: str
    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)

    def all_headers(self) -> dict[str, str]:
        return {"content-type": "application/json", **self.headers}

    def whole(self) -> bytes:
        """The request as it goes over the wire."""
        fields = {"host": "127.0.0.1", **self.all_headers(), "content-length": str(len(self.body))}
        lines = [f"POST {self.path} HTTP/1.1", *(f"{name}: {value}" for name, value in fields.items())]
        return "\r\n".join([*lines, "", ""]).encode() + self.body


Dialect = Callable[[Want], Ask]


def _body(want: Want, model: str, **more: object) -> bytes:
    size = LARGE_BYTES if want.answer == "100k" else SMALL_BYTES
    content = SENTENCE * (size // len(SENTENCE) - 2)
    members: dict[str, object] = {"model": model, "messages": [{"role": "user", "content": content}]}
    if want.streamed:
        members["stream"] = True
    if want.cached:
        members["temperature"] = 0
    return msgspec.json.encode(members | more)


def by_path(want: Want) -> Ask:
    """A relay passes the path on: its first part chooses the answer."""
    return Ask(f"/{want.name}{CHAT}", _body(want, "canned"))


def by_model(want: Want) -> Ask:
    """A gateway with a configuration of its own: the model's name chooses the upstream."""
    return Ask(CHAT, _body(want, want.name))


def litellm(key: str) -> Dialect:
    """LiteLLM as we configure it: its cache is asked for by the request."""

    def ask(want: Want) -> Ask:
        more = {"cache": {"use-cache": True}} if want.cached else {}
        return Ask(CHAT, _body(want, want.name, **more), {"authorization": f"Bearer {key}"})

    return ask


def portkey(upstream_port: int, refused_port: int) -> Dialect:
    """Portkey is configured by each request's headers."""

    def target(port: int, answer: str) -> dict[str, str]:
        return {"provider": "openai", "api_key": "none", "custom_host": f"http://127.0.0.1:{port}/{answer}/v1"}

    def ask(want: Want) -> Ask:
        config: dict[str, object] = dict(target(upstream_port, want.answer))
        if want.model == FALLBACK:
            targets = [target(port, want.answer) for port in (refused_port, upstream_port)]
            config = {"strategy": {"mode": "fallback"}, "targets": targets}
        if want.cached:
            config["cache"] = {"mode": "simple", "max_age": 3600}
        return Ask(CHAT, _body(want, "canned"), {"x-portkey-config": msgspec.json.encode(config).decode()})

    return ask
