"""The simulated server's disk: names, deleting, downloading over time, cutting a download and going on."""

from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
import pytest
import trio
import trio.testing

from lodestard.simulator.card.figures import ALL_MODELS, INSTANT, Card, Machine, Pace
from lodestard.simulator.server import Simulator
from lodestard.simulator.world import simulate_ollama
from tests.fakes.sim_client import SimClient

Connect = Callable[[Simulator], Awaitable[SimClient]]
Wall = Callable[[], int]
LLAMA = "llama3.1:8b"
HI = [{"role": "user", "content": "hi"}]
SLOW = Machine(
    models=ALL_MODELS,
    card=Card(network_bytes_per_s=490e6, page_cache_bytes_per_s=4.9e9),  # ten seconds for llama, one to verify it
    pace=Pace(load_s=2.0, unload_s=1.0, prefill_tokens_per_s=100.0, decode_tokens_per_s=100.0),
)


async def tags(client: SimClient) -> set[str]:
    return {model["name"] for model in (await client.ask("GET", "/api/tags")).json["models"]}


async def deleted(client: SimClient, name: str = LLAMA) -> None:
    reply = await client.ask("DELETE", "/api/delete", {"model": name})
    assert (reply.status, reply.body) == (200, b"")


@pytest.mark.parametrize(
    "name",
    [
        "nomic-embed-text",
        "nomic-embed-text:latest",
        "Nomic-Embed-Text",
        "library/nomic-embed-text",
        "registry.ollama.ai/library/nomic-embed-text:latest",
    ],
)
async def test_every_name_of_a_model_finds_it(name: str, connect: Connect, wall_ns: Wall) -> None:
    simulator = simulate_ollama(INSTANT, wall_ns=wall_ns)
    client = await connect(simulator)
    reply = await client.ask("POST", "/api/embed", {"model": name, "input": "x"})
    assert (reply.status, reply.json["model"]) == (200, name)
    assert simulator.app.state_json()["loaded"] == ["nomic-embed-text:latest"]
    assert (await client.ask("POST", "/api/show", {"model": name})).status == 200
    await deleted(client, name)
    assert "nomic-embed-text:latest" not in await tags(client)


@pytest.mark.parametrize("name", ["llama3.1", "llama3.1:70b", "me/llama3.1:8b", "hf.co/library/llama3.1:8b"])
async def test_other_names_are_other_models(name: str, connect: Connect, wall_ns: Wall) -> None:
    client = await connect(simulate_ollama(INSTANT, wall_ns=wall_ns))
    for path in ("/api/chat", "/api/show"):
        reply = await client.ask("POST", path, {"model": name, "messages": HI})
        assert (reply.status, reply.json) == (404, {"error": f"model '{name}' not found"})


async def test_two_names_share_one_runner(connect: Connect, wall_ns: Wall) -> None:
    simulator = simulate_ollama(INSTANT, wall_ns=wall_ns)
    client = await connect(simulator)
    for name in (LLAMA, "library/llama3.1:8b", "LLAMA3.1:8b"):
        await client.ask("POST", "/api/chat", {"model": name, "messages": HI})
    assert simulator.app.meter_json()["loads"] == 1


async def test_a_deleted_model_is_missing_but_stays_loaded(
    connect: Connect, wall_ns: Wall, autojump_clock: object
) -> None:
    simulator = simulate_ollama(SLOW, wall_ns=wall_ns)
    client = await connect(simulator)
    await client.ask("POST", "/api/chat", {"model": LLAMA, "messages": HI})
    await deleted(client)
    assert LLAMA not in await tags(client)
    assert [model["name"] for model in (await client.ask("GET", "/api/ps")).json["models"]] == [LLAMA]
    empty: list[dict[str, Any]] = [{"messages": HI}, {"messages": []}, {"messages": [], "keep_alive": 0}]
    for body in empty:
        reply = await client.ask("POST", "/api/chat", {"model": LLAMA, **body})
        assert (reply.status, reply.json) == (404, {"error": f"model '{LLAMA}' not found"})
    again = await client.ask("DELETE", "/api/delete", {"name": LLAMA})
    assert (again.status, again.json) == (404, {"error": f"model '{LLAMA}' not found"})


async def test_a_download_takes_its_time(
    connect: Connect, wall_ns: Wall, autojump_clock: trio.testing.MockClock
) -> None:
    simulator = simulate_ollama(SLOW, wall_ns=wall_ns)
    client = await connect(simulator)
    await deleted(client)
    began_s = trio.current_time()
    lines = (await client.ask("POST", "/api/pull", {"model": LLAMA})).lines
    assert trio.current_time() - began_s == pytest.approx(11.0)
    assert [line["status"] for line in (lines[0], *lines[-3:])] == [
        "pulling manifest",
        "verifying sha256 digest",
        "writing manifest",
        "success",
    ]
    layer = lines[1:-3]
    assert {(line["digest"][:7], line["total"]) for line in layer} == {("sha256:", 4_900_000_000)}
    assert layer[0]["status"] == f"pulling {layer[0]['digest'][7:19]}"
    came = [line.get("completed", 0) for line in layer]
    assert came == sorted(came)
    assert (came[0], came[-1]) == (0, 4_900_000_000)
    assert "completed" not in layer[0]  # a nought is left out
    assert 100 < len(came) < 200
    assert LLAMA in await tags(client)
    assert (await client.ask("POST", "/api/chat", {"model": LLAMA, "messages": HI})).status == 200


async def test_a_cut_download_goes_on_where_it_was(
    connect: Connect, wall_ns: Wall, autojump_clock: trio.testing.MockClock
) -> None:
    simulator = simulate_ollama(SLOW, wall_ns=wall_ns)
    leaving, staying = await connect(simulator), await connect(simulator)
    await deleted(staying)
    await leaving.send("POST", "/api/pull", {"model": LLAMA})
    await trio.sleep(4.0)
    await leaving.stream.aclose()
    await trio.sleep(100.0)  # nobody follows it: it stands still
    assert LLAMA not in await tags(staying)
    began_s = trio.current_time()
    lines = (await staying.ask("POST", "/api/pull", {"model": LLAMA})).lines
    assert lines[1]["completed"] == pytest.approx(0.4 * 4_900_000_000, rel=0.01)
    assert trio.current_time() - began_s == pytest.approx(6.0 + 1.0, abs=0.1)
    assert LLAMA in await tags(staying)


async def test_a_faulty_download_is_cut_and_goes_on(connect: Connect, wall_ns: Wall, autojump_clock: object) -> None:
    simulator = simulate_ollama(SLOW, wall_ns=wall_ns)
    client = await connect(simulator)
    await deleted(client)
    simulator.faults.queue(["cut=5000"])
    assert (await client.ask("POST", "/api/pull", {"model": LLAMA})).ended == "cut"
    client = await connect(simulator)
    lines = (await client.ask("POST", "/api/pull", {"model": LLAMA})).lines
    assert lines[1]["completed"] > 0
    assert lines[-1] == {"status": "success"}


async def test_two_who_pull_share_the_way(
    connect: Connect, wall_ns: Wall, autojump_clock: trio.testing.MockClock
) -> None:
    simulator = simulate_ollama(SLOW, wall_ns=wall_ns)
    one, other = await connect(simulator), await connect(simulator)
    await deleted(one)
    ended_s: list[float] = []

    async def pull(client: SimClient, delay_s: float) -> None:
        await trio.sleep(delay_s)
        assert (await client.ask("POST", "/api/pull", {"model": LLAMA, "stream": False})).json == {
            "status": "success"
        }
        ended_s.append(trio.current_time())

    async with trio.open_nursery() as nursery:
        nursery.start_soon(pull, one, 0.0)
        nursery.start_soon(pull, other, 5.0)
    assert ended_s == [pytest.approx(11.0, abs=0.1)] * 2


async def test_pulling_what_is_there_or_nowhere(
    connect: Connect, wall_ns: Wall, autojump_clock: trio.testing.MockClock
) -> None:
    client = await connect(simulate_ollama(SLOW, wall_ns=wall_ns))
    lines = (await client.ask("POST", "/api/pull", {"name": LLAMA})).lines
    assert [line.get("completed") for line in lines] == [None, 4_900_000_000, None, None, None]
    assert trio.current_time() == 0
    unknown: dict[str, Any] = {"model": "nope"}
    reply = await client.ask("POST", "/api/pull", unknown)
    error = {"error": "pull model manifest: file does not exist"}
    assert (reply.status, reply.lines) == (200, [{"status": "pulling manifest"}, error])
    plain = await client.ask("POST", "/api/pull", {**unknown, "stream": False})
    assert (plain.status, plain.json) == (500, error)


async def test_no_time_at_all_and_a_reset_brings_all_back(connect: Connect, wall_ns: Wall) -> None:
    simulator = simulate_ollama(INSTANT, wall_ns=wall_ns)
    client = await connect(simulator)
    everything = await tags(client)
    await deleted(client)
    assert (await client.ask("POST", "/api/pull", {"model": LLAMA})).lines[-1] == {"status": "success"}
    assert await tags(client) == everything
    await deleted(client)
    await client.ask("POST", "/__sim/reset")
    assert await tags(client) == everything


async def test_a_pulled_file_is_in_the_page_cache_and_a_deleted_one_is_not(
    connect: Connect, wall_ns: Wall, autojump_clock: trio.testing.MockClock
) -> None:
    machine = msgspec.structs.replace(SLOW, pace=Pace())
    client = await connect(simulate_ollama(machine, wall_ns=wall_ns))

    async def load_s() -> float:
        began_s = trio.current_time()
        await client.ask("POST", "/api/chat", {"model": LLAMA, "messages": []})
        await client.ask("POST", "/api/chat", {"model": LLAMA, "messages": [], "keep_alive": 0})
        taken_s = trio.current_time() - began_s
        await trio.sleep(5)
        return taken_s

    cold_s, warm_s = await load_s(), await load_s()
    assert warm_s < cold_s / 2
    await deleted(client)
    await client.ask("POST", "/api/pull", {"model": LLAMA})
    assert await load_s() == pytest.approx(warm_s)
