"""F15: a reload takes a configuration in whole or not at all, a thousand times over, and disturbs nobody."""

import random
import signal
from pathlib import Path
from typing import Any

import pytest

from tests.fakes.process import (
    PAID_MODEL,
    QUIET,
    Daemon,
    Stream,
    World,
    environ,
    overlay,
    wait_for,
)
from tests.faults.doses import Figure, Tell, dose
from tests.faults.reloads import SECRET, WAYS, Desk, Held, check_refused, come_down_to, look, write_good

pytestmark = pytest.mark.daemon
RELOADED = "configuration reloaded"
WARM_UP = 10
MOST_MORE_DESCRIPTORS = 2
MOST_MORE_MIB = 10.0
_NAME = f"paced/{PAID_MODEL}"


def with_paced(world: World) -> dict[str, Any]:
    """A world with an upstream that sends an answer byte by byte, so that much can happen meanwhile."""
    settings = world.settings()
    upstream = {**settings["upstreams"]["paid"], "headers": {"x-sim-fault": "dribble=1500"}}
    prices = {_NAME: settings["prices"][f"paid/{PAID_MODEL}"]}
    more: dict[str, Any] = {
        "upstreams": {"paced": upstream},
        "models": {"paced": {"route": [_NAME]}},
        "prices": prices,
    }
    return overlay(overlay(settings, QUIET), more)


class Hup:
    """Reloads by SIGHUP, each heard of before the next."""

    def __init__(self, daemon: Daemon) -> None:
        self._daemon = daemon
        self._seen = daemon.log.count(RELOADED)

    def __call__(self) -> None:
        self._daemon.signal(signal.SIGHUP)
        self._seen += 1
        wait_for(lambda: self._daemon.log.count(RELOADED) >= self._seen, "the reload")


def reload_often(daemon: Daemon, times: int) -> tuple[Held, Held]:
    """So many reloads, every other one with another alias; what the process holds before and after."""
    hup, stream = Hup(daemon), daemon.stream("paced", max_tokens=6)
    stream.wait_text()
    before = look(daemon)
    for number in range(WARM_UP + times):
        write_good(daemon, {"models": {"more": {"route": ["gpu/llama3.1:8b"]}}} if number % 2 else None)
        hup()
        if number % 20 == 0:
            assert daemon.ask("auto").status == 200
        if number == WARM_UP:
            check_whole(stream)
            before = look(daemon)
    return before, come_down_to(daemon, before.descriptors + MOST_MORE_DESCRIPTORS)


def check_whole(stream: Stream) -> None:
    answer = stream.rest()
    assert answer.whole, "a stream was cut by a reload"
    assert answer.done, "a stream was cut by a reload"


def test_many_reloads(world: World, tmp_path: Path, tell: Tell) -> None:
    times = dose(20, 1_000)
    daemon = Daemon(tmp_path, with_paced(world))
    try:
        write_good(daemon)
        daemon.start(env=environ(tmp_path, coverage=False))
        before, after = reload_often(daemon, times)
        assert after.resident_mib - before.resident_mib <= MOST_MORE_MIB, (before, after)
        assert "Traceback" not in daemon.log
        assert daemon.stop() == 0
    finally:
        daemon.end()
    more_mib, more = after.resident_mib - before.resident_mib, after.descriptors - before.descriptors
    tell(
        Figure(
            "F15 SIGHUP", f"{times} reloads", f"{more_mib:+.1f} MiB, {more:+d} descriptors, one stream through them"
        )
    )


def test_configurations_that_are_wrong(world: World, tmp_path: Path, seed: int, tell: Tell) -> None:
    times, luck = dose(30, 100), random.Random(seed)
    daemon = Daemon(tmp_path, with_paced(world))
    try:
        good = write_good(daemon)
        daemon.start(env=environ(tmp_path, coverage=False))
        refuse_all(daemon, good, times, luck)
        assert daemon.stop() == 0
    finally:
        daemon.end()
    assert SECRET not in daemon.log
    tell(Figure("F15 invalid TOML", f"{times} files", "each refused with key and line; one stream through all"))


def refuse_all(daemon: Daemon, good: str, times: int, luck: random.Random) -> None:
    """Each is refused and changes nothing; now and then by SIGHUP, as a service manager does."""
    desk = Desk(daemon)
    before, stream = desk.values(), daemon.stream("paced", max_tokens=6)
    stream.wait_text()
    for number in range(times):
        spoilt = WAYS[number % len(WAYS)](good, luck)
        daemon.config.write_text(spoilt.text)
        check_refused(desk.reload(), spoilt)
        if number % 10 == 0:
            refused = daemon.log.count("was not reloaded")
            daemon.signal(signal.SIGHUP)
            wait_for(lambda: daemon.log.count("was not reloaded") > refused, "the refusal")  # noqa: B023
            assert f"{daemon.config}:{spoilt.line}" in daemon.log
    assert desk.values() == before, "a configuration that was refused changed what is in force"
    assert daemon.ask("auto").status == 200
    check_whole(stream)
    daemon.config.write_text(good)
    assert desk.reload().ok
