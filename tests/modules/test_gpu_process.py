"""The module gpu and a real process that plays ``nvidia-smi``: read as it speaks, restarted, never left behind."""

import os
import signal
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import trio

from lodestard.domain.telemetry import Telemetry
from lodestard.modules.gpu import smi_source
from lodestard.modules.gpu.settings import Card
from lodestard.modules.gpu.smi_rows import FIELDS
from lodestard.modules.gpu.smi_source import SmiSource
from lodestard.modules.gpu.troubles import Trouble
from tests.fakes.nvidia_smi import ROW, install, is_alive, starts

DEADLINE_S = 30.0
LOOK_S = 0.01
LOCAL = Card(source="local")
FOREVER = f"while True:\n    say({ROW!r})\n    time.sleep(0.05)"
ONE_THEN_SILENCE = f"say({ROW!r})\ntime.sleep(600)"


@dataclass
class Heard:
    """All news, in order."""

    news: list[Telemetry | Trouble] = field(default_factory=list)

    @property
    def readings(self) -> list[Telemetry]:
        return [one for one in self.news if isinstance(one, Telemetry)]

    @property
    def troubles(self) -> list[str]:
        return [one.code for one in self.news if isinstance(one, Trouble)]


@pytest.fixture(autouse=True)
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Only the test's own programs, and the pauses of a test."""
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    monkeypatch.setattr(smi_source, "FIRST_PAUSE_S", 0.02)
    monkeypatch.setattr(smi_source, "LONGEST_PAUSE_S", 0.2)
    monkeypatch.setattr(smi_source, "BREATH_S", 0.01)
    return tmp_path


@asynccontextmanager
async def reading(card: Card = LOCAL, interval_s: float = 1.0) -> AsyncIterator[Heard]:
    heard = Heard()
    with trio.fail_after(DEADLINE_S):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(SmiSource(card, interval_s, heard.news.append).run)
            yield heard
            nursery.cancel_scope.cancel()


async def until(condition: Callable[[], object]) -> None:
    """Real processes tell nobody: look until the deadline."""
    for _ in range(int(DEADLINE_S / LOOK_S)):
        if condition():
            return
        await trio.sleep(LOOK_S)
    raise AssertionError("it never came to that")


def is_reaped(pid: int) -> bool:
    """Gone, and not as a zombie of ours."""
    with pytest.raises(ChildProcessError):
        os.waitpid(pid, os.WNOHANG)
    return not is_alive(pid)


async def test_rows_are_heard_as_they_come_and_the_process_dies_with_its_reader(path: Path) -> None:
    install(path, FOREVER)
    async with reading(interval_s=5) as heard:
        await until(lambda: len(heard.readings) >= 3)
    ((pid, words),) = starts(path)
    assert is_reaped(pid)
    assert heard.troubles == []
    assert (heard.readings[0].card, heard.readings[0].power_w) == ("NVIDIA T600", 39.41)
    assert [word.partition("=")[0] for word in words] == [
        str(path / "nvidia-smi"), "--query-gpu", "--format", "--loop",
    ]  # fmt: skip
    assert words[-1] == "--loop=5"


async def test_one_that_does_not_want_to_die_is_killed(path: Path) -> None:
    install(
        path,
        f"signal.signal(signal.SIGTERM, signal.SIG_IGN)\nsignal.signal(signal.SIGHUP, signal.SIG_IGN)\n{FOREVER}",
    )
    async with reading() as heard:
        await until(lambda: heard.readings)
    ((pid, _),) = starts(path)
    assert is_reaped(pid)


async def test_what_it_has_started_dies_with_it(path: Path) -> None:
    """A command of several programs is one group: none of them stays behind, though it may say nothing any more."""
    install(path, ONE_THEN_SILENCE)
    async with reading(Card(source="ssh", ssh=("/bin/sh", "-c", '"$@" & wait', "sh"))) as heard:
        await until(lambda: heard.readings)
    ((pid, _),) = starts(path)
    with trio.fail_after(DEADLINE_S):
        await until(lambda: not is_alive(pid) or state_of(pid) == "Z")


def environment_of(pid: int) -> bytes:
    return Path(f"/proc/{pid}/environ").read_bytes()


def state_of(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return ""


async def test_one_that_ends_is_started_again(path: Path) -> None:
    install(path, f"say({ROW!r})\nsay('Failed to initialize NVML: Driver/library version mismatch')\nsys.exit(18)")
    async with reading() as heard:
        await until(lambda: len(heard.troubles) >= 3)
    assert set(heard.troubles) == {"library_mismatch"}
    assert len(heard.readings) >= 3
    assert all(is_reaped(pid) for pid, _ in starts(path))


async def test_pauses_grow_while_nothing_comes(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(smi_source, "FIRST_PAUSE_S", 1.0)
    monkeypatch.setattr(smi_source, "LONGEST_PAUSE_S", 60.0)
    pauses: list[float] = []
    real = trio.sleep

    async def note(seconds: float) -> None:
        pauses.append(seconds)
        await real(0)

    install(path, "sys.exit(9)")
    async with reading() as heard:
        monkeypatch.setattr(trio, "sleep", note)
        while len(heard.troubles) < 9:
            await real(0.01)
        monkeypatch.undo()
    assert set(heard.troubles) == {"no_driver"}
    assert [pause for pause in pauses if pause >= 1][:9] == [1, 2, 4, 8, 16, 32, 60, 60, 60]


async def test_an_older_driver_is_asked_in_its_own_words(path: Path) -> None:
    """It refuses the whole call for one field that it does not know, and says which on its standard output."""
    install(
        path,
        "asked = [word for word in sys.argv if word.startswith('--query-gpu=')][0][12:].split(',')\n"
        "for field in ('clocks_event_reasons.active', 'power.default_limit'):\n"
        "    if field in asked:\n"
        "        say(f'Field \"{field}\" is not a valid field to query.')\n"
        "        say('')\n"
        "        sys.exit(2)\n"
        f"cells = dict(zip({QUERIES!r}, {ROW!r}.split(', ')))\n"
        "cells['clocks_throttle_reasons.active'] = '0x0000000000000020'\n"
        "while True:\n"
        "    say(', '.join(cells[field] for field in asked))\n"
        "    time.sleep(0.05)",
    )
    async with reading() as heard:
        await until(lambda: heard.readings)
    assert heard.troubles == []
    assert heard.readings[0].throttled == ("sw_thermal",)
    assert (heard.readings[0].power_limit_w, heard.readings[0].power_default_w) == (40, None)
    assert len(starts(path)) == 3


QUERIES = [field.query for field in FIELDS]


async def test_over_ssh_the_command_follows_and_no_key_of_ours_goes_along(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-canary")
    install(
        path,
        f"say('Warning: gpu-box was not known yet.')\nsay(repr(sorted(os.environ)))\n{FOREVER}",
        "ssh",
    )
    card = Card(source="ssh", ssh=("ssh", "-o", "BatchMode=yes", "gpu-box"), gpu="0")
    async with reading(card) as heard:
        await until(lambda: heard.readings)
        ((pid, words),) = starts(path)
        environment = environment_of(pid)
    assert words[1:5] == ["-o", "BatchMode=yes", "gpu-box", "nvidia-smi"]
    assert words[-1] == "--id=0"
    assert b"canary" not in environment
    assert b"LC_ALL=C" in environment
    assert heard.readings[0].source == "ssh"


async def test_a_forced_command_that_gives_one_row_is_asked_at_the_interval(path: Path) -> None:
    install(path, f"os.write(1, {ROW!r}.encode())")  # without the end of its line, too
    async with reading(interval_s=0.05) as heard:
        await until(lambda: len(heard.readings) >= 3)
    assert heard.troubles == []


async def test_several_cards(path: Path) -> None:
    other = ROW.replace("GPU-5b0c", "GPU-ffff").replace(", 0, NVIDIA T600", ", 1, NVIDIA RTX A2000")
    install(path, f"while True:\n    say({other!r})\n    say({ROW!r})\n    time.sleep(0.05)")
    async with reading() as heard:
        await until(lambda: heard.readings and heard.readings[-1].fault)
    assert heard.readings[-1].card == "NVIDIA T600"
    assert heard.readings[-1].problem == "2 cards are there, and this is the first"
    async with reading(Card(source="local", gpu="1")) as heard:
        await until(lambda: len(heard.readings) >= 3)
    assert {(reading.card, reading.fault) for reading in heard.readings[1:]} == {("NVIDIA RTX A2000", "")}


async def test_nobody_there(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(path))
    async with reading() as heard:
        await until(lambda: heard.troubles)
    (path / "nvidia-smi").write_text("no program")
    async with reading() as other:
        await until(lambda: other.troubles)
    assert {*heard.troubles, *other.troubles} == {"not_found"}


async def test_one_that_falls_silent_is_replaced(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(smi_source, "SILENT_S", 0.3)
    monkeypatch.setattr(smi_source, "SILENT_INTERVALS", 0)
    install(path, ONE_THEN_SILENCE)
    async with reading() as heard:
        await until(lambda: len(heard.troubles) >= 2)
    assert set(heard.troubles) == {"silent"}
    assert len(heard.readings) >= 2
    assert all(is_reaped(pid) for pid, _ in starts(path))


async def test_one_that_babbles_without_a_row_is_as_good_as_silent(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(smi_source, "SILENT_S", 0.4)
    monkeypatch.setattr(smi_source, "SILENT_INTERVALS", 0)
    install(path, "while True:\n    os.write(1, b'x' * 65536)")
    async with reading() as heard:
        await until(lambda: heard.troubles)
    assert heard.troubles[0] == "silent"
    assert heard.readings == []


async def test_one_that_can_t_be_killed_is_waited_for_and_never_doubled(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A driver that hangs holds nvidia-smi where no signal reaches it. Here the signal is not sent."""
    monkeypatch.setattr(smi_source, "SILENT_S", 0.2)
    monkeypatch.setattr(smi_source, "SILENT_INTERVALS", 0)
    monkeypatch.setattr(smi_source, "KILL_S", 0.05)
    monkeypatch.setattr(smi_source, "kill", lambda _process: None)
    install(path, ONE_THEN_SILENCE)
    async with reading() as heard:
        await until(lambda: heard.troubles)
        await trio.sleep(0.5)
        assert heard.troubles == ["hung"]
        ((pid, _),) = starts(path)
        os.kill(pid, signal.SIGKILL)
        await until(lambda: len(starts(path)) == 2)
        monkeypatch.undo()
        monkeypatch.setattr(smi_source, "KILL_S", 5.0)
    assert all(is_reaped(pid) for pid, _ in starts(path))
