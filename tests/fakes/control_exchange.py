"""An exchange of the control socket without a socket: says what was asked, keeps what was answered."""

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import msgspec


@dataclass(frozen=True)
class FakePeer:
    uid: int | None = 0
    gid: int | None = 0
    groups: tuple[int, ...] = ()


@dataclass
class FakeExchange:
    """``fail_sends_after``: from that many sends on, the client has left."""

    method: str = "POST"
    path: str = "/v1/verbs/status"
    body: bytes = b""
    peer: FakePeer = FakePeer()
    fail_sends_after: int | None = None
    started: bool = False
    finished: bool = False
    status: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    sent: list[bytes] = field(default_factory=list)
    on_leave: Callable[[], None] | None = None

    async def read_body(self) -> bytes:
        return self.body

    async def respond(self, status: int, headers: Sequence[tuple[str, str]], body: bytes) -> None:
        await self.start(status, headers)
        await self.send(body)
        await self.finish()

    async def start(self, status: int, headers: Sequence[tuple[str, str]]) -> None:
        assert not self.started
        self.started, self.status, self.headers = True, status, dict(headers)

    async def send(self, data: bytes) -> None:
        if self.fail_sends_after is not None and len(self.sent) >= self.fail_sends_after:
            raise ConnectionError("the client left")
        self.sent.append(data)

    async def finish(self) -> None:
        self.finished = True

    @asynccontextmanager
    async def watch(self, on_leave: Callable[[], None]) -> AsyncIterator[None]:
        self.on_leave = on_leave
        yield

    @property
    def lines(self) -> list[dict[str, Any]]:
        """The answer, a JSON object a line."""
        return [msgspec.json.decode(line) for line in b"".join(self.sent).splitlines()]

    @property
    def answer(self) -> dict[str, Any]:
        (only,) = self.lines
        return only
