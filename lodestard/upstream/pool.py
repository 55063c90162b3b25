"""The pool: every connection to one origin, and the requests that go over them.

Law: one pool per origin; it owns its connections and its books (``seats.py``), which change in sync code only.
No task per request; one task of the pool's own keeps it tidy. Leaving a request, by its end, a fault or a
cancel, gives its seat back in sync code, so the counters are right at every checkpoint.
"""

import logging
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager

import msgspec
import trio

from lodestard.domain.errors import Code, HouseFault, UpstreamFault
from lodestard.upstream.alarms import Alarms
from lodestard.upstream.assign import Seat, plan_upkeep
from lodestard.upstream.call import Call
from lodestard.upstream.connection import Connection
from lodestard.upstream.dial import Dial, Dialler
from lodestard.upstream.faults import Blame
from lodestard.upstream.origin import Origin
from lodestard.upstream.request_head import Fields
from lodestard.upstream.response import Response
from lodestard.upstream.seats import Grant, Seats

log = logging.getLogger(__name__)


class PoolSettings(msgspec.Struct, frozen=True, kw_only=True):
    """How one pool behaves. ``resend_on_reset``: see ``assign.may_resend``.

    Idle connections are looked at every ``sweep_s`` and closed after ``idle_expiry_s``; at least ``preopen``
    are kept ready.
    """

    upstream: str
    origin: Origin
    connections: int = 64
    preopen: int = 0
    connect_timeout_s: float = 5.0
    idle_expiry_s: float = 60.0
    sweep_s: float = 5.0
    ca_file: str = ""
    resend_on_reset: bool = False


class PoolStatus(msgspec.Struct, frozen=True, kw_only=True):
    """A pool at one moment (open, leased, idle, waiting), and what it did since it was opened.

    ``reused`` counts exchanges on a connection that had served before or was opened ahead; ``failed`` counts
    dials.
    """

    open: int
    leased: int
    idle: int
    waiting: int
    dialled: int
    reused: int
    failed: int


class _Waiter:
    __slots__ = ("grant", "granted")

    def __init__(self) -> None:
        self.granted = trio.Event()
        self.grant: Grant[Connection, _Waiter] | None = None


class Pool:
    """Connections to one origin. Open it with ``open_pool``; every method but ``request`` is the room's own."""

    def __init__(self, settings: PoolSettings, fields: Fields, dial: Dial | None = None) -> None:
        self.settings = settings
        self.blame = Blame(settings.upstream, settings.origin)
        self.fields = fields
        self.resend_on_reset = settings.resend_on_reset
        self._alarms = Alarms()
        self._dial = dial or Dialler(
            self.blame, timeout_s=settings.connect_timeout_s, ca_file=settings.ca_file, alarms=self._alarms
        )
        self._seats: Seats[Connection, _Waiter] = Seats(settings.connections)
        self._news = trio.Event()
        self._closed = False
        self._dozing = False
        self._dialled = self._reused = self._failed = 0

    @property
    def status(self) -> PoolStatus:
        counts = self._seats.counts
        return PoolStatus(
            open=counts.open,
            leased=counts.leased,
            idle=counts.idle,
            waiting=counts.waiting,
            dialled=self._dialled,
            reused=self._reused,
            failed=self._failed,
        )

    def request(self, call: Call, on_sent: Callable[[], None] = lambda: None) -> Response:
        """``async with pool.request(call) as response``: entering sends it and reads the answer's head.

        ``on_sent`` is called just before the first byte leaves, and again before a request is sent again.
        Raises ``ValueError`` at once for what no request can hold. Entering raises ``UpstreamFault`` (with
        ``sent`` set) and ``HouseFault(SHUTTING_DOWN)``. A cancel at any point leaves the pool as it was, less
        the connection where bytes were under way.
        """
        return Response(self, call, on_sent)

    async def take(self, limit_s: float) -> Connection | None:
        """A seat: with a live idle connection, or None: dial one. The seat is left with ``give_back``."""
        if self._closed:
            raise HouseFault(Code.SHUTTING_DOWN, f"upstream {self.settings.upstream} is being closed")
        seat, connection = self._seats.take()
        if seat is Seat.WAIT:
            connection = await self._wait(limit_s)
        connection = self._choose_live(connection)
        if self.settings.preopen:
            self._wake_if_short()
        return connection

    async def dial(self) -> Connection:
        """A new connection, in a seat that is already held. Raises ``UpstreamFault``, never sent."""
        self._dialled += 1
        try:
            return Connection(await self._dial())
        except UpstreamFault:
            self._failed += 1
            raise

    def give_back(self, connection: Connection | None) -> None:
        """Leave a seat: with a connection that can serve again, or None where there is none any more."""
        if connection is not None and self._closed:
            connection.close()
            connection = None
        if connection is not None:
            connection.idle_since_s = trio.current_time()
        if grants := self._seats.give_back(connection):
            self._deliver(grants)
        if self._dozing and connection is not None:
            self._news.set()

    # The pool's own:

    async def _wait(self, limit_s: float) -> Connection | None:
        waiter = _Waiter()
        self._seats.wait(waiter)
        try:
            with trio.move_on_after(limit_s):
                await waiter.granted.wait()
        except BaseException:
            self._leave(waiter)
            raise
        if waiter.grant is None:
            self._leave(waiter)
            raise self.blame.queue_timed_out(limit_s, self.settings.connections)
        return waiter.grant.connection

    def _leave(self, waiter: _Waiter) -> None:
        """It stops waiting: out of the queue, or, where it was granted a seat at the same moment, out of that."""
        if waiter.grant is None:
            self._seats.leave(waiter)
        else:
            self.give_back(waiter.grant.connection)

    def _deliver(self, grants: Sequence[Grant[Connection, _Waiter]]) -> None:
        for grant in grants:
            grant.waiter.grant = grant
            grant.waiter.granted.set()

    def _choose_live(self, connection: Connection | None) -> Connection | None:
        """The connection, or another idle one in its place, that the peer has not closed."""
        while connection is not None and connection.is_stale():
            connection.close()
            connection = self._seats.take_another()
        if connection is not None:
            self._reused += 1
        return connection

    def _wake_if_short(self) -> None:
        counts = self._seats.counts
        if counts.idle + counts.opening < self.settings.preopen and counts.open < counts.limit:
            self._news.set()

    async def run_keeper(self) -> None:
        """What the pool needs done beside its requests, until cancelled."""
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._alarms.run)
            await self._keep_tidy()

    async def _keep_tidy(self) -> None:
        """Closes idle connections that expired or died, and opens those to be kept ready."""
        failures = 0
        while True:
            missing = self._sweep()
            for _ in range(missing):
                failures = 0 if await self._open_one(failures) else failures + 1
                if failures:
                    break
            await self._sleep(failures)

    def _sweep(self) -> int:
        """Closes what has to go. Returns how many are to be opened."""
        for connection in self._seats.idle:
            if connection.is_stale():
                self._discard(connection)
        idle = self._seats.idle
        expired_before_s = trio.current_time() - self.settings.idle_expiry_s
        since_s = [connection.idle_since_s for connection in idle]
        upkeep = plan_upkeep(self._seats.counts, since_s, expired_before_s, self.settings.preopen)
        for connection in idle[: upkeep.close]:
            self._discard(connection)
        return upkeep.open

    def _discard(self, connection: Connection) -> None:
        connection.close()
        self._deliver(self._seats.discard(connection))

    async def _open_one(self, failures: int) -> bool:
        counts = self._seats.counts
        if counts.open >= counts.limit:
            return True
        connection: Connection | None = None
        self._seats.begin_opening()
        try:
            connection = await self.dial()
        except UpstreamFault as fault:
            if not failures:
                log.info("no connection could be opened ahead of need: %s", fault.message)
        finally:
            self._deliver(self._seats.end_opening(connection))
        return connection is not None

    async def _sleep(self, failures: int) -> None:
        """Until the next sweep; after failures for 1, 2, 4 … 60 s; for good where there is nothing to look at."""
        if failures:
            await trio.sleep(min(60.0, 2.0 ** (failures - 1)))
        else:
            self._dozing = not (self._seats.counts.idle or self.settings.preopen)
            with trio.move_on_after(float("inf") if self._dozing else self.settings.sweep_s):
                await self._news.wait()
        self._dozing = False
        self._news = trio.Event()

    def close(self) -> None:
        """No more requests; idle connections are closed now, others when they come back."""
        self._closed = True
        for connection in self._seats.idle:
            self._discard(connection)


@asynccontextmanager
async def open_pool(settings: PoolSettings, fields: Fields, *, dial: Dial | None = None) -> AsyncIterator[Pool]:
    """A pool and its keeper, for as long as the context lasts; leaving it closes what is idle."""
    pool = Pool(settings, fields, dial)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(pool.run_keeper)
        try:
            yield pool
        finally:
            pool.close()
            nursery.cancel_scope.cancel()
