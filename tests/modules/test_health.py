"""The module health by itself: a runtime over fakes, upstreams that answer as a test says, and the mock clock."""

import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace

import pytest
import trio
from msgspec.structs import replace as edit
from trio.testing import MockClock

from lodestard.domain.breaker import Verdict
from lodestard.domain.errors import Code, UpstreamFault
from lodestard.domain.news import Alert, AttemptEnded
from lodestard.domain.settings import Settings, Upstream
from lodestard.domain.upstream import Target
from lodestard.modules.health import MODULE
from lodestard.modules.health.judge import Health, Probe, judge, read_status
from lodestard.modules.health.settings import HealthSettings
from lodestard.runtime import Runtime
from tests.fakes.rooms import ScriptedSender, make_runtime

Answer = Callable[[], Awaitable[int]]
SETTINGS = HealthSettings(interval_s=15.0, timeout_s=5.0, failures_to_down=2)


async def well() -> int:
    await trio.lowlevel.checkpoint()
    return 200


async def refused() -> int:
    await trio.lowlevel.checkpoint()
    raise UpstreamFault(Code.UPSTREAM_UNREACHABLE, "connection refused", upstream="u0")


async def silent() -> int:
    await trio.sleep_forever()
    raise AssertionError("never")


async def broken() -> int:
    await trio.lowlevel.checkpoint()
    return 503


async def keyless() -> int:
    await trio.lowlevel.checkpoint()
    return 401


async def babbling() -> int:
    await trio.lowlevel.checkpoint()
    raise UpstreamFault(Code.UPSTREAM_GARBAGE, "it speaks no HTTP at all", upstream="u0")


@dataclass
class Server:
    """An upstream: ``answer`` is what it does now; ``probes`` are the times at which it was asked."""

    answer: Answer = well

    def __post_init__(self) -> None:
        self.probes: list[float] = []
        self.paths: list[str] = []
        self.probed = trio.Event()

    async def look(self, path: str) -> int:
        self.probes.append(trio.current_time())
        self.paths.append(path)
        self.probed.set()
        self.probed = trio.Event()
        return await self.answer()


@asynccontextmanager
async def watched(
    *answers: Answer, settings: HealthSettings = SETTINGS
) -> AsyncIterator[tuple[Runtime, list[Server]]]:
    """The module at work on upstreams ``u0``, ``u1``, … and one that nobody can speak to."""
    servers = [Server(answer) for answer in answers]
    looks = {f"u{index}": server.look for index, server in enumerate(servers)}
    upstreams = {name: Upstream(dialect="ollama", url=f"http://{name}.lan:11434/") for name in looks}
    upstreams["foreign"] = Upstream(dialect="anthropic", url="http://foreign.lan/v1")
    async with trio.open_nursery() as nursery:
        runtime = make_runtime(nursery, ScriptedSender({}), settings=Settings(upstreams=upstreams))
        runtime = replace(runtime, look_at=looks.__getitem__)
        nursery.start_soon(MODULE.run, runtime, settings)
        yield runtime, servers
        nursery.cancel_scope.cancel()


def known(runtime: Runtime, name: str = "u0") -> dict[str, object]:
    part = runtime.hooks.status_parts["upstreams"]()
    assert isinstance(part, dict)
    return dict(part[name])


def ended(upstream: str, outcome: str) -> AttemptEnded:
    return AttemptEnded(
        target=Target(upstream, "model"),
        outcome=outcome,
        total_ns=0,
        first_piece_ns=None,
        usage=None,
        durations=None,
        cost_nano_usd=0,
    )


async def wait_probes(server: Server, count: int) -> None:
    while len(server.probes) < count:
        await server.probed.wait()
    await trio.sleep(0.1)


async def test_up_at_once_and_probed_at_its_pace(autojump_clock: MockClock) -> None:
    async with watched(well) as (runtime, (server,)):
        await wait_probes(server, 1)
        assert known(runtime)["state"] == "up"
        assert runtime.hooks.is_up("u0")
        await wait_probes(server, 3)
        pauses = [later - earlier for earlier, later in zip(server.probes, server.probes[1:], strict=False)]
        assert pauses == pytest.approx([15.0, 15.0], abs=0.2)
        assert set(server.paths) == {"/api/version"}


async def test_unknown_counts_as_up(autojump_clock: MockClock) -> None:
    async with watched(silent) as (runtime, (server,)):
        assert runtime.hooks.is_up("u0")
        await wait_probes(server, 1)
        assert known(runtime)["state"] == "unknown"
        assert runtime.hooks.is_up("u0")
        assert runtime.hooks.is_up("nobody")


async def test_down_only_after_failures_in_a_row(autojump_clock: MockClock, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "lodestard")
    alerts: list[Alert] = []
    async with watched(refused) as (runtime, (server,)):
        runtime.hooks.alert.always(alerts.append)
        await wait_probes(server, 1)
        assert (known(runtime)["state"], known(runtime)["failures"]) == ("unknown", 1)
        assert runtime.hooks.is_up("u0")
        await wait_probes(server, 2)
        assert known(runtime)["state"] == "down"
        assert known(runtime)["error"] == "connection refused"
        assert not runtime.hooks.is_up("u0")
        server.answer = well
        await wait_probes(server, 3)
        assert known(runtime)["state"] == "up"
        assert (known(runtime)["failures"], known(runtime)["error"]) == (0, "")
    assert [record.getMessage() for record in caplog.records] == [
        "upstream u0 is down: connection refused",
        "upstream u0 is up again",
    ]
    assert [(alert.title, alert.severity, alert.topic) for alert in alerts] == [
        ("Upstream u0 is down", "warning", "upstream:u0"),
        ("Upstream u0 is up again", "info", "upstream:u0"),
    ]


@pytest.mark.parametrize(
    ("answer", "error"),
    [(silent, "no answer within 5 s"), (broken, "it answers 503"), (babbling, "it speaks no HTTP at all")],
)
async def test_what_counts_as_a_failure(autojump_clock: MockClock, answer: Answer, error: str) -> None:
    async with watched(answer, well) as (runtime, (server, other)):
        await wait_probes(server, 2)
        await trio.sleep(6)
        assert known(runtime)["state"] == "down"
        assert str(known(runtime)["error"]).startswith(error)
        assert known(runtime, "u1")["state"] == "up"
        assert len(other.probes) >= 2


async def test_a_refused_key_is_a_note(autojump_clock: MockClock) -> None:
    async with watched(keyless) as (runtime, (server,)):
        await wait_probes(server, 1)
        assert known(runtime)["state"] == "up"
        assert known(runtime)["note"] == "it refuses the key (401)"


@pytest.mark.parametrize(("answer", "state"), [(well, "half_open"), (keyless, "half_open"), (refused, "open")])
async def test_a_good_look_lets_a_request_try_what_is_passed_over(
    autojump_clock: MockClock, answer: Answer, state: str
) -> None:
    async with watched(silent) as (runtime, (server,)):
        target = Target("u0", "m")
        gone = Verdict(upstream="bad", at_once=True, long=True, why="upstream_unreachable")
        runtime.breakers.end(target, runtime.breakers.begin(target), gone)
        server.answer = answer
        await wait_probes(server, 3)
        assert runtime.breakers.state_of("u0") == state


async def test_a_failed_attempt_hurries_the_next_probe(autojump_clock: MockClock) -> None:
    async with watched(well, well) as (runtime, (server, other)):
        await wait_probes(server, 1)
        for _ in range(3):
            runtime.hooks.attempt_ended.tell(ended("u0", Code.UPSTREAM_UNREACHABLE))
        runtime.hooks.attempt_ended.tell(ended("somebody", Code.UPSTREAM_CUT))
        runtime.hooks.attempt_ended.tell(ended("u1", Code.UPSTREAM_RATE_LIMITED))
        await wait_probes(server, 2)
        assert server.probes[1] - server.probes[0] == pytest.approx(1.0, abs=0.3)
        await wait_probes(server, 3)
        assert server.probes[2] - server.probes[1] == pytest.approx(15.0, abs=0.3)
        assert other.probes[1] - other.probes[0] == pytest.approx(15.0, abs=0.3)


async def test_what_nobody_speaks_to_stays_unknown(autojump_clock: MockClock) -> None:
    async with watched(well) as (runtime, (server,)):
        await wait_probes(server, 2)
        assert known(runtime, "foreign")["state"] == "unknown"
        assert runtime.hooks.is_up("foreign")


async def test_nothing_is_left_when_it_ends(autojump_clock: MockClock) -> None:
    async with watched(refused) as (runtime, (server,)):
        await wait_probes(server, 2)
        assert not runtime.hooks.is_up("u0")
    assert runtime.hooks.is_up("u0")
    assert "upstreams" not in runtime.hooks.status_parts


def test_judging() -> None:
    up = judge(Health(), Probe(at_ms=5, latency_ms=3), 2)
    assert (up.state, up.since_ms, up.latency_ms) == ("up", 5, 3)
    failed = judge(up, Probe(at_ms=9, latency_ms=80, error="no"), 2)
    assert (failed.state, failed.since_ms, failed.failures, failed.latency_ms) == ("up", 5, 1, 3)
    down = judge(failed, Probe(at_ms=11, error="no"), 2)
    assert (down.state, down.since_ms) == ("down", 11)
    assert judge(down, Probe(at_ms=12, error="no"), 2).since_ms == 11
    assert judge(Health(), Probe(at_ms=1, error="no"), 1).state == "down"
    assert edit(down, error="").failures == 2
    assert read_status(404) == ("", "")
