"""What every question to a model's server has in common: its path, its key, its limits, the name of who failed.

Law: an answer is read whole and within bounds, or it is a fault that says which server failed and how.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import msgspec
import trio

from lodestard.domain.errors import Code, UpstreamFault
from lodestard.domain.settings import Upstream
from lodestard.protocols.codec import JSON_HEADERS, join_path
from lodestard.protocols.ollama.host import read_refusal
from lodestard.upstream.call import Call, Timeouts
from lodestard.upstream.check_head import check_head
from lodestard.upstream.pool import Pool
from lodestard.upstream.response import Response

QUEUE_S = 5.0
BODY_S = 10.0
MOST_BYTES = 8 * 1024 * 1024


class Question(msgspec.Struct, frozen=True, kw_only=True):
    """``path`` is the dialect's own; without a ``body`` it is a GET. ``limit_s``: until the answer begins."""

    path: str
    body: bytes = b""
    limit_s: float


class HostCalls:
    """Questions over one pool. ``key_place``: where its key has to be put; empty where it has one, or needs none."""

    def __init__(self, pool: Pool, settings: Upstream, key_place: str) -> None:
        self.pool = pool
        self._url = settings.url
        self._key_place = key_place

    async def ask(self, question: Question) -> bytes:
        """The whole body of a good answer. Raises ``UpstreamFault``; cancelled, the connection is closed."""
        async with self.request(question) as response:
            await self.check(response)
            with self.limit(BODY_S, f"had not ended its answer {BODY_S:g} s after it began"):
                return await self._read_whole(response)

    def request(self, question: Question) -> Response:
        """Not yet sent; nothing bounds how long its answer takes once it has begun.

        Raises ``UpstreamFault(UPSTREAM_AUTH)`` where its key is missing.
        """
        if self._key_place:
            raise self.pool.blame.key_missing(self._key_place)
        call = Call(
            method="POST" if question.body else "GET",
            path=join_path(self._url, question.path),
            headers=JSON_HEADERS if question.body else (),
            body=question.body,
            timeouts=Timeouts(queue_s=QUEUE_S, head_s=question.limit_s, idle_s=float("inf")),
        )
        return self.pool.request(call)

    async def check(self, response: Response) -> None:
        """Raises ``UpstreamFault`` for everything but a good answer's head."""
        await check_head(response, self.pool.blame, _read_refusal)

    @contextmanager
    def naming(self) -> Iterator[None]:
        """Faults of readers, which don't know what the upstream is called, get its name."""
        try:
            yield
        except UpstreamFault as fault:
            fault.upstream = fault.upstream or self.pool.settings.upstream
            raise

    @contextmanager
    def limit(self, limit_s: float, what: str) -> Iterator[None]:
        """Raises UPSTREAM_TIMEOUT, saying ``what`` it did or did not do, once ``limit_s`` have passed."""
        with trio.move_on_after(limit_s) as scope:
            yield
        if scope.cancelled_caught:
            settings = self.pool.settings
            message = f"upstream {settings.upstream} ({settings.origin.address}) {what}"
            raise UpstreamFault(Code.UPSTREAM_TIMEOUT, message, upstream=settings.upstream)

    async def _read_whole(self, response: Response) -> bytes:
        body = bytearray()
        while data := await response.receive_some():
            body += data
            if len(body) > MOST_BYTES:
                raise self.pool.blame.garbage(f"it goes on after {MOST_BYTES} bytes")
        return bytes(body)


def _read_refusal(status: int, headers: Mapping[str, str], body: bytes) -> UpstreamFault:  # noqa: ARG001
    return read_refusal(status, body)
