"""A module may fail as often as it likes: it is started again, and what it had added is gone until then."""

import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest
import trio
from trio.testing import MockClock

from lodestard.domain.settings import Settings
from lodestard.module import LONGEST_PAUSE_S, QUIET_S, Module, ModuleSettings, run_guarded, settings_of
from lodestard.runtime import Runtime
from tests.fakes.rooms import ScriptedSender, make_runtime


class SampleSettings(ModuleSettings, frozen=True):
    lives_s: float = 1.0


class Sample:
    """A module that adds to the hooks and fails after a while, as often as it is told to; then it returns."""

    def __init__(self, failures: int, lives_s: float = 1.0) -> None:
        self.failures = failures
        self.lives_s = lives_s
        self.starts: list[float] = []
        self.module = Module("sample", "for tests", SampleSettings, self.run)

    async def run(self, runtime: Runtime, settings: SampleSettings) -> None:
        self.starts.append(trio.current_time())
        with runtime.hooks.is_up.provide(lambda _upstream: False), runtime.hooks.status_parts.add("sample", dict):
            await trio.sleep(self.lives_s)
            if len(self.starts) <= self.failures:
                raise RuntimeError("a defect")

    @property
    def pauses(self) -> list[float]:
        """From the end of one life to the beginning of the next."""
        pairs = zip(self.starts, self.starts[1:], strict=False)
        return [round(later - earlier - self.lives_s, 3) for earlier, later in pairs]


@asynccontextmanager
async def at_hand() -> AsyncIterator[Runtime]:
    async with trio.open_nursery() as nursery:
        yield make_runtime(nursery, ScriptedSender({}))
        nursery.cancel_scope.cancel()


async def test_each_pause_is_twice_as_long_up_to_five_minutes(
    autojump_clock: MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    sample = Sample(failures=12)
    async with at_hand() as runtime:
        await run_guarded(sample.module, runtime)
    assert sample.pauses == [1, 2, 4, 8, 16, 32, 64, 128, 256, LONGEST_PAUSE_S, LONGEST_PAUSE_S, LONGEST_PAUSE_S]
    failed = [record for record in caplog.records if record.getMessage() == "the module sample failed"]
    assert len(failed) == 12
    assert all(record.levelno == logging.ERROR and record.exc_info for record in failed)


async def test_a_quiet_life_begins_with_the_shortest_pause(autojump_clock: MockClock) -> None:
    sample = Sample(failures=3, lives_s=QUIET_S + 1)
    async with at_hand() as runtime:
        await run_guarded(sample.module, runtime)
    assert sample.pauses == [1, 1, 1]


async def test_what_it_had_added_is_undone_between_its_lives(autojump_clock: MockClock) -> None:
    sample = Sample(failures=1, lives_s=10)
    seen: list[tuple[bool, bool]] = []
    async with at_hand() as runtime, trio.open_nursery() as nursery:
        nursery.start_soon(run_guarded, sample.module, runtime)
        for pause_s in (5.0, 5.5, 5.0, 15.0):  # alive, between, alive again, done
            await trio.sleep(pause_s)
            seen.append((runtime.hooks.is_up("any"), "sample" in runtime.hooks.status_parts))
    assert seen == [(False, True), (True, False), (False, True), (True, False)]


async def test_one_that_returns_is_done(autojump_clock: MockClock) -> None:
    sample = Sample(failures=0)
    async with at_hand() as runtime:
        with trio.fail_after(5):
            await run_guarded(sample.module, runtime)
    assert len(sample.starts) == 1


async def test_cancellation_is_no_failure(autojump_clock: MockClock, caplog: pytest.LogCaptureFixture) -> None:
    sample = Sample(failures=0, lives_s=1000)
    async with at_hand() as runtime:
        with trio.move_on_after(5) as scope:
            await run_guarded(sample.module, runtime)
        assert scope.cancelled_caught
        assert runtime.hooks.is_up("any")
    assert caplog.records == []


async def fail_in_a_task(runtime: Runtime, settings: ModuleSettings) -> None:
    async with trio.open_nursery() as nursery:
        nursery.start_soon(trio.sleep_forever)
        nursery.start_soon(break_down)


async def break_down() -> None:
    await trio.lowlevel.checkpoint()
    raise OSError("its file is gone")


async def test_a_failure_in_one_of_its_tasks_is_a_failure(
    autojump_clock: MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    async with at_hand() as runtime:
        with trio.move_on_after(10):
            await run_guarded(Module("tasks", "", ModuleSettings, fail_in_a_task), runtime)
    assert [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING] == [
        f"the module tasks starts again in {pause} s" for pause in (1, 2, 4, 8)
    ]


def configured(value: object) -> Callable[[trio.Nursery], Runtime]:
    settings = Settings(modules={"sample": value})
    return lambda nursery: make_runtime(nursery, ScriptedSender({}), settings=settings)


async def test_its_settings_are_its_table_or_the_defaults() -> None:
    module = Sample(0).module
    async with trio.open_nursery() as nursery:
        given = SampleSettings(lives_s=7.0)
        assert settings_of(module, configured(given)(nursery)) is given
        assert settings_of(module, configured({"lives_s": 7})(nursery)) == SampleSettings()
        assert settings_of(module, make_runtime(nursery, ScriptedSender({}))) == SampleSettings()
