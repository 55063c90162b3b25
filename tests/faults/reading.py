"""What a client saw, read off its bytes by hand: no parser of the house's, and none of the fakes'.

Law: a client is told the truth where an answer that looks whole is whole, and any other looks broken.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from struct import pack
from typing import Any

import trio

from tests.fakes.canaries import require_none, with_canary

PATIENCE_S = 10.0
_LINGER_NONE = pack("ii", 1, 0)
_MOST_DIGITS = 4_300


def load(text: str | bytes) -> Any:
    """JSON, whose numbers have no limit; Python's own reader breaks at those that are too long for it."""
    return json.loads(text, parse_int=lambda digits: int(digits[:_MOST_DIGITS]))


@dataclass(frozen=True)
class Seen:
    """One answer. ``framed``: its body came to the end that its head promised."""

    status: int
    headers: dict[str, str]
    body: bytes
    framed: bool

    @property
    def streamed(self) -> bool:
        return self.headers.get("content-type", "").startswith("text/event-stream")

    @property
    def events(self) -> list[str]:
        """The data of each event that was ended."""
        blocks = self.body.decode(errors="replace").split("\n\n")[:-1]
        return [block.removeprefix("data: ") for block in blocks if block.startswith("data: ")]

    @property
    def chunks(self) -> list[Any]:
        return [load(event) for event in self.events if event != "[DONE]"]

    @property
    def succeeded(self) -> bool:
        """Whether a client would take it for a whole answer."""
        if self.status != 200 or not self.framed:
            return False
        if self.streamed:
            return not any("error" in chunk for chunk in self.chunks)
        return "error" not in load(self.body)

    @property
    def told_of_failure(self) -> bool:
        """Whether a client can't miss that it is broken: an error status with its body, an error event, a cut."""
        if self.status != 200:
            return self.status >= 400 and self.framed and bool(load(self.body)["error"]["code"])
        if not self.streamed:
            return not self.framed
        errors = [chunk for chunk in self.chunks if "error" in chunk]
        return "[DONE]" not in self.events and (bool(errors) or not self.framed)

    @property
    def text(self) -> str:
        """The first choice's text."""
        if not self.streamed:
            return load(self.body)["choices"][0]["message"]["content"] or ""
        deltas = [choice.get("delta", {}) for chunk in self.chunks for choice in chunk.get("choices", ())]
        return "".join(delta.get("content") or "" for delta in deltas)

    @property
    def finished(self) -> bool:
        """Whether the answer itself says that it is at its end."""
        if not self.streamed:
            return bool(load(self.body)["choices"][0]["finish_reason"])
        said = [choice for chunk in self.chunks for choice in chunk.get("choices", ()) if choice.get("finish_reason")]
        return bool(said) and self.events[-1] == "[DONE]"

    @property
    def readable(self) -> bool:
        """Whether it has what a client looks for. A stream has to say that it is at its end; of a plain answer its
        length does."""
        return self.finished if self.streamed else bool(load(self.body)["choices"])

    @property
    def id(self) -> str:
        return self.headers.get("x-lodestar-request-id", "")


def write_request(
    body: dict[str, Any], headers: Mapping[str, str] | None = None, path: str = "/v1/chat/completions"
) -> bytes:
    """A request that asks for the connection to be closed after it; of a chat, where no path is given."""
    data = json.dumps(body).encode()
    fields = {"host": "127.0.0.1", "connection": "close", "content-type": "application/json"}
    fields |= with_canary(dict(headers or {}))
    lines = [f"POST {path} HTTP/1.1", *(f"{name}: {value}" for name, value in fields.items())]
    return "\r\n".join([*lines, f"content-length: {len(data)}"]).encode() + b"\r\n\r\n" + data


async def dial(address: str) -> trio.SocketStream:
    host, port = address.rsplit(":", 1)
    return await trio.open_tcp_stream(host, int(port))


async def ask_raw(address: str, request: bytes, kind: type[Seen] = Seen) -> Seen:
    """Send the bytes, and read until the house closes, as clients of a dialect do. Raises ``trio.TooSlowError``."""
    async with await dial(address) as stream:
        await stream.send_all(request)
        received = bytearray()
        with trio.fail_after(PATIENCE_S):
            try:
                while data := await stream.receive_some(65536):
                    received += data
            except trio.BrokenResourceError:
                pass
    return read(bytes(received), kind)


async def reset(stream: trio.SocketStream) -> None:
    """Leave as a process does that is killed: RST."""
    stream.socket.setsockopt(trio.socket.SOL_SOCKET, trio.socket.SO_LINGER, _LINGER_NONE)
    await trio.aclose_forcefully(stream)


def read(data: bytes, kind: type[Seen] = Seen) -> Seen:
    """Bytes of a connection → the one answer on it, which has no key in it (I9)."""
    require_none(data, "an answer")
    head, ended, rest = data.partition(b"\r\n\r\n")
    if not ended:
        return kind(0, {}, b"", framed=False)
    first, *lines = head.decode("latin-1").split("\r\n")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    if headers.get("transfer-encoding") == "chunked":
        body, framed = unchunk(rest)
    else:
        body, framed = rest, len(rest) == int(headers.get("content-length", "-1"))
    return kind(int(first.split(" ")[1]), headers, body, framed)


def unchunk(data: bytes) -> tuple[bytes, bool]:
    """A chunked body as far as it came, and whether it came to its end."""
    body = b""
    while True:
        size_text, ended, data = data.partition(b"\r\n")
        if not ended:
            return body, False
        size = int(size_text, 16)
        if not size:
            return body, data == b"\r\n"
        body += data[:size]
        if len(data) < size + 2:
            return body, False
        data = data[size + 2 :]
