"""The server behind a card: which models it has, in memory and on disk; load this one, forget that one, download it.

Law: implements ``domain.host_ports.ModelHost`` for an Ollama server, over small pools of its own, so that looking at
it never waits behind requests, nor a load behind downloads. A load lives on the connection that it holds: closing
that, by a cancel or a timeout, ends the load at the server. Every failure leaves as ``UpstreamFault``, named.
"""

from collections import deque
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from types import TracebackType
from typing import Self

import msgspec

from lodestard.domain.errors import Code, HouseFault, UpstreamFault
from lodestard.domain.residency import InstalledModel, LoadedModel, ModelDetails, PullProgress
from lodestard.domain.settings import Upstream
from lodestard.protocols.ndjson import LineParser
from lodestard.protocols.ollama import host as ollama_host
from lodestard.upstream.dial import Dial
from lodestard.upstream.host_calls import HostCalls, Question
from lodestard.upstream.origin import parse_origin
from lodestard.upstream.pool import PoolSettings, open_pool
from lodestard.upstream.request_head import Fields
from lodestard.upstream.response import Response
from lodestard.upstream.sender import describe_key, plan_headers, plan_pool

CONNECTIONS = 8
PULLS = 4
LOOK_S = 10.0
"""``/api/ps`` stands still for up to 5 s while a server waits to see memory become free."""
READ_S = 30.0
"""Lists and details of models, which the server reads from its disk."""
LINE_BYTES = 64 * 1024


class PooledModelHost:
    """``domain.host_ports.ModelHost``. Open it with ``open_model_host``.

    Calls raise ``UpstreamFault``: UPSTREAM_UNREACHABLE, UPSTREAM_TIMEOUT, UPSTREAM_CUT, UPSTREAM_AUTH,
    UPSTREAM_RATE_LIMITED (busy), UPSTREAM_ERROR, UPSTREAM_GARBAGE; those that name a model UPSTREAM_MODEL_MISSING.
    """

    def __init__(self, calls: HostCalls, pulls: HostCalls, settings: Upstream) -> None:
        """``pulls`` carries downloads, ``calls`` everything else."""
        self.calls = calls
        self.pulls = pulls
        self._settings = settings
        self._embedders: set[str] = set()  # models that have refused a chat, as those that only embed do

    async def version(self) -> str:
        """What it calls itself, within ``LOOK_S``."""
        with self.calls.naming():
            return ollama_host.read_version(await self._look("/api/version", LOOK_S))

    async def loaded(self) -> tuple[LoadedModel, ...]:
        """What is in memory. UPSTREAM_TIMEOUT after ``LOOK_S``: it may stand still while it loads or unloads."""
        with self.calls.naming():
            return ollama_host.read_loaded(await self._look("/api/ps", LOOK_S))

    async def installed(self) -> tuple[InstalledModel, ...]:
        """What is on its disk, within ``READ_S``."""
        with self.calls.naming():
            return ollama_host.read_installed(await self._look("/api/tags", READ_S))

    async def details(self, model: str) -> ModelDetails:
        """What it says of one model, within ``READ_S``."""
        question = Question(path="/api/show", body=ollama_host.write_show(model), limit_s=READ_S)
        with self.calls.naming():
            return ollama_host.read_details(model, await self.calls.ask(question))

    async def load(self, model: str) -> None:
        """Load ``model`` as its requests want it, or renew its keep-alive. Returns once it is in memory.

        UPSTREAM_TIMEOUT after ``load_timeout_s`` in all. Cancelled or too late, its connection is closed.
        """
        limit_s = self._settings.load_timeout_s
        too_late = f"had not loaded {model} after {limit_s:g} s (load_timeout_s)"
        with self.calls.naming(), self.calls.limit(limit_s, too_late):
            if model not in self._embedders and await self._load_chat(model):
                return
            body = ollama_host.write_embed_load(self._settings, model)
            ollama_host.read_loaded_embedder(await self._ask_long("/api/embed", body))
            self._embedders.add(model)

    async def _load_chat(self, model: str) -> bool:
        """Load ``model`` with an empty chat; False where it is one that only embeds, which loads with no chat."""
        try:
            ollama_host.read_done(await self._ask_long("/api/chat", ollama_host.write_load(self._settings, model)))
        except UpstreamFault as fault:
            if fault.code is not Code.UPSTREAM_REJECTED or not ollama_host.only_embeds(fault.said):
                raise
            return False
        return True

    async def _ask_long(self, path: str, body: bytes) -> bytes:
        return await self.calls.ask(Question(path=path, body=body, limit_s=float("inf")))

    async def unload(self, model: str) -> None:
        """Ask it to forget ``model``, within ``LOOK_S``; one that is not in memory is forgotten already."""
        question = Question(path="/api/chat", body=ollama_host.write_unload(model), limit_s=LOOK_S)
        with self.calls.naming():
            ollama_host.read_done(await self.calls.ask(question))

    def pull(self, model: str) -> AbstractAsyncContextManager[AsyncIterator[PullProgress]]:
        """Have it download ``model``: line after line, the last one once it is there. Lines, too, raise.

        Leaving early closes the connection, which ends the download; asked again, it goes on from there.
        UPSTREAM_TIMEOUT where no line comes for as long as a load may take: the server reads the whole file then,
        to verify it. UPSTREAM_CUT where the lines end before it is there.
        """
        return Pulling(self.pulls, model, self._settings)

    async def _look(self, path: str, limit_s: float) -> bytes:
        return await self.calls.ask(Question(path=path, limit_s=limit_s))


class Pulling(AbstractAsyncContextManager[AsyncIterator[PullProgress]]):
    """One download: an async context manager whose value is the iterator over its lines, which is itself."""

    __slots__ = ("_calls", "_ended", "_idle_s", "_lines", "_parser", "_question", "_response")

    _response: Response

    def __init__(self, calls: HostCalls, model: str, settings: Upstream) -> None:
        body = ollama_host.write_pull(model)
        self._calls = calls
        self._question = Question(path="/api/pull", body=body, limit_s=settings.first_byte_timeout_s)
        self._idle_s = max(settings.idle_timeout_s, settings.load_timeout_s)
        self._parser = LineParser(LINE_BYTES)
        self._lines: deque[bytes] = deque()
        self._ended = False

    async def __aenter__(self) -> Self:
        with self._calls.naming():
            self._response = self._calls.request(self._question)
            await self._response.__aenter__()
            try:
                await self._calls.check(self._response)
            except BaseException:
                self._response.leave()
                raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._response.leave()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> PullProgress:
        if self._ended:
            raise StopAsyncIteration
        with self._calls.naming():
            progress = ollama_host.read_progress(await self._next_line())
        self._ended = progress.status == ollama_host.PULLED
        return progress

    async def _next_line(self) -> bytes:
        with self._calls.limit(self._idle_s, f"said nothing about its download for {self._idle_s:g} s"):
            while not self._lines:
                data = await self._response.receive_some()
                self._lines += self._parser.feed(data) if data else self._parser.finish()
                if not data and not self._lines:
                    raise UpstreamFault(Code.UPSTREAM_CUT, "Ollama ended the download before the model was there.")
        return self._lines.popleft()


@asynccontextmanager
async def open_model_host(
    name: str, settings: Upstream, key: str, *, dial: Dial | None = None
) -> AsyncIterator[PooledModelHost]:
    """The server of the upstream ``name``, with its pools, for as long as the context lasts.

    Raises ``HouseFault(INTERNAL)`` for settings that no server can have. ``dial`` is for tests.
    """
    try:
        fields = Fields(parse_origin(settings.url), plan_headers(settings, key))
        looks, pulls = _plan_pool(name, settings, CONNECTIONS), _plan_pool(name, settings, PULLS)
    except ValueError as error:
        raise HouseFault(Code.INTERNAL, f"upstream {name}: {error}") from None
    key_place = describe_key(settings.key) if settings.key is not None and not key else ""
    async with open_pool(looks, fields, dial=dial) as pool, open_pool(pulls, fields, dial=dial) as far_pool:
        yield PooledModelHost(
            HostCalls(pool, settings, key_place), HostCalls(far_pool, settings, key_place), settings
        )


def _plan_pool(name: str, settings: Upstream, connections: int) -> PoolSettings:
    """Every question may be asked twice: a load that is there renews its keep-alive, a download goes on."""
    return msgspec.structs.replace(
        plan_pool(name, settings), connections=connections, preopen=0, resend_on_reset=True
    )
