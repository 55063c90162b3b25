"""Real processes with a defect that clients' faults must bring to light, one by one."""

from collections.abc import Iterator
from functools import partial
from pathlib import Path

import msgspec
import pytest

from lodestard.domain.settings import Limits
from tests.fakes import process
from tests.fakes.process import World, simulated
from tests.faults import exhaustion, overload, smuggling
from tests.faults.bodies import CASES, IMPATIENT, Worst, overfeed
from tests.faults.doses import table_only
from tests.faults.dribblers import HURRIED, LATE_S, Dribble, fill_up, keep_big
from tests.faults.exhaustion import MOST_SHARE, strain
from tests.faults.figures import MIB
from tests.faults.idlers import MOST_EACH_BYTES, price_of_idling
from tests.faults.processes import measured
from tests.faults.soak import soak

pytestmark = pytest.mark.daemon


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    with simulated() as world:
        yield world


@pytest.mark.parametrize("name", ["sized", pytest.param("chunked", marks=table_only())])
def test_a_body_that_is_read_before_it_is_refused(tmp_path: Path, name: str) -> None:
    case = next(case for case in CASES if case.name == name)
    with (
        measured(tmp_path, None, IMPATIENT, "reads it all") as daemon,
        pytest.raises(AssertionError, match=r"bytes were read|more memory|stays"),
    ):
        overfeed(daemon, case, Worst())


@pytest.mark.parametrize(
    "defect", ["goes on after a refusal", pytest.param("believes both lengths", marks=table_only())]
)
def test_a_request_that_is_two(tmp_path: Path, defect: str) -> None:
    with (
        measured(tmp_path, None, smuggling.SETTINGS, defect) as daemon,
        pytest.raises(AssertionError, match=r"not \((400|501),\)|left open"),
    ):
        smuggling.hold_to_rules(daemon.port, smuggling.Tally())


def test_a_head_that_breaks_its_reader(tmp_path: Path) -> None:
    with (
        pytest.raises(AssertionError, match="a request failed"),
        measured(tmp_path, None, smuggling.SETTINGS, "stumbles over odd fields") as daemon,
    ):
        smuggling.mangle_at(daemon.port, 1, 50, smuggling.Tally())


def test_idle_connections_that_are_not_cheap(tmp_path: Path, world: World) -> None:
    with measured(tmp_path, world, defect="keeps a buffer") as daemon:
        cost = price_of_idling(daemon, 300, 20)
    assert cost.each_bytes > 4 * MOST_EACH_BYTES


@pytest.mark.parametrize(
    ("defect", "words"),
    [
        ("waits for readers", "slow read"),
        pytest.param("waits for heads", "slow head", marks=table_only()),
    ],
)
def test_slow_clients_that_are_waited_for(tmp_path: Path, world: World, defect: str, words: str) -> None:
    limits = {"server": {"limits": HURRIED}}
    with measured(tmp_path, world, limits, defect) as daemon:
        keep_big(world, daemon)
        with Dribble(daemon) as dribble:
            dribble.begin(25)
            dribble.go_on(2.5)
        with pytest.raises(AssertionError, match=words):
            dribble.check(msgspec.convert(HURRIED, Limits), LATE_S)


def test_an_address_that_has_no_cap(tmp_path: Path) -> None:
    with measured(tmp_path, None, {"server": {"limits": {"connections_per_peer": 20}}}, "admits all") as daemon:
        assert fill_up(daemon, 20, 5) == 0


def test_a_control_socket_that_starves(tmp_path: Path, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    with measured(tmp_path, world, defect="keeps no descriptor") as daemon:
        monkeypatch.setattr(process, "PATIENCE_S", 2.0)
        with pytest.raises(AssertionError, match="control socket"):
            strain(daemon, 6, "can't be accepted")


@table_only()
def test_waiting_for_descriptors_that_is_busy(tmp_path: Path, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    with measured(tmp_path, world, defect="spins") as daemon:
        monkeypatch.setattr(exhaustion, "ask_control", lambda _daemon: None)
        assert strain(daemon, 0, "can't be accepted").share > MOST_SHARE


def test_a_little_of_each_request_that_is_kept(tmp_path: Path, world: World) -> None:
    with measured(tmp_path, world, defect="keeps a little") as daemon:
        assert soak(daemon, 1, 4).per_thousand_bytes > 30 * MIB


@table_only()
def test_sockets_that_stay_open(tmp_path: Path, world: World) -> None:
    with (
        measured(tmp_path, world, defect="leaves sockets open") as daemon,
        pytest.raises(AssertionError, match="descriptors before"),
    ):
        soak(daemon, 1, 2)


@pytest.mark.parametrize(
    ("defect", "words"),
    [
        ("forgets to give back", "served again|any more"),
        pytest.param("counts nothing", "is sent away", marks=table_only()),
    ],
)
def test_bytes_that_are_miscounted(
    tmp_path: Path, world: World, monkeypatch: pytest.MonkeyPatch, defect: str, words: str
) -> None:
    monkeypatch.setattr(overload, "wait_for", partial(process.wait_for, patience_s=2.0))
    with (
        measured(tmp_path, world, overload.SETTINGS, defect) as daemon,
        pytest.raises(AssertionError, match=words),
    ):
        overload.overload(daemon, 24)
