"""F4, by the real process: it does not start on a damaged ledger, and lives on beside one that is locked."""

import random
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fakes.process import QUIET, Daemon, World, environ, overlay, simulated
from tests.faults.damage import OF_A_KILLED_ONE, REFUSED, Damage, check_words, fingerprint
from tests.faults.doses import Figure, Tell, factor
from tests.faults.locks import locked

pytestmark = pytest.mark.daemon
SHORT = ("flipped page", "missing WAL", "empty database")
KILLED: dict[str, Damage] = {**REFUSED, **OF_A_KILLED_ONE}
LOCKED_S, SHORT_LOCKED_S, WRITER_S = 30.0, 3.0, 2.0


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    with simulated() as opened:
        yield opened


@pytest.fixture
def daemon(world: World, tmp_path: Path) -> Iterator[Daemon]:
    made = Daemon(tmp_path, overlay(world.settings(), QUIET))
    try:
        yield made
    finally:
        made.end()


def test_damaged_while_it_was_down(daemon: Daemon, seed: int, tell: Tell) -> None:
    keep_a_killed_ledger(daemon)
    kept = daemon.folder / "kept"
    daemon.state_dir.rename(kept)
    for what in KILLED if factor() else SHORT:
        shutil.copytree(kept, daemon.state_dir)
        KILLED[what](daemon.state_dir, random.Random(seed))
        before = fingerprint(daemon.state_dir)
        done = daemon.run()
        assert done.returncode == 1, f"{what}: {done.stderr}"
        assert "Traceback" not in done.stderr, done.stderr
        check_words(done.stderr.splitlines()[-1])
        assert fingerprint(daemon.state_dir) == before, f"{what}: its files were changed"
        shutil.rmtree(daemon.state_dir)
    shutil.copytree(kept, daemon.state_dir)
    daemon.start(env=environ(daemon.folder, coverage=False))
    daemon.wait_idle()
    assert daemon.verify()["requests"] == REQUESTS + 1
    tell(Figure("F4 damaged, real process", f"{len(KILLED if factor() else SHORT)} kinds", "not started, unchanged"))


REQUESTS = 12


def keep_a_killed_ledger(daemon: Daemon) -> None:
    """One that was closed, opened again and killed: it has tables in its file and requests in its WAL."""
    how = {"env": environ(daemon.folder, coverage=False)}
    daemon.start(**how)
    for number in range(REQUESTS):
        assert daemon.ask("paid", f"question {number}").status == 200
    assert daemon.stop() == 0
    daemon.start(**how)
    assert daemon.ask("paid", "one more").status == 200
    daemon.wait_idle()
    daemon.kill()


def test_locked_while_it_runs(daemon: Daemon, world: World, tell: Tell) -> None:
    locked_s = LOCKED_S if factor() else SHORT_LOCKED_S
    daemon.start(env=environ(daemon.folder, coverage=False))
    assert daemon.ask("paid", "keep this", temperature=0).status == 200
    daemon.wait_idle()
    billed, refused, longest_s = world.bills(), 0, 0.0
    with locked(daemon.state_dir / "ledger.db"):
        until_s = time.monotonic() + locked_s
        while time.monotonic() < until_s:
            began_s = time.monotonic()
            answer = daemon.ask("paid", "not now")
            longest_s = max(longest_s, time.monotonic() - began_s)
            assert (answer.status, answer.json["error"]["code"]) == (503, "ledger_unavailable")
            assert daemon.ask("auto").status == 200
            assert daemon.ask("paid", "keep this", temperature=0).headers["x-lodestar-cache"] == "hit"
            refused += 1
            time.sleep(locked_s / 20)
    assert world.bills() == billed
    assert longest_s < WRITER_S * 5
    healed_s = wait_healed(daemon)
    daemon.wait_idle()
    daemon.verify()
    assert daemon.stop() == 0
    figure = f"{refused} refused, after {longest_s:.2f} s at the most; healed in {healed_s:.2f} s"
    tell(Figure("F4 locked, real process", f"{locked_s:g} s", figure))


def wait_healed(daemon: Daemon) -> float:
    began_s = time.monotonic()
    while daemon.ask("paid", "now").status != 200:
        assert time.monotonic() - began_s < 5, "it did not heal"
        time.sleep(0.02)
    return time.monotonic() - began_s
