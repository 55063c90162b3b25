"""The simulator's own HTTP: keep-alive, pipelining, chunks, old versions, broken input, and leaving."""

import itertools
from collections.abc import Awaitable, Callable

import pytest
import trio

from lodestard.simulator.answering.question import Question
from lodestard.simulator.card.figures import INSTANT
from lodestard.simulator.pipe import BUFFER_BYTES, open_pipe
from lodestard.simulator.server import Simulator
from lodestard.simulator.world import simulate_ollama
from tests.fakes.sim_client import SimClient

Connect = Callable[[Simulator], Awaitable[SimClient]]
Wall = Callable[[], int]
BODY = {"model": "llama3.1:8b", "messages": [{"role": "user", "content": "hi"}]}


@pytest.fixture
def simulator(wall_ns: Wall) -> Simulator:
    return simulate_ollama(INSTANT, wall_ns=wall_ns, script=lambda _: "hi")


async def test_keep_alive_and_close(connect: Connect, simulator: Simulator) -> None:
    client = await connect(simulator)
    for _ in range(3):
        assert (await client.ask("POST", "/api/chat", BODY)).ended == "whole"
    last = await client.ask("POST", "/api/chat", BODY, connection="close")
    assert last.headers["connection"] == "close"
    assert await client.stream.receive_some() == b""


async def test_http_1_0_is_ended_by_closing(connect: Connect, simulator: Simulator) -> None:
    client = await connect(simulator)
    await client.send("POST", "/api/chat", BODY, version="1.0")
    reply = await client.receive()
    assert reply.ended == "whole"
    assert "transfer-encoding" not in reply.headers
    assert reply.lines[-1]["done"]


async def test_pipelined_requests_are_answered_in_order(connect: Connect, simulator: Simulator) -> None:
    client = await connect(simulator)
    await client.stream.send_all(
        b"GET / HTTP/1.1\r\nhost: x\r\n\r\nGET /api/version HTTP/1.1\r\nhost: x\r\n\r\n" * 20
    )
    received = b""
    while received.count(b"0.33.0") < 20:
        received += await client.stream.receive_some()
    assert received.count(b"Ollama is running") == 20


async def test_chunked_bodies_and_100_continue(connect: Connect, simulator: Simulator) -> None:
    client = await connect(simulator)
    head = b"POST /api/show HTTP/1.1\r\nhost: x\r\nexpect: 100-continue\r\ntransfer-encoding: chunked\r\n\r\n"
    await client.stream.send_all(head)
    assert await client.stream.receive_some() == b"HTTP/1.1 100 Continue\r\n\r\n"
    await client.stream.send_all(b'16\r\n{"model":"llama3.1:8b"\r\n1\r\n}\r\n0\r\n\r\n')
    assert (await client.receive()).json["details"]["family"] == "llama"


async def test_broken_input_is_400_and_the_end(connect: Connect, simulator: Simulator) -> None:
    client = await connect(simulator)
    await client.stream.send_all(b"nonsense\r\n\r\n")
    reply = await client.receive()
    assert reply.status == 400
    assert await client.stream.receive_some() == b""


async def test_an_app_that_breaks_answers_500_and_is_written_down(connect: Connect, wall_ns: Wall) -> None:
    def break_it(_question: Question) -> str:
        raise RuntimeError("planted")

    simulator = simulate_ollama(INSTANT, wall_ns=wall_ns, script=break_it)
    client = await connect(simulator)
    reply = await client.ask("POST", "/api/chat", BODY)
    assert reply.status == 500
    assert [str(error) for error in simulator.crashes] == ["planted"]
    simulator.reset()
    assert simulator.crashes == []


async def test_the_date_follows_the_wall(connect: Connect) -> None:
    seconds = itertools.count(0, 1_000_000_000)
    client = await connect(simulate_ollama(INSTANT, wall_ns=lambda: next(seconds)))
    dates = {(await client.ask("GET", "/")).headers["date"] for _ in range(2)}
    assert len(dates) == 2


async def test_pipe_holds_back_a_fast_writer(autojump_clock: object) -> None:
    one, other = open_pipe()
    with trio.move_on_after(1) as scope:
        await one.send_all(b"x" * (BUFFER_BYTES + 1))
    assert scope.cancelled_caught
    with trio.move_on_after(1) as scope:
        await one.wait_send_all_might_not_block()
    assert scope.cancelled_caught
    assert len(await other.receive_some(10)) == 10
    await one.wait_send_all_might_not_block()
    await one.send_eof()
    with pytest.raises(trio.ClosedResourceError):
        await one.send_all(b"x")
    received = 10
    while data := await other.receive_some():
        received += len(data)
    assert received == BUFFER_BYTES


async def test_pipe_close_and_reset() -> None:
    one, other = open_pipe()
    await one.send_all(b"last")
    await one.aclose()
    await one.aclose()
    assert await other.receive_some() == b"last"
    assert await other.receive_some() == b""
    with pytest.raises(trio.BrokenResourceError):
        await other.send_all(b"x")
    with pytest.raises(trio.ClosedResourceError):
        await one.receive_some()
    one, other = open_pipe()
    await one.send_all(b"last")
    one.reset()
    assert await other.receive_some() == b"last"
    with pytest.raises(trio.BrokenResourceError):
        await other.receive_some()
