"""Alarms ring once, when they are due; what waits on a real socket is woken by them as by a cancel scope."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st
from trio.testing import MockClock

from lodestard.domain.errors import Code, UpstreamFault
from lodestard.upstream.alarms import Alarms
from lodestard.upstream.call import Call, Timeouts
from lodestard.upstream.faults import Expired
from lodestard.upstream.origin import Origin
from lodestard.upstream.pool import Pool, PoolSettings, open_pool
from lodestard.upstream.request_head import Fields

HEAD = b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\n"


class Bell:
    """Remembers when it rang."""

    def __init__(self) -> None:
        self.rang_s: list[float] = []

    def ring(self) -> None:
        self.rang_s.append(trio.current_time())


@given(plan=st.lists(st.tuples(st.integers(0, 20), st.integers(1, 20), st.booleans()), max_size=12))
def test_each_rings_once_when_it_is_due_unless_it_was_cleared(plan: list[tuple[int, int, bool]]) -> None:
    async def play() -> None:
        alarms = Alarms()
        bells = [Bell() for _ in plan]

        async def wait(bell: Bell, begins_s: int, lasts_s: int, *, leaves: bool) -> None:
            await trio.sleep(begins_s)
            alarms.set(bell, trio.current_time() + lasts_s)
            if leaves:
                await trio.sleep(lasts_s / 2)
                alarms.clear(bell)

        begun_s = trio.current_time()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(alarms.run)
            async with trio.open_nursery() as waits:
                for bell, (begins_s, lasts_s, leaves) in zip(bells, plan, strict=True):
                    waits.start_soon(lambda b, s, t, e: wait(b, s, t, leaves=e), bell, begins_s, lasts_s, leaves)
            await trio.sleep(100)
            nursery.cancel_scope.cancel()
        for bell, (begins_s, lasts_s, leaves) in zip(bells, plan, strict=True):
            assert bell.rang_s == ([] if leaves else [pytest.approx(begun_s + begins_s + lasts_s)])

    trio.run(play, clock=MockClock(autojump_threshold=0))


async def test_what_is_over_already_is_not_waited_for(autojump_clock: MockClock) -> None:
    alarms, bell = Alarms(), Bell()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(alarms.run)
        await trio.sleep(1)
        due_s = trio.current_time() + 1
        alarms.set(bell, due_s)
        await trio.sleep(2)
        assert bell.rang_s == [due_s]
        with pytest.raises(Expired):
            alarms.set(bell, due_s)
        nursery.cancel_scope.cancel()
    assert not alarms.watching


@asynccontextmanager
async def silent_server(*said: bytes) -> AsyncIterator[int]:
    """Says ``said`` to each client once it has asked, then nothing more. Gives its port."""

    async def serve(client: trio.SocketStream) -> None:
        await client.receive_some(65_536)
        for part in said:
            await client.send_all(part)
        await trio.sleep_forever()

    async with trio.open_nursery() as nursery:
        listeners = await nursery.start(trio.serve_tcp, serve, 0)
        yield listeners[0].socket.getsockname()[1]
        nursery.cancel_scope.cancel()


@asynccontextmanager
async def pool_to(port: int, *, kept: bool = True) -> AsyncIterator[Pool]:
    """A pool; where nobody keeps it, its alarms do not ring and waits take a cancel scope."""
    origin = Origin("http", "127.0.0.1", port)
    settings, fields = PoolSettings(upstream="t600", origin=origin), Fields(origin)
    if kept:
        async with open_pool(settings, fields) as pool:
            await trio.testing.wait_all_tasks_blocked()
            assert pool._alarms.watching
            yield pool
    else:
        yield Pool(settings, fields)


def call(**timeouts: float) -> Call:
    return Call(method="POST", path="/api/chat", body=b"{}", timeouts=Timeouts(**timeouts))


@pytest.mark.parametrize("kept", [True, False])
async def test_a_server_that_says_nothing_is_given_up(*, kept: bool) -> None:
    async with silent_server() as port, pool_to(port, kept=kept) as pool:
        with pytest.raises(UpstreamFault) as raised:
            async with pool.request(call(head_s=0.02)):
                raise AssertionError("there was no head")
        assert raised.value.code is Code.UPSTREAM_TIMEOUT
        assert raised.value.sent
        assert pool.status.open == 0


@pytest.mark.parametrize("kept", [True, False])
@pytest.mark.parametrize(("timeouts", "says"), [({"idle_s": 0.02}, "idle_timeout_s"), ({"whole_s": 0.05}, "plain_t")])
async def test_an_answer_that_stops_half_way_is_given_up(
    timeouts: dict[str, float], says: str, *, kept: bool
) -> None:
    async with silent_server(HEAD, b"ab") as port, pool_to(port, kept=kept) as pool:
        with pytest.raises(UpstreamFault, match=says):
            async with pool.request(call(**timeouts)) as response:
                while await response.receive_some():
                    pass
        assert pool.status.open == 0


async def test_whoever_is_cancelled_leaves_no_alarm_behind() -> None:
    async with silent_server() as port, pool_to(port) as pool:
        with trio.move_on_after(0.02):
            async with pool.request(call(head_s=60)):
                raise AssertionError("there was no head")
        assert pool._alarms._due_s == {}
