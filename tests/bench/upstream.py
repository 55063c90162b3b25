"""A canned upstream that costs next to nothing: one epoll loop that answers every request with the same bytes.

Law: it parses no more than where a request ends and whether it wants a stream, so that what is measured is what
stands before it. ``python -m tests.bench.upstream`` prints its port and serves until it is told to stop.
"""

import select
import socket
from collections.abc import Callable
from contextlib import suppress

import msgspec

EVENTS = 200
ANSWER_BYTES = 1024
MODEL = "canned"
HEAD_END = b"\r\n\r\n"


def plain_answer() -> bytes:
    """A whole HTTP answer with a chat completion of about 1 KB."""
    body = msgspec.json.encode(
        {
            "id": "chatcmpl-canned",
            "object": "chat.completion",
            "created": 1_795_229_407,
            "model": MODEL,
            "choices": [
                {
                    "index": 0,
                    "message": {"role": "assistant", "content": "lorem ipsum " * 66},
                    "finish_reason": "stop",
                    "logprobs": None,
                }
            ],
            "usage": {"prompt_tokens": 12, "completion_tokens": 198, "total_tokens": 210},
        }
    )
    head = f"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n"
    return head.encode() + body


def streamed_answer() -> list[bytes]:
    """A head and ``EVENTS`` server-sent events, each a chunk of its own, then usage and ``[DONE]``."""
    head = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
    deltas = [{"role": "assistant", "content": ""}, *({"content": f" word{index}"} for index in range(EVENTS - 1))]
    events = [_event([{"index": 0, "delta": delta, "finish_reason": None}]) for delta in deltas]
    events.append(_event([{"index": 0, "delta": {}, "finish_reason": "stop"}]))
    events.append(_event([], usage={"prompt_tokens": 12, "completion_tokens": EVENTS, "total_tokens": EVENTS + 12}))
    return [head, *map(_chunk, events), _chunk(b"data: [DONE]\n\n") + b"0\r\n\r\n"]


def _event(choices: list[dict[str, object]], usage: dict[str, int] | None = None) -> bytes:
    event = {
        "id": "chatcmpl-canned",
        "object": "chat.completion.chunk",
        "created": 1_795_229_407,
        "model": MODEL,
        "choices": choices,
        "usage": usage,
    }
    return b"data: " + msgspec.json.encode(event) + b"\n\n"


def _chunk(data: bytes) -> bytes:
    return f"{len(data):x}\r\n".encode() + data + b"\r\n"


class Connection:
    """One client: what it has sent so far."""

    def __init__(self, client: socket.socket) -> None:
        self.client = client
        self._received = b""

    def on_readable(self, answer: Callable[[socket.socket, bytes], None]) -> bool:
        """Answer each whole request. False when the client left."""
        try:
            received = self.client.recv(262_144)
        except ConnectionError:
            return False
        if not received:
            return False
        self._received += received
        while (end := _end_of_request(self._received)) is not None:
            request, self._received = self._received[:end], self._received[end:]
            answer(self.client, request)
        return True


def _end_of_request(received: bytes) -> int | None:
    head_end = received.find(HEAD_END)
    if head_end < 0:
        return None
    head = received[:head_end].lower()
    at = head.find(b"content-length:")
    length = int(head[at + 15 :].partition(b"\r\n")[0]) if at >= 0 else 0
    end = head_end + len(HEAD_END) + length
    return end if len(received) >= end else None


def serve(listener: socket.socket) -> None:
    """Serve until the process ends."""
    plain, streamed = plain_answer(), streamed_answer()

    def answer(client: socket.socket, request: bytes) -> None:
        wants_stream = b'"stream":true' in request or b'"stream": true' in request
        for part in streamed if wants_stream else (plain,):
            client.sendall(part)

    epoll = select.epoll()
    epoll.register(listener.fileno(), select.EPOLLIN)
    connections: dict[int, Connection] = {}
    while True:
        for fd, _ in epoll.poll():
            if fd == listener.fileno():
                client, _ = listener.accept()
                client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                connections[client.fileno()] = Connection(client)
                epoll.register(client.fileno(), select.EPOLLIN)
            elif not connections[fd].on_readable(answer):
                epoll.unregister(fd)
                connections.pop(fd).client.close()


def main() -> None:
    with socket.create_server(("127.0.0.1", 0), backlog=1024) as listener:
        print(listener.getsockname()[1], flush=True)  # noqa: T201
        with suppress(KeyboardInterrupt):
            serve(listener)


if __name__ == "__main__":
    main()
