"""The GPU benchmark's own parts work: it is repeatable to the last digit, and its figures add up."""

import random
from itertools import product
from pathlib import Path

import pytest
import trio

from lodestard.simulator.world import Listener, open_simulators
from lodestard.simulator.world import simulate as simulate_listener
from tests.bench.gpu import real
from tests.bench.gpu.baseline import Key, differences, read_baseline, write_baseline
from tests.bench.gpu.clients import GIVE_UP_S
from tests.bench.gpu.command import SEEDS, main, run_one, warn_of_changes
from tests.bench.gpu.docs import BEGINS, FILE, write_docs
from tests.bench.gpu.drive import Run, Sent, simulate
from tests.bench.gpu.figures import read_figures
from tests.bench.gpu.house import MODES, RESIDENT, make_card
from tests.bench.gpu.machines import MACHINES, floor_s
from tests.bench.gpu.targets import LIMITS, RATIOS, write_targets
from tests.bench.gpu.words import code, prose
from tests.bench.gpu.workloads import NAMES, plan_workload
from tests.bench.page import ENDS

SHARE = 0.1


@pytest.mark.parametrize("name", NAMES)
def test_traffic_is_a_function_of_its_seed(name: str) -> None:
    assert plan_workload(name, 1) == plan_workload(name, 1)
    assert plan_workload(name, 1) != plan_workload(name, 2)


@pytest.mark.parametrize("name", NAMES)
def test_every_prompt_fits_the_pinned_context(name: str) -> None:
    for ask in plan_workload(name, 3).asks:
        tokens = sum(len(text) // 4 + 4 for _, text in ask.messages)
        assert tokens + len(ask.answer) // 4 < 4096, ask.name


def test_a_quick_look_has_every_workload_and_mode(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--quick", "--machines", "x1", "--seeds", "1", "--workloads", "back-to-back", "saturated"]) == 0
    told = capsys.readouterr().out
    for row in product(("back-to-back", "saturated"), ("x1",), [mode for mode in MODES if mode != "taught"]):
        assert f"| {' | '.join(row)} |" in told
    assert "| x1 | llama3.1:8b | 17 of 33 | 3.13 | 156 | 13.3 |" in told
    assert "skipped, it was not asked for" in told


def test_a_run_that_came_out_otherwise_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    key = Key("fifo", "gaps", "x1", 1)
    assert warn_of_changes({key: {"swaps": 2.0}}, {key: {"swaps": 2.0}}) == 0
    assert warn_of_changes({key: {"swaps": 2.0}}, {key: {"swaps": 3.0}}) == 1
    assert "fifo gaps x1 1 is not the baseline any more: swaps 3.0 -> 2.0" in capsys.readouterr().err


def test_a_baseline_is_read_as_it_was_written(tmp_path: Path) -> None:
    runs = {Key("fifo", "gaps", "x1", 1): {"swaps": 2.0}, Key("agreed", "mixed", "x1.5", 2): {"lost_s": 0.5}}
    write_baseline(runs, tmp_path / "baseline.json")
    assert read_baseline(tmp_path / "baseline.json") == runs


def test_one_client_that_alternates_pays_the_floor_each_time_and_no_more() -> None:
    run = simulate("back-to-back", "x1", "fifo", 1, SHARE)
    figures = read_figures(run, "x1")
    assert figures["swaps"] == figures["answered"] == len(run.workload.asks)
    assert figures["switch_p50_of_floor"] == 1.0
    floors_s = sum(floor_s(MACHINES["x1"], ask.model) for ask in run.workload.asks)
    assert figures["lost_s"] == pytest.approx(floors_s, abs=0.01)


def test_who_typed_on_waited_for_nothing_and_who_gave_up_did() -> None:
    workload = plan_workload("mixed", 1, SHARE)
    left = [ask for ask in workload.asks if ask.patience_s is not None]
    run = Run(workload, ended_s=100.0, card=make_card(MACHINES["x1"], workload))
    for ask in left:
        run.sent.append(Sent(ask, asked_s=0.0, left_s=ask.patience_s))
    figures = read_figures(run, "x1")
    assert figures["typed_on"] == sum(ask.superseded for ask in left) > 0
    assert figures["gave_up"] == len(left) - figures["typed_on"] > 0
    assert figures["autocomplete_start_p50_s"] == GIVE_UP_S


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("127.0.0.1", ("127.0.0.1", 11434)),
        ("http://127.0.0.1:9/", ("127.0.0.1", 9)),
        (":9", ("127.0.0.1", 9)),
    ],
)
def test_ollama_host_in_its_usual_forms(text: str, place: tuple[str, int]) -> None:
    assert real.read_host({"OLLAMA_HOST": text}) == place


@pytest.mark.parametrize("text", ["", "https://127.0.0.1/x", "127.0.0.1:port"])
def test_what_is_no_ollama_host_is_a_reason_to_skip(text: str) -> None:
    with pytest.raises(real.NoOllama):
        real.read_host({"OLLAMA_HOST": text})


async def test_the_same_traffic_goes_to_a_server_on_the_real_clock() -> None:
    where = Listener(kind="ollama")
    async with open_simulators({where: simulate_listener(where, "instant")}) as (upstream,):
        host, port = upstream.url.removeprefix("http://").split(":")
        found = await real.measure(host, int(port), {"back-to-back": SHARE})
    assert {mode for _, mode in found} == set(real.MODES)
    assert {figures["answered"] for figures in found.values()} == {4}


async def test_a_closed_port_is_a_reason_to_skip() -> None:
    with trio.socket.socket() as closed:
        await closed.bind(("127.0.0.1", 0))
        with pytest.raises(real.NoOllama, match="does not answer"):
            await real.measure(*closed.getsockname())


def test_words_have_the_length_that_was_asked_for() -> None:
    luck = random.Random(1)
    assert {len(make(luck, tokens)) / 4 for make in (code, prose) for tokens in (7, 7, 300)} == {7, 300}


def test_what_a_run_has_taught_is_known_to_the_next_one() -> None:
    """The first switches of a first day wait for a load; with another seed's habits none does."""
    first, later = (run_one(Key(mode, "gaps", "x1", 1), 0.6) for mode in RESIDENT)
    assert first["switch_p95_s"] == pytest.approx(floor_s(MACHINES["x1"], "llama3.1:8b"), abs=0.001)
    assert later["switch_p95_s"] == 0.0
    assert later["models_at_once"] == 1


def test_a_target_is_met_or_missed_by_so_much() -> None:
    key = Key("residency", "saturated", "x1", 1)
    runs = {key: {"swaps_per_100": 10.0, "answered_per_h": 300.0, "aborted_loads": 1.0, "most_mb": 3000.0}}
    baseline = {key._replace(mode="fifo"): {"swaps_per_100": 50.0, "answered_per_h": 250.0}}
    told = "\n".join(write_targets(runs, baseline))
    assert "| model swaps per answer, at most 1/4 | saturated | fifo | 0.2 **met** |" in told
    assert "| throughput at saturation, at least 1.5 | saturated | fifo | 1.2 missed by 20% |" in told
    assert "| loads that a client's leaving aborted | all, the worst run |  | 1 missed |" in told
    assert "| most on the card, in MB of its 4,295 | all, the worst run |  | 3000 **met** |" in told


def test_where_the_other_one_made_no_swap_there_is_no_ratio() -> None:
    key = Key("residency", "busy", "x1", 1)
    told = list(write_targets({key: {"swaps_per_100": 10.0}}, {key._replace(mode="agreed"): {"swaps_per_100": 0.0}}))
    assert "| model swaps per answer, at most 1/4 | busy | agreed | none there |" in told


def test_only_the_generated_part_of_the_page_is_written(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(f"before\n{BEGINS}\nold\n{ENDS}\nafter\n")
    write_docs(["new"], page)
    assert page.read_text() == f"before\n{BEGINS}\n\nnew\n\n{ENDS}\nafter\n"
    page.write_text("no place")
    with pytest.raises(ValueError, match="no place for"):
        write_docs(["new"], page)


def test_the_page_has_every_target() -> None:
    page = FILE.read_text()
    assert not [target.title for target in (*RATIOS, *LIMITS) if f"| {target.title} |" not in page]


@pytest.mark.parametrize("mode", MODES)
def test_the_same_run_gives_the_same_figures(mode: str) -> None:
    key = Key(mode, "mixed", "x1", 5)
    assert not differences(run_one(key, SHARE), run_one(key, SHARE))


def test_the_committed_baseline_is_what_comes_out_today() -> None:
    baseline = read_baseline()
    for key in (Key("fifo", "back-to-back", "x1", 1), Key("agreed", "gaps", "x1.5", 2)):
        assert not differences(run_one(key, 1.0), baseline[key])


def test_the_committed_baseline_is_whole() -> None:
    baseline = read_baseline()
    assert {Key("fifo", *key) for key in product(NAMES, ("x1", "x0.5", "x1.5"), SEEDS)} <= baseline.keys()
    assert {Key(*key, SEEDS[0]) for key in product(set(MODES) - {*RESIDENT}, NAMES, MACHINES)} <= baseline.keys()
