"""Each fault, in each dialect: what a client sees when an upstream misbehaves as it was asked to."""

from collections.abc import Awaitable, Callable
from typing import Any

import pytest
import trio

from lodestard.simulator.card.figures import INSTANT
from lodestard.simulator.faults import Fault, FaultPlan
from lodestard.simulator.paid.providers import ANTHROPIC, OPENAI
from lodestard.simulator.pipe import open_pipe
from lodestard.simulator.server import Simulator
from lodestard.simulator.world import simulate_ollama, simulate_provider
from tests.fakes.sim_client import SimClient, SimReply

Connect = Callable[[Simulator], Awaitable[SimClient]]
Wall = Callable[[], int]
HI = [{"role": "user", "content": "hi"}]
DIALECTS: dict[str, tuple[str, dict[str, Any]]] = {
    "ollama": ("/api/chat", {"model": "llama3.1:8b", "messages": HI}),
    "openai": ("/v1/chat/completions", {"model": "gpt-4o-mini", "messages": HI, "stream": True}),
    "anthropic": (
        "/v1/messages",
        {"model": "claude-sonnet-4-5-20250929", "max_tokens": 99, "messages": HI, "stream": True},
    ),
}
TEXT = "one two three four"


def simulator_of(dialect: str, wall_ns: Wall, plan: FaultPlan | None = None) -> Simulator:
    if dialect == "ollama":
        return simulate_ollama(INSTANT, wall_ns=wall_ns, script=lambda _: TEXT, faults=plan)
    provider = OPENAI if dialect == "openai" else ANTHROPIC
    return simulate_provider(provider, wall_ns=wall_ns, script=lambda _: TEXT, faults=plan)


@pytest.fixture(params=list(DIALECTS))
def dialect(request: pytest.FixtureRequest) -> str:
    return str(request.param)


async def ask(client: SimClient, dialect: str, fault: str = "", **members: Any) -> SimReply:
    path, body = DIALECTS[dialect]
    headers = {"anthropic-version": "2023-06-01"} | ({"x-sim-fault": fault} if fault else {})
    return await client.ask("POST", path, {**body, **members}, **headers)


async def test_cut_at_every_byte(dialect: str, connect: Connect, wall_ns: Wall, autojump_clock: object) -> None:
    simulator = simulator_of(dialect, wall_ns)
    whole = await ask(await connect(simulator), dialect)
    assert whole.ended == "whole"
    size = len(whole.body)
    for at in sorted({0, 1, 7, size // 2, size - 1, size}):
        for word, ended in (("cut", "cut"), ("cut-rst", "reset")):
            reply = await ask(await connect(simulator), dialect, f"{word}={at}")
            assert (reply.status, reply.ended) == (200, ended)
            assert len(reply.body) == at
    assert simulator.crashes == []


async def test_cut_of_a_plain_answer_keeps_its_length_a_lie(dialect: str, connect: Connect, wall_ns: Wall) -> None:
    reply = await ask(await connect(simulator_of(dialect, wall_ns)), dialect, "cut=10", stream=False)
    assert (reply.ended, len(reply.body)) == ("cut", 10)
    assert int(reply.headers["content-length"]) > 10


async def test_a_message_ended_too_early_but_properly(dialect: str, connect: Connect, wall_ns: Wall) -> None:
    client = await connect(simulator_of(dialect, wall_ns))
    reply = await ask(client, dialect, "end=20")
    assert (reply.ended, len(reply.body)) == ("whole", 20)
    assert (await ask(client, dialect)).status == 200


@pytest.mark.parametrize(("fault", "ended"), [("reset", "reset"), ("close", "cut")])
async def test_no_answer_at_all(fault: str, ended: str, dialect: str, connect: Connect, wall_ns: Wall) -> None:
    reply = await ask(await connect(simulator_of(dialect, wall_ns)), dialect, fault)
    assert (reply.status, reply.ended) == (0, ended)


async def test_slow_and_dribbled(dialect: str, connect: Connect, wall_ns: Wall, autojump_clock: object) -> None:
    client = await connect(simulator_of(dialect, wall_ns))

    async def seconds(fault: str) -> float:
        began = trio.current_time()
        assert (await ask(client, dialect, fault)).ended == "whole"
        return trio.current_time() - began

    assert await seconds("slow=3") == pytest.approx(3)
    assert await seconds("slow-body=2") == pytest.approx(2)
    size = len((await ask(client, dialect)).body)
    assert size / 10 - 5 < await seconds("dribble=10") < size / 10 + 15
    assert await seconds("dribble-head=10") > 10


async def test_hang_and_stall_until_the_client_leaves(
    dialect: str, connect: Connect, wall_ns: Wall, autojump_clock: object
) -> None:
    for fault, at_least in (("hang", 0), ("stall=30", 30)):
        client = await connect(simulator_of(dialect, wall_ns))
        path, body = DIALECTS[dialect]
        headers = {"anthropic-version": "2023-06-01", "x-sim-fault": fault}
        await client.send("POST", path, body, **headers)
        received = b""
        with trio.move_on_after(1000) as scope:
            while True:
                received += await client.stream.receive_some()
        assert scope.cancelled_caught
        assert (len(received) > 0) == (at_least > 0)
        await client.stream.aclose()


async def test_statuses_in_the_dialects_own_words(dialect: str, connect: Connect, wall_ns: Wall) -> None:
    client = await connect(simulator_of(dialect, wall_ns))
    reply = await ask(client, dialect, "status=429;retry-after=3;code=rate_limit_exceeded;message=slow down")
    assert (reply.status, reply.headers["retry-after"]) == (429, "3")
    error = reply.json["error"]
    assert (error if isinstance(error, str) else error["message"]) == "slow down"
    assert (await ask(client, dialect, "status=529")).status == 529
    assert (await ask(client, dialect, "status=503")).status == 503


async def test_wrong_content_type_and_garbage(dialect: str, connect: Connect, wall_ns: Wall) -> None:
    client = await connect(simulator_of(dialect, wall_ns))
    good = (await ask(client, dialect)).body
    assert (await ask(client, dialect, "content-type=text/html")).headers["content-type"] == "text/html"
    noise = await ask(client, dialect, "noise")
    assert noise.ended == "whole"
    assert b'"content"' not in noise.body
    spoiled = (await ask(client, dialect, "garbage=15")).body
    assert spoiled[:15] == good[:15]
    assert spoiled != good


async def test_error_after_some_pieces(dialect: str, connect: Connect, wall_ns: Wall) -> None:
    reply = await ask(await connect(simulator_of(dialect, wall_ns)), dialect, "error=2;message=it broke")
    assert (reply.status, reply.ended) == (200, "whole")
    last = (reply.lines if dialect == "ollama" else reply.events)[-1]
    assert "it broke" in str(last["error"])


async def test_ends_without_done(dialect: str, connect: Connect, wall_ns: Wall) -> None:
    reply = await ask(await connect(simulator_of(dialect, wall_ns)), dialect, "no-done")
    assert reply.ended == "whole"
    for mark in (b'"done":true', b"[DONE]", b"message_stop", b'"finish_reason":"stop"'):
        assert mark not in reply.body


async def test_usage_missing_or_twice(dialect: str, connect: Connect, wall_ns: Wall) -> None:
    client = await connect(simulator_of(dialect, wall_ns))
    mark = {"ollama": b'"eval_count"', "openai": b'"usage":{', "anthropic": b'"message_delta"'}[dialect]
    wanted: dict[str, Any] = {"stream_options": {"include_usage": True}} if dialect == "openai" else {}
    assert (await ask(client, dialect, **wanted)).body.count(mark) == 1
    assert (await ask(client, dialect, "double-usage", **wanted)).body.count(mark) == 2
    missing = await ask(client, dialect, "no-usage", **wanted)
    assert b'_tokens"' not in missing.body
    assert b'"eval_count"' not in missing.body
    plain = await ask(client, dialect, "no-usage", stream=False)
    assert "usage" not in plain.json
    assert "eval_count" not in plain.json


async def test_an_oversized_event(dialect: str, connect: Connect, wall_ns: Wall) -> None:
    reply = await ask(await connect(simulator_of(dialect, wall_ns)), dialect, "big-event=100000")
    assert reply.ended == "whole"
    assert max(len(line) for line in reply.body.splitlines()) > 100_000


async def test_faults_by_index_and_queue_and_control(dialect: str, connect: Connect, wall_ns: Wall) -> None:
    plan = FaultPlan(lambda index: Fault(status=500) if index == 1 else None)
    simulator = simulator_of(dialect, wall_ns, plan)
    client = await connect(simulator)

    async def statuses(count: int) -> list[int]:
        return [(await ask(client, dialect)).status for _ in range(count)]

    assert await statuses(3) == [200, 500, 200]
    plan.queue(["status=502", None, Fault(status=503)])
    assert await statuses(4) == [502, 200, 503, 200]
    programmed = {"faults": ["status=418", None], "always": "status=504"}
    assert (await client.ask("POST", "/__sim/faults", programmed)).json == {"ok": True}
    assert await statuses(4) == [418, 200, 504, 504]
    assert (await client.ask("POST", "/__sim/faults", {"always": None})).status == 200
    assert await statuses(1) == [200]
    assert (await client.ask("POST", "/__sim/faults", {"faults": ["nonsense"]})).status == 400
    await client.ask("POST", "/__sim/faults", {"always": "status=504"})
    await client.ask("POST", "/__sim/reset")
    assert await statuses(2) == [200, 500]


async def test_an_unknown_fault_is_said(dialect: str, connect: Connect, wall_ns: Wall) -> None:
    reply = await ask(await connect(simulator_of(dialect, wall_ns)), dialect, "explode=1")
    assert reply.status == 400
    assert "explode" in reply.body.decode()


async def test_who_leaves_before_it_is_heard_is_not_waited_for(autojump_clock: object) -> None:
    for _ in range(50):  # which task runs first is trio's to choose
        simulator = simulate_ollama()
        simulator.faults.queue(["hang"])
        stream, server = open_pipe()
        client = SimClient(stream)
        await client.send("POST", *DIALECTS["ollama"])
        await client.send("POST", *DIALECTS["ollama"])
        await stream.aclose()
        with trio.fail_after(60):
            await simulator.serve_stream(server)
