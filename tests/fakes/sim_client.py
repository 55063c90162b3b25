"""A tiny HTTP client for tests that talk to the simulator over a stream, and see how an answer ended."""

import json
from typing import Any

import httptools
import trio


class SimReply:
    """One answer. ``ended``: whole, cut (EOF before its end) or reset."""

    def __init__(self) -> None:
        self.status = 0
        self.headers: dict[str, str] = {}
        self.body = b""
        self.ended = "cut"
        self.keep_alive = False

    def on_header(self, name: bytes, value: bytes) -> None:
        self.headers[name.decode().lower()] = value.decode()

    def on_body(self, data: bytes) -> None:
        self.body += data

    def on_message_complete(self) -> None:
        self.ended = "whole"

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def lines(self) -> list[Any]:
        """The objects of an NDJSON body."""
        return [json.loads(line) for line in self.body.splitlines()]

    @property
    def events(self) -> list[Any]:
        """The data of an SSE body's events, decoded; ``[DONE]`` as that text."""
        found = [line[6:] for line in self.body.split(b"\n") if line.startswith(b"data: ")]
        return ["[DONE]" if data == b"[DONE]" else json.loads(data) for data in found]


class SimClient:
    """One connection."""

    def __init__(self, stream: trio.abc.Stream) -> None:
        self.stream = stream

    async def send(self, method: str, path: str, body: Any = None, *, version: str = "1.1", **headers: str) -> None:
        data = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
        lines = [f"{method} {path} HTTP/{version}", "host: localhost", f"content-length: {len(data)}"]
        lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
        await self.stream.send_all("\r\n".join(lines).encode() + b"\r\n\r\n" + data)

    async def receive(self, method: str = "POST") -> SimReply:
        reply = SimReply()
        parser = httptools.HttpResponseParser(reply)
        while reply.ended != "whole":
            try:
                data = await self.stream.receive_some(65536)
            except trio.BrokenResourceError:
                reply.ended = "reset"
                break
            if not data:
                if reply.status and not {"content-length", "transfer-encoding"} & set(reply.headers):
                    reply.ended = "whole"
                break
            parser.feed_data(data)
            reply.status = parser.get_status_code()
            if method == "HEAD" and reply.headers:
                reply.ended = "whole"
        return reply

    async def ask(self, method: str, path: str, body: Any = None, **headers: str) -> SimReply:
        await self.send(method, path, body, **headers)
        return await self.receive(method)
