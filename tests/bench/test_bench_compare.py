"""The comparison's own parts work: what it measures is right answers, and it says who is missing and by how much."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from tests.bench.compare import kit, loads, procs, setups, targets
from tests.bench.compare.__main__ import main
from tests.bench.compare.asks import ANSWERS, FALLBACK, Ask, Want
from tests.bench.compare.cases import Case, Entrant, cases
from tests.bench.compare.check import WrongError, check
from tests.bench.compare.gateway import Gateway, Setup, refused_port
from tests.bench.compare.plot import plot
from tests.bench.compare.report import report
from tests.bench.compare.results import About, Results, Row, Shot, read, write
from tests.bench.compare.rounds import long_enough_s, measure
from tests.fakes.ports import free_port

QUICK = tuple(answer for answer in ANSWERS if answer != "paced")  # it is as brief, four seconds long
SPEEDS = {"direct": 40_000.0, "nginx": 20_000.0, "relay": 8_000.0, "lodestard": 2_500.0, "litellm": 50.0}


def installed(make: Callable[[], Setup]) -> Setup:
    """The setup, or a skip that says what isn't there."""
    try:
        return make()
    except kit.MissingError as error:
        pytest.skip(f"the comparison can't be tried here: {error}")


def wants(program: str) -> None:
    try:
        kit.find(program)
    except kit.MissingError as error:
        pytest.skip(f"the comparison can't be tried here: {error} (make bench-tools)")


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Gateway, setups.Place]]:
    wants("gcc")
    folder = tmp_path_factory.mktemp("compare")
    with ExitStack() as stack:
        upstream = stack.enter_context(setups.upstream(free_port()).started(folder))
        yield upstream, setups.Place(folder, upstream.port, stack.enter_context(refused_port()))


@pytest.mark.daemon
@pytest.mark.parametrize("answer", QUICK)
def test_the_canned_upstream_s_answers_are_right(place: tuple[Gateway, setups.Place], answer: str) -> None:
    upstream, _ = place
    want = next(Want(known) for known in QUICK if known == answer)
    check(upstream.port, upstream.ask(want), want)


@pytest.mark.daemon
def test_another_text_is_told(place: tuple[Gateway, setups.Place]) -> None:
    upstream, _ = place
    with pytest.raises(WrongError, match="another text"):
        check(upstream.port, upstream.ask(Want("100k")), Want("1k"))
    with pytest.raises(WrongError, match="no HTTP answer"):
        check(upstream.port, Ask("/nothing/of/the/kind", b"{}"), Want("1k"))


@pytest.mark.daemon
def test_nginx_passes_everything_on_and_falls_back(place: tuple[Gateway, setups.Place]) -> None:
    setup = installed(lambda: setups.nginx(place[1]))
    with setup.started(place[1].folder) as nginx:
        for want in (*map(Want, QUICK), Want("1k", FALLBACK)):
            check(nginx.port, nginx.ask(want), want)
        assert nginx.pid is not None
        assert len(procs.family(nginx.pid)) == 2  # the master and its worker
        assert procs.listener_pid(nginx.port) in procs.family(nginx.pid)


@pytest.mark.daemon
def test_streams_are_timed_from_their_sending(place: tuple[Gateway, setups.Place]) -> None:
    upstream, _ = place
    seen = loads.streams(upstream.port, upstream.ask(Want("brief")), 5, stagger_ms=20, repeat_ms=0)
    assert seen.count == 5 * 53  # fifty, the end, the usage and [DONE]
    assert seen.seconds > 0.9
    assert 0 < seen.p50_ms <= seen.p99_ms


@pytest.mark.daemon
def test_a_row_is_measured_in_rounds(place: tuple[Gateway, setups.Place]) -> None:
    wants("wrk")
    upstream, _ = place
    entrants = (Entrant("direct", "direct", Want("1k")), Entrant("wrong", "direct", Want("1k", "nothing")))
    case = Case("plain-1k", "Plain", "closed", entrants)
    row = measure(case, 2, {"direct": upstream}, rounds=2, seconds=1)
    assert row.labels() == ["direct"]
    assert len(row.values("direct", "per_s")) == 2
    assert min(row.values("direct", "per_s")) > 100
    assert list(row.failed) == ["wrong"]


@pytest.mark.daemon
def test_a_fixed_rate_is_kept(place: tuple[Gateway, setups.Place]) -> None:
    wants("h2load")
    upstream, _ = place
    seen = loads.fixed_rate(upstream.port, upstream.ask(Want("1k")), per_s=50, seconds=1)
    assert seen.count == 50
    assert seen.seconds > 0.5


def results() -> Results:
    shots = {name: Shot(speed, 1_000 / speed, 3_000 / speed, 1e6 / speed) for name, speed in SPEEDS.items()}
    rows = [
        Row("plain-1k", "Plain", "requests/s", number, [shots] * 3, {"portkey": "500 | no"}) for number in (1, 32)
    ]
    servers = [About("lodestard", [0.5, 0.7, 0.9], 50.0, 80.0, 11.5), About("portkey", missing="not installed")]
    return Results("today", "a machine", 0.1, 0.2, 0.0, 1, 3, {"nginx": "1"}, servers, rows)


def test_the_report_says_what_is_met_missed_and_missing() -> None:
    told = report(results())
    assert "| requests/s, 32 connections (litellm = 1) | 50x | 50 … 50 | >= 60x | MISSED: 1.20x too little |" in told
    assert (
        "| requests/s, 32 connections (nginx = 1) | 0.125x | 0.125 … 0.125 | >= 0.1x | met, with 1.25x in hand |"
        in told
    )
    assert "| requests/s, 32 connections (portkey = 1) | - | - | >= 8x | not measured |" in told
    assert "| ready after | 0.7 s | 0.5 … 0.9 | <= 0.6 s | MISSED: 1.17x too much |" in told
    assert "| portkey | left out: not installed |" in told
    assert "| 32 | portkey | failed: 500 / no |" in told
    assert "| 32 | relay | 8,000 | 8,000 … 8,000 | 0.312x | 0.125 | 0.375 | 125.0 |" in told


def test_what_the_relay_adds_must_be_something() -> None:
    (line, *_) = [line for line in targets.lines(results()) if "p50 added" in line.what and "closed" in line.what]
    assert line.values == pytest.approx([(0.4 - 0.025) / (0.125 - 0.025)] * 3)


def test_a_run_is_kept_and_drawn(tmp_path: Path) -> None:
    write(tmp_path / "run.json", results())
    assert read(tmp_path / "run.json") == results()
    drawn = ET.fromstring(plot(results()))
    bars = [node for node in drawn.iter() if node.tag.endswith("rect")]
    assert len(bars) == 1 + 2 * len(SPEEDS)


def test_every_case_has_lodestar_in_it_and_a_quick_run_has_few() -> None:
    everything = cases(("other",), quick=False)
    assert all(any(entrant.server == "lodestard" for entrant in case.entrants) for case in everything)
    assert any(entrant.server == "other" for case in everything for entrant in case.entrants)
    assert 0 < sum(len(case.quick) for case in cases((), quick=True)) <= 6


def test_only_this_machine_is_a_rival(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--also", "far=http://192.0.2.1:80"])
    assert "is not NAME=http://127.0.0.1:PORT" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("answer_s", "lasted_s", "wanted_s"), [(0.001, 1, 1), (0.25, 1, 3), (0.25, 4, 4), (8.0, 1, 10)]
)
def test_a_slow_server_has_longer_turns(answer_s: float, lasted_s: int, wanted_s: int) -> None:
    assert long_enough_s(answer_s, lasted_s) == wanted_s
