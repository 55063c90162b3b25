"""A question to a model's server that is cancelled, wherever it is, leaves the pools clean and the server told."""

from typing import Any

import msgspec
import pytest
import trio
import trio.testing

from lodestard.domain.errors import Code, HouseFault, UpstreamFault
from lodestard.upstream.model_host import open_model_host
from tests.fakes.model_hosts import CODER, EVERY, LLAMA, PACED, Use, clean, facing, lines, reply, simulated, upstream
from tests.fakes.scripted_server import Peer, Script, answers, hangs, reads_only, scripted

ALL = pytest.mark.parametrize("use", EVERY.values(), ids=EVERY.keys())


def in_part(part: bytes) -> Script:
    async def script(peer: Peer) -> None:
        await peer.read_request()
        await peer.send(part)
        await trio.sleep_forever()

    return script


FROZEN: dict[str, Script] = {
    "not yet read": hangs,
    "before the head": reads_only,
    "in the head": in_part(b"HTTP/1.1 200 OK\r\nconte"),
    "in the body": in_part(b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n{"),
    "in a chunk": in_part(b'HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n30\r\n{"status"'),
    "in an error's body": in_part(b"HTTP/1.1 500 Oh\r\ncontent-length: 9\r\n\r\n{"),
}


@ALL
@pytest.mark.parametrize("script", FROZEN.values(), ids=FROZEN.keys())
async def test_cancelled_wherever_it_is(use: Use, script: Script, autojump_clock: object) -> None:
    async with facing(script) as (host, server):
        with trio.move_on_after(0.5) as scope:
            await use(host)
        assert scope.cancelled_caught
        clean(host)
        assert host.calls.pool.status.open == host.pulls.pool.status.open == 0
        await trio.testing.wait_all_tasks_blocked()
        with pytest.raises((trio.BrokenResourceError, trio.ClosedResourceError)):
            await server.peers[0].stream.send_all(b"x")


@ALL
async def test_cancelled_while_it_dials(use: Use, autojump_clock: object) -> None:
    async def dial() -> Any:
        await trio.sleep_forever()

    async with open_model_host("t600", upstream(), "", dial=dial) as host:
        with trio.move_on_after(0.5) as scope:
            await use(host)
        assert scope.cancelled_caught
        clean(host)


@ALL
async def test_cancelled_before_it_began(use: Use, autojump_clock: object) -> None:
    async with facing(answers(reply(b'{"done":true,"version":"1","models":[],"status":"success"}'))) as (host, _):
        with trio.CancelScope() as scope:
            scope.cancel()
            await use(host)
        assert scope.cancelled_caught
        clean(host)


async def test_leaving_a_load_ends_it_at_the_server(autojump_clock: object) -> None:
    async with simulated() as (host, simulator, _):
        with trio.move_on_after(2):
            await host.load(LLAMA)
        await trio.testing.wait_all_tasks_blocked()
        state = simulator.app.state_json()
        assert (state["loaded"], state["aborted_loads"]) == ([], 1)


async def test_a_load_outlives_whoever_else_leaves(autojump_clock: object) -> None:
    """A load is the host's own: cancelling another call of the same host does nothing to it."""
    async with simulated() as (host, simulator, _), trio.open_nursery() as nursery:
        nursery.start_soon(host.load, LLAMA)
        await trio.sleep(1)
        with trio.move_on_after(1):
            await host.load(CODER)
        await trio.sleep(3)
        assert [model.model for model in await host.loaded()] == [LLAMA]
        assert simulator.app.state_json()["aborted_loads"] == 0


async def test_leaving_a_download_early_closes_it(autojump_clock: object) -> None:
    async def endless(peer: Peer) -> None:
        await peer.read_request()
        for part in lines(*({"status": "pulling"} for _ in range(5))):
            await peer.send(part)
        await peer.read_request()

    async with facing(endless) as (host, server):
        async with host.pull(LLAMA) as progress:
            async for line in progress:
                assert line.status == "pulling"
                break
        clean(host)
        with trio.fail_after(1):
            await server.peers[0].left.wait()


async def test_closing_the_host_closes_what_is_idle(autojump_clock: object) -> None:
    async with scripted(answers(reply(b'{"models":[]}'))) as server:
        async with open_model_host("t600", upstream(), "", dial=server.dial) as host:
            await host.loaded()
            assert host.calls.pool.status.idle == 1
        with trio.fail_after(1):
            await server.peers[0].left.wait()
        with pytest.raises(HouseFault):
            await host.loaded()


async def test_many_at_random_moments_leave_it_clean(autojump_clock: object) -> None:
    async def ask(number: int) -> None:
        use = list(EVERY.values())[number % len(EVERY)]
        with trio.move_on_after(number % 17 / 3):
            try:
                await use(host)
            except UpstreamFault as fault:
                assert fault.code in (Code.UPSTREAM_TIMEOUT, Code.UPSTREAM_RATE_LIMITED)

    machine = msgspec.structs.replace(PACED, server=msgspec.structs.replace(PACED.server, max_queue=3))
    async with simulated(machine) as (host, _, _):
        async with trio.open_nursery() as nursery:
            for number in range(120):
                nursery.start_soon(ask, number)
        clean(host)
        await host.load(LLAMA)
