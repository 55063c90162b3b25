"""What happens to a model's server from outside, as the host sees it: others, restarts, full memory, deletion."""

import msgspec
import pytest
import trio
import trio.testing

from lodestard.domain.errors import Code, UpstreamFault
from lodestard.simulator.card.figures import GIB, Card
from tests.fakes.model_hosts import CODER, LLAMA, PACED, WALL_NS, failure, simulated

FAST = msgspec.structs.replace(PACED, card=Card(network_bytes_per_s=490e6))  # ten seconds for llama


async def test_somebody_else_takes_the_card(autojump_clock: object) -> None:
    async with simulated(keep_alive=-1) as (host, _, other):
        await host.load(LLAMA)
        await other.ask("POST", "/api/generate", {"model": CODER, "prompt": "x", "keep_alive": "5m"})
        (model,) = await host.loaded()
        assert (model.model, model.context_tokens) == (CODER, 4096)
        assert model.expires_ms == WALL_NS // 1_000_000 + 300_000


async def test_a_restart_is_another_version_with_nothing_loaded(autojump_clock: object) -> None:
    async with simulated() as (host, simulator, _):
        await host.load(LLAMA)
        simulator.restart({"version": "0.9.6", "tells_context": False})
        assert await host.loaded() == ()  # over a new connection: the old one was idle
        assert await host.version() == "0.9.6"
        await host.load(LLAMA)
        (model,) = await host.loaded()
        assert (model.model, model.context_tokens) == (LLAMA, 0)


async def test_a_restart_cuts_a_load(autojump_clock: object) -> None:
    async with simulated() as (host, simulator, _), trio.open_nursery() as nursery:

        async def load() -> None:
            faults.append(await failure(lambda host: host.load(LLAMA), host))

        faults: list[UpstreamFault] = []
        nursery.start_soon(load)
        await trio.sleep(2)
        simulator.restart({"down_s": 5.0})
        await trio.testing.wait_all_tasks_blocked()
        assert faults[0].code is Code.UPSTREAM_CUT
        for use in (host.version, host.loaded):
            with pytest.raises(UpstreamFault) as caught:
                await use()
            assert (caught.value.code, caught.value.sent) == (Code.UPSTREAM_UNREACHABLE, False)
        await trio.sleep(5)
        assert await host.loaded() == ()


async def test_a_deleted_model_is_missing_until_it_is_pulled(autojump_clock: trio.testing.MockClock) -> None:
    async with simulated(FAST) as (host, _, other):
        await other.ask("DELETE", "/api/delete", {"model": LLAMA})
        assert LLAMA not in {model.model for model in await host.installed()}
        for use in (host.load, host.unload, host.details):
            with pytest.raises(UpstreamFault) as caught:
                await use(LLAMA)
            assert caught.value.code is Code.UPSTREAM_MODEL_MISSING
        async with host.pull(LLAMA) as lines:
            seen = [line async for line in lines]
        assert trio.current_time() == pytest.approx(10.6, abs=0.1)
        came = [line.done_bytes for line in seen if line.total_bytes]
        assert came == sorted(came)
        assert (came[0], came[-1], seen[-1].status) == (0, 4_900_000_000, "success")
        assert LLAMA in {model.model for model in await host.installed()}
        await host.load(LLAMA)


async def test_a_pull_that_was_left_goes_on(autojump_clock: trio.testing.MockClock) -> None:
    async with simulated(FAST) as (host, _, other):
        await other.ask("DELETE", "/api/delete", {"model": LLAMA})
        with trio.move_on_after(4):
            async with host.pull(LLAMA) as lines:
                async for _line in lines:
                    pass
        await trio.sleep(100)
        async with host.pull(LLAMA) as lines:
            async for line in lines:
                if line.total_bytes:
                    assert line.done_bytes == pytest.approx(0.4 * 4_900_000_000, rel=0.02)
                    break


async def test_a_pull_of_what_the_registry_does_not_have(autojump_clock: object) -> None:
    async with simulated() as (host, _, _):
        with pytest.raises(UpstreamFault) as caught:
            async with host.pull("mixtral:9x9b") as lines:
                assert [line.status async for line in lines] == ["pulling manifest"]
        assert caught.value.code is Code.UPSTREAM_MODEL_MISSING


async def test_a_model_that_fits_nowhere(autojump_clock: object) -> None:
    machine = msgspec.structs.replace(PACED, card=Card(ram_bytes=1 * GIB))
    async with simulated(machine) as (host, _, _):
        fault = await failure(lambda host: host.load(LLAMA), host)
        assert (fault.code, fault.status) == (Code.UPSTREAM_ERROR, 500)
        assert "requires more system memory" in fault.message
        assert await host.loaded() == ()


async def test_a_full_queue_is_busy(autojump_clock: object) -> None:
    machine = msgspec.structs.replace(PACED, server=msgspec.structs.replace(PACED.server, max_queue=0))
    async with simulated(machine) as (host, _, _):
        fault = await failure(lambda host: host.load(LLAMA), host)
        assert (fault.code, fault.retry_after_s) == (Code.UPSTREAM_RATE_LIMITED, 1.0)


async def test_a_model_that_only_embeds_is_loaded_by_an_embedding(autojump_clock: object) -> None:
    async with simulated(keep_alive=-1) as (host, simulator, _):
        for _ in range(2):
            await host.load("nomic-embed-text:latest")
        (model,) = await host.loaded()
        assert (model.model, model.expires_ms) == ("nomic-embed-text:latest", None)
        assert simulator.app.meter_json()["requests"]["/api/chat"] == 1  # it is asked to chat once and never again
        await host.unload("nomic-embed-text:latest")
        assert await host.loaded() == ()
