"""Requests to upstreams: the dialect's codec writes and reads, the pool carries, the key goes with its origin.

Law: implements ``domain.ports.Sender``. An upstream comes from the configuration alone. Keys live in their
pool's fields and nowhere else. A connection goes back as soon as its answer is whole, or is closed.
"""

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from types import TracebackType
from typing import Self

import msgspec
import trio

from lodestard import __version__
from lodestard.domain.errors import Code, Fault, HouseFault, UpstreamFault
from lodestard.domain.reply import Piece
from lodestard.domain.request import Request
from lodestard.domain.settings import KeySource, Upstream
from lodestard.domain.upstream import AS_ASKED, SentAs, Target, few_of
from lodestard.protocols.codec import ReplyReader, UpstreamCodec, WireRequest
from lodestard.protocols.emulation import without_tools
from lodestard.upstream.call import Call, Timeouts
from lodestard.upstream.check_head import check_head
from lodestard.upstream.origin import parse_origin
from lodestard.upstream.pool import Pool, PoolSettings, PoolStatus
from lodestard.upstream.request_head import Fields
from lodestard.upstream.response import Response

DRAIN_BYTES = 64 * 1024
DRAIN_S = 0.1
KEY_FIELDS = {"anthropic": ("x-api-key", ""), "gemini": ("x-goog-api-key", "")}
_BEARER = ("authorization", "Bearer ")
MAX_STREAM_BYTES = 128 * 1024 * 1024
"""The largest streamed answer, framing and all: several times what the longest models write."""


class Route(msgspec.Struct, frozen=True):
    """One upstream, opened: how to speak to it and over which connections.

    ``key_place``: where its key has to be put; empty where it has one, or needs none. ``learned`` are the settings of
    models that the server has refused to ask as they are configured.
    """

    settings: Upstream
    pool: Pool
    codec: UpstreamCodec
    streamed: Timeouts
    plain: Timeouts
    key_place: str
    learned: dict[str, Upstream] = msgspec.field(default_factory=dict)

    def __repr__(self) -> str:
        return f"Route({self.settings.url!r})"


class PooledSender:
    """``domain.ports.Sender`` over one pool per upstream. Open it with ``open_sender``."""

    def __init__(
        self, upstreams: Mapping[str, Upstream], keys: Mapping[str, str], codecs: Mapping[str, UpstreamCodec]
    ) -> None:
        """``keys`` by upstream, ``codecs`` by dialect. Raises ``HouseFault`` for an upstream that can't be used."""
        self._routes = {
            name: _plan_route(name, settings, keys.get(name, ""), codecs) for name, settings in upstreams.items()
        }

    @property
    def pools(self) -> Mapping[str, Pool]:
        """By upstream."""
        return {name: route.pool for name, route in self._routes.items()}

    @property
    def status(self) -> Mapping[str, PoolStatus]:
        """By upstream."""
        return {name: route.pool.status for name, route in self._routes.items()}

    def route(self, upstream: str) -> Route | None:
        """How ``upstream`` is asked; None where none is called so."""
        return self._routes.get(upstream)

    def send(self, target: Target, request: Request, on_sent: Callable[[], None] = lambda: None) -> "Sending":
        """See ``domain.ports.Sender``. Raises ``HouseFault(NO_CANDIDATE)`` for an upstream that is not configured."""
        route = self.route(target.upstream)
        if route is None:
            raise HouseFault(Code.NO_CANDIDATE, f"no upstream is called {target.upstream!r}; check the routes")
        return Sending(route, target, request, on_sent)


class Sending:
    """One attempt on the wire: an async context manager whose value is itself, a ``domain.ports.ReplyStream``."""

    __slots__ = (
        "_ended",
        "_on_sent",
        "_reader",
        "_received_bytes",
        "_request",
        "_response",
        "_route",
        "_settings",
        "_target",
        "sent_as",
    )

    _reader: ReplyReader
    _response: Response

    def __init__(self, route: Route, target: Target, request: Request, on_sent: Callable[[], None]) -> None:
        self._route = route
        self._target = target
        self._request = request
        self._on_sent = on_sent
        self._settings = route.settings
        self._ended = False
        self._received_bytes = 0
        self.sent_as = AS_ASKED

    @property
    def body(self) -> bytes:
        return self._reader.body

    async def receive(self) -> Sequence[Piece] | None:
        """See ``domain.ports.ReplyStream``."""
        if self._ended:
            return None
        try:
            if self._reader.fault is not None:
                raise self._reader.fault
            return self._read(await self._response.receive_some())
        except UpstreamFault as fault:
            raise self._name(fault) from None

    def _read(self, data: bytes) -> Sequence[Piece]:
        reader = self._reader
        if data:
            self._received_bytes += len(data)
            if self._received_bytes > MAX_STREAM_BYTES:
                raise self._route.pool.blame.garbage(f"it goes on after {MAX_STREAM_BYTES} bytes")
            pieces = reader.feed(data)
            self._ended = reader.done
            if pieces or self._ended or not self._response.complete:
                return pieces
        pieces = reader.finish()
        self._ended = True
        return pieces

    async def __aenter__(self) -> Self:
        try:
            try:
                await self._open()
            except Fault as fault:
                if not self._learn(fault):
                    raise
                await self._open()
        except Fault as fault:
            raise self._name(fault) from None
        return self

    async def _open(self) -> None:
        self._response = self._write()
        await self._response.__aenter__()
        try:
            await check_head(self._response, self._route.pool.blame, self._route.codec.read_error)
        except BaseException:
            self._response.leave()
            raise
        if limits := self._response.limits:
            self.sent_as = msgspec.structs.replace(self.sent_as, limits=tuple(map(_readable, limits)))

    def _learn(self, fault: Fault) -> bool:
        """Whether the refusal says how to ask this model otherwise. It is remembered as long as this sender lives."""
        route, model = self._route, self._target.model
        if self._settings is not route.settings:
            return False
        settings = without_tools(fault, self._request, model, route.settings)
        if settings is not None:
            route.learned[model] = settings
        return settings is not None

    def _write(self) -> Response:
        """The request in the upstream's dialect, ready to go."""
        route = self._route
        if route.key_place:
            raise route.pool.blame.key_missing(route.key_place)
        model = self._target.model
        if route.learned:
            self._settings = route.learned.get(model, route.settings)
        wire = route.codec.write_request(self._request, model, self._settings)
        self._reader = route.codec.reader(wire)
        if wire.dropped or wire.notes:
            self.sent_as = SentAs(dropped=few_of(wire.dropped), notes=wire.notes)
        try:
            return route.pool.request(_plan_call(route, wire), self._on_sent)
        except ValueError as error:
            message = f"this can't be sent to upstream {self._target.upstream}: {error}"
            raise HouseFault(Code.INTERNAL, message) from None

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if self._ended and kind is None and not self._response.complete:
                with trio.move_on_after(DRAIN_S, shield=True):
                    await self._drain()
        finally:
            self._response.leave()

    async def _drain(self) -> None:
        """Reads what frames the end of a whole answer, so that the connection can serve again."""
        size = 0
        try:
            while size < DRAIN_BYTES and (data := await self._response.receive_some()):
                size += len(data)
        except UpstreamFault:
            pass  # the answer is whole; only the connection is lost

    def _name(self, fault: Fault) -> Fault:
        """The codecs don't know what the upstream is called."""
        if isinstance(fault, UpstreamFault) and not fault.upstream:
            fault.upstream = self._target.upstream
        return fault


@asynccontextmanager
async def open_sender(
    upstreams: Mapping[str, Upstream], keys: Mapping[str, str], codecs: Mapping[str, UpstreamCodec]
) -> AsyncIterator[PooledSender]:
    """A sender with its pools and their keepers, for as long as the context lasts.

    Leaving it closes idle connections; requests under way belong to contexts inside this one.
    """
    sender = PooledSender(upstreams, keys, codecs)
    async with trio.open_nursery() as nursery:
        for pool in sender.pools.values():
            nursery.start_soon(pool.run_keeper)
        try:
            yield sender
        finally:
            for pool in sender.pools.values():
                pool.close()
            nursery.cancel_scope.cancel()


def _plan_route(name: str, settings: Upstream, key: str, codecs: Mapping[str, UpstreamCodec]) -> Route:
    codec = codecs.get(settings.dialect)
    if codec is None:
        raise HouseFault(Code.INTERNAL, f"upstream {name}: nothing here speaks the dialect {settings.dialect}")
    try:
        pool = Pool(plan_pool(name, settings), Fields(parse_origin(settings.url), plan_headers(settings, key)))
    except ValueError as error:
        raise HouseFault(Code.INTERNAL, f"upstream {name}: {error}") from None
    key_place = describe_key(settings.key) if settings.key is not None and not key else ""
    return Route(settings, pool, codec, *plan_timeouts(settings), key_place)


def plan_pool(name: str, settings: Upstream) -> PoolSettings:
    """Raises ``ValueError`` for a url that is none."""
    return PoolSettings(
        upstream=name,
        origin=parse_origin(settings.url),
        connections=settings.connections,
        preopen=settings.preopen,
        connect_timeout_s=settings.connect_timeout_s,
        ca_file=settings.ca_file,
        resend_on_reset=settings.free,
    )


def plan_timeouts(settings: Upstream) -> tuple[Timeouts, Timeouts]:
    """For a streamed and for a plain answer.

    Ollama sends no byte before the model is loaded, and of a plain answer none before it is whole; others send
    the head of a plain answer when they please.
    """
    queue_s, idle_s = settings.first_byte_timeout_s, settings.idle_timeout_s
    local = settings.dialect == "ollama"
    head_s = settings.load_timeout_s if local else settings.first_byte_timeout_s
    whole_s = settings.plain_timeout_s + (settings.load_timeout_s if local else 0.0)
    return (
        Timeouts(queue_s=queue_s, head_s=head_s, idle_s=idle_s),
        Timeouts(queue_s=queue_s, head_s=whole_s, idle_s=idle_s, whole_s=whole_s),
    )


def plan_headers(settings: Upstream, key: str) -> list[tuple[str, str]]:
    """What every request of an upstream carries, its key among it."""
    headers = [("user-agent", f"lodestard/{__version__}"), *settings.headers.items()]
    if key:
        field, scheme = KEY_FIELDS.get(settings.dialect, _BEARER)
        headers.append((field, f"{scheme}{key}"))
    return headers


def _readable(field: tuple[bytes, bytes]) -> tuple[str, str]:
    return field[0].decode("ascii"), field[1].decode("latin-1")


def _plan_call(route: Route, wire: WireRequest) -> Call:
    timeouts = route.streamed if wire.streamed else route.plain
    return Call(method="POST", path=wire.path, headers=wire.headers, body=wire.body, timeouts=timeouts)


def describe_key(source: KeySource) -> str:
    """Where a person has to put the key."""
    if source.credential:
        return f"the systemd credential {source.credential}"
    return f"the environment variable {source.env}" if source.env else f"the file {source.file}"
