"""The yardstick: the least that a gateway in Python can do, with the same libraries as ours.

A bare trio + httptools relay: it parses the request's JSON and the answer's, keeps a list of idle upstream
connections, and nothing else: no limits, no ledger, no cache, no errors. ``python -m tests.bench.relay PORT`` relays
to that upstream port, prints its own, and serves until it is told to stop.
"""

import socket
import sys
from dataclasses import dataclass, field
from functools import partial

import httptools
import msgspec
import trio

RECEIVE_BYTES = 65_536
DATA = b"data: "
DONE = b"[DONE]"


@dataclass(slots=True)
class Message:
    """One HTTP message, as httptools tells it."""

    path: bytes = b""
    type: bytes = b""
    body: bytearray = field(default_factory=bytearray)
    whole: bool = False
    head: bool = False

    def on_url(self, url: bytes) -> None:
        self.path += url

    def on_header(self, name: bytes, value: bytes) -> None:
        if name.lower() == b"content-type":
            self.type = value

    def on_headers_complete(self) -> None:
        self.head = True

    def on_body(self, body: bytes) -> None:
        self.body += body

    def on_message_complete(self) -> None:
        self.whole = True


class Upstream:
    """Idle connections to the one upstream."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._idle: list[trio.SocketStream] = []

    async def take(self) -> trio.SocketStream:
        return self._idle.pop() if self._idle else await trio.open_tcp_stream("127.0.0.1", self._port)

    def give_back(self, stream: trio.SocketStream) -> None:
        self._idle.append(stream)


async def serve_client(upstream: Upstream, client: trio.SocketStream) -> None:
    """Relay one client's requests until it leaves."""
    client.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    try:
        while (request := await receive_request(client)) is not None:
            await relay(upstream, client, request)
    except (trio.BrokenResourceError, trio.ClosedResourceError):
        pass
    finally:
        await trio.aclose_forcefully(client)


async def receive_request(client: trio.SocketStream) -> Message | None:
    request = Message()
    parser = httptools.HttpRequestParser(request)
    while not request.whole:
        data = await client.receive_some(RECEIVE_BYTES)
        if not data:
            return None
        parser.feed_data(data)
    return request


async def relay(upstream: Upstream, client: trio.SocketStream, request: Message) -> None:
    members = msgspec.json.decode(request.body)
    body = msgspec.json.encode(members)
    head = b"POST %b HTTP/1.1\r\nhost: upstream\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n"
    stream = await upstream.take()
    await stream.send_all(head % (request.path, len(body)) + body)
    await (relay_stream if members.get("stream") else relay_plain)(stream, client)
    upstream.give_back(stream)


async def relay_plain(stream: trio.SocketStream, client: trio.SocketStream) -> None:
    answer = Message()
    parser = httptools.HttpResponseParser(answer)
    while not answer.whole:
        parser.feed_data(await stream.receive_some(RECEIVE_BYTES))
    body = msgspec.json.encode(msgspec.json.decode(answer.body))
    head = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n"
    await client.send_all(head % len(body) + body)


async def relay_stream(stream: trio.SocketStream, client: trio.SocketStream) -> None:
    answer = Message()
    parser = httptools.HttpResponseParser(answer)
    head = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
    while not answer.whole:
        parser.feed_data(await stream.receive_some(RECEIVE_BYTES))
        if data := take_events(answer.body):
            await client.send_all(b"%b%x\r\n%b\r\n" % (head, len(data), data))
            head = b""
    await client.send_all(b"0\r\n\r\n")


def take_events(received: bytearray) -> bytes:
    """The whole events, taken from ``received`` and parsed, for what it costs."""
    end = received.rfind(b"\n\n") + 2
    if end < 2:
        return b""
    data = bytes(received[:end])
    del received[:end]
    for line in data.split(b"\n"):
        if line.startswith(DATA) and not line.endswith(DONE):
            msgspec.json.decode(line[len(DATA) :])
    return data


async def main(upstream_port: int) -> None:
    upstream = Upstream(upstream_port)
    listeners = await trio.open_tcp_listeners(0, host="127.0.0.1", backlog=1024)
    print(listeners[0].socket.getsockname()[1], flush=True)  # noqa: T201
    await trio.serve_listeners(partial(serve_client, upstream), listeners)


if __name__ == "__main__":
    try:
        trio.run(main, int(sys.argv[1]))
    except* KeyboardInterrupt:
        pass
