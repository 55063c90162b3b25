"""How a card's findings come and go, what its energy sums to, and what is known of it at a moment."""

from decimal import Decimal
from itertools import pairwise
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lodestard.domain.residency import ModelState
from lodestard.domain.telemetry import Energy, Finding, Telemetry
from lodestard.modules.gpu.diagnose import JUDGES, diagnose
from lodestard.modules.gpu.diagnose_models import spill_percent
from lodestard.modules.gpu.energy import Meter, cost_of, energy_of, measure
from lodestard.modules.gpu.hysteresis import Held, Holdings, look, shown_findings
from lodestard.modules.gpu.settings import Card, GpuSettings
from lodestard.modules.gpu.standing import FIRST, Known, learn, stand
from lodestard.modules.gpu.thresholds import THRESHOLDS
from lodestard.modules.gpu.troubles import Trouble
from lodestard.modules.gpu.words import alert_of, all_clear_of, in_words
from tests.fakes.gpu_recordings import WHOLE, a_host, a_model

S = 1_000_000_000
BUSY = Telemetry(
    source="exporter",
    state="ok",
    card="NVIDIA T600",
    used_percent=97,
    memory_used_bytes=3_568 * 2**20,
    memory_total_bytes=2**32,
    temperature_c=61,
    power_w=39.62,
    power_limit_w=40,
    power_default_w=40,
    clock_mhz=1_305,
    clock_max_mhz=2_100,
    pcie_generation=3,
    pcie_generation_max=3,
    pcie_width=16,
    pcie_width_max=16,
    throttled=("sw_power_cap",),
)
UNREACHED = Trouble(code="unreachable", text="nobody listens")


def a_finding(code: str = "hot", severity: str = "warning", text: str = "it is hot") -> Finding:
    return Finding(code=code, severity=severity, text=text, hint="Cool it.")  # type: ignore[arg-type]


HOT = a_finding()


# -- diagnosis ---------------------------------------------------------------------------------------------------


def codes(card: Telemetry, **members: object) -> list[str]:
    return [finding.code for finding in diagnose(msgspec.structs.replace(card, **members), WHOLE)]


@pytest.mark.parametrize(
    ("members", "expected"),
    [
        ({}, []),
        ({"temperature_c": 86}, []),
        ({"temperature_c": 87}, ["hot"]),
        ({"temperature_c": 87, "temperature_limit_c": 98}, []),
        ({"temperature_c": 87, "throttled": ("hw_thermal",)}, ["thermal_throttling"]),
        ({"temperature_c": None, "throttled": ("sw_thermal",)}, ["thermal_throttling"]),
        ({"throttled": ("hw_slowdown",)}, ["hardware_slowdown"]),
        ({"throttled": ("hw_slowdown", "hw_power_brake")}, ["power_brake"]),
        ({"power_limit_w": 36}, []),
        ({"power_limit_w": 35}, ["power_limit_lowered"]),
        ({"power_limit_w": 35, "power_default_w": None}, []),
        ({"power_limit_w": None}, []),
        ({"power_limit_w": 35, "used_percent": 59}, []),
        ({"clock_mhz": 1_049}, ["at_power_limit"]),
        ({"clock_mhz": 1_049, "used_percent": None}, []),
        ({"clock_mhz": 700, "throttled": ()}, ["clocks_low"]),
        ({"clock_mhz": 740, "throttled": ()}, []),
        ({"clock_mhz": 700, "throttled": (), "clock_max_mhz": None}, []),
        ({"clock_mhz": 700, "throttled": ("sync_boost",)}, []),
        ({"pcie_width": 8}, ["pcie_degraded"]),
        ({"pcie_generation": 1, "used_percent": 30}, []),
        ({"pcie_generation": 1, "pcie_generation_max": None}, []),
        ({"xid": 79}, ["gpu_lost"]),
        ({"xid": 13}, []),
        ({"state": "stale", "age_s": 45.0, "temperature_c": 99}, ["stale"]),
        ({"state": "unknown", "fault": "no_driver", "problem": "p", "temperature_c": 99}, ["no_driver"]),
        ({"fault": "several_cards", "problem": "p", "temperature_c": 99}, ["hot", "several_cards"]),
    ],
)
def test_where_the_thresholds_are(members: dict[str, object], expected: list[str]) -> None:
    assert codes(BUSY, **members) == expected


def test_nothing_is_concluded_from_what_is_unknown() -> None:
    blank = Telemetry(source="ssh", state="ok")
    assert [judge(blank, THRESHOLDS) for judge in JUDGES] == [None] * len(JUDGES)
    assert diagnose(blank, None) == diagnose(blank, WHOLE) == ()
    assert diagnose(msgspec.structs.replace(blank, state="unknown"), a_host(reachable=None)) == ()


def test_how_much_of_a_model_is_on_the_cpu() -> None:
    assert spill_percent(a_model(cpu_percent=35)) == 35
    assert spill_percent(ModelState(model="m", size_bytes=1_000, vram_bytes=650)) == 35
    assert spill_percent(ModelState(model="m", size_bytes=1_000, vram_bytes=2_000)) == 0
    assert spill_percent(ModelState(model="m")) is None


def test_the_worst_of_several_models_is_told() -> None:
    host = a_host(
        ModelState(model="a", resident=True, cpu_percent=5),
        ModelState(model="b", resident=True, cpu_percent=40),
        ModelState(model="c", resident=False, cpu_percent=90),
    )
    (finding,) = diagnose(Telemetry(source="ps", state="ok"), host)
    assert finding.text == "40 % of layers on the CPU: b"


# -- coming and going --------------------------------------------------------------------------------------------


def play(presence: list[bool], step_s: float = 10) -> tuple[list[bool], list[int], int, int]:
    """Whether it is shown after each look, when it appeared, how many alarms there were, how often it went."""
    holdings: Holdings = {}
    shown, appeared, alarms, gone = [], [], 0, 0
    for index, present in enumerate(presence):
        change = look(holdings, [HOT] if present else [], index * step_s, THRESHOLDS)
        holdings = change.holdings
        shown.append(bool(shown_findings(holdings)))
        appeared += [index] * len(change.appeared)
        alarms += len(change.alarms)
        gone += len(change.gone)
    return shown, appeared, alarms, gone


def test_it_appears_when_it_has_held_and_goes_when_it_is_gone_for_a_while() -> None:
    shown, appeared, alarms, gone = play([True] * 6 + [False] * 8)
    assert shown == [False] * 3 + [True] * 9 + [False] * 2
    assert (appeared, alarms, gone) == ([3], 1, 1)


def test_three_looks_are_needed_however_far_apart_they_are() -> None:
    assert play([True] * 3, step_s=60)[0] == [False, False, True]


@given(st.lists(st.booleans(), max_size=6), st.integers(1, 60), st.integers(1, 5))
def test_what_alternates_never_flaps(before: list[bool], looks: int, period: int) -> None:
    """A run shorter than the hold changes nothing, in either direction."""
    short = min(period, THRESHOLDS.appear_readings - 1, THRESHOLDS.gone_readings - 1)
    alternating = [(index // short) % 2 == 0 for index in range(looks)]
    settled = [True] * 10 if before and before[0] else [False] * 10
    shown, *_ = play(settled + alternating, step_s=10)
    assert len(set(shown[9:])) == 1
    assert shown[-1] == settled[0]


@given(st.lists(st.booleans(), max_size=80), st.sampled_from([1.0, 10.0, 30.0, 120.0]))
def test_every_change_has_held(presence: list[bool], step_s: float) -> None:
    shown, appeared, alarms, gone = play(presence, step_s)
    assert alarms == len(appeared)
    assert gone in (len(appeared), len(appeared) - 1)
    for index in range(1, len(shown)):
        if shown[index] == shown[index - 1]:
            continue
        looks = THRESHOLDS.appear_readings if shown[index] else THRESHOLDS.gone_readings
        for_s = THRESHOLDS.appear_s if shown[index] else THRESHOLDS.gone_s
        needed = max(looks, int(-(-for_s // step_s)) + 1)
        assert presence[index - needed + 1 : index + 1] == [shown[index]] * needed


def test_one_that_grows_worse_is_told_then() -> None:
    holdings: Holdings = {}
    mild = a_finding("model_spill", "info", "12 %")
    for second in (0, 10, 20, 30, 40):
        change = look(holdings, [mild], second, THRESHOLDS)
        holdings = change.holdings
        assert change.alarms == ()
    worse = a_finding("model_spill", "warning", "40 %")
    change = look(holdings, [worse], 50, THRESHOLDS)
    assert [held.finding for held in change.alarms] == [worse]
    assert change.appeared == ()
    assert shown_findings(change.holdings) == (worse,)
    assert look(change.holdings, [worse], 60, THRESHOLDS).alarms == ()


def test_findings_are_apart_by_their_code() -> None:
    holdings: Holdings = {}
    for second in range(0, 70, 10):
        found = [HOT] if second < 30 else [HOT, a_finding("pcie_degraded")]
        holdings = look(holdings, found, second, THRESHOLDS).holdings
    assert [finding.code for finding in shown_findings(holdings)] == ["hot", "pcie_degraded"]


# -- what is known now -------------------------------------------------------------------------------------------


def test_a_reading_grows_old() -> None:
    known = learn(Known(), BUSY, 5 * S)
    fresh, old = stand(known, "exporter", 35 * S, 30), stand(known, "exporter", 36 * S, 30)
    assert (fresh.state, fresh.age_s, fresh.temperature_c) == ("ok", 30, 61)
    assert (old.state, old.age_s, old.temperature_c) == ("stale", 31, 61)


def test_a_failed_try_takes_nothing_away_for_a_while() -> None:
    known = learn(learn(Known(), BUSY, 0), UNREACHED, 10 * S)
    soon, later = stand(known, "exporter", 20 * S, 30), stand(known, "exporter", 31 * S, 30)
    assert (soon.state, soon.problem, soon.fault, soon.temperature_c) == ("ok", "nobody listens", "unreachable", 61)
    assert (later.state, later.problem, later.fault) == ("unknown", "nobody listens", "unreachable")
    assert (later.temperature_c, later.card, later.age_s) == (None, "NVIDIA T600", 31)
    healed = stand(learn(known, BUSY, 40 * S), "exporter", 40 * S, 30)
    assert (healed.state, healed.problem, healed.fault) == ("ok", "", "")


def test_before_the_first_reading_all_is_unknown() -> None:
    nothing = stand(Known(), "ssh", 100 * S, 30)
    assert nothing == Telemetry(source="ssh", state="unknown", problem=FIRST)
    assert diagnose(nothing, None) == ()
    refused = stand(learn(Known(), UNREACHED, 0), "dcgm", 0, 30)
    assert (refused.state, refused.fault, refused.age_s) == ("unknown", "unreachable", None)


def test_a_card_that_is_lost_is_unknown_at_once() -> None:
    lost = Telemetry(source="local", state="unknown", fault="gpu_lost", problem="lost")
    assert stand(learn(Known(), lost, 0), "local", 5 * S, 30).state == "unknown"


# -- energy ------------------------------------------------------------------------------------------------------

steps = st.lists(
    st.tuples(st.floats(0.01, 100), st.none() | st.floats(0, 500)), max_size=50
)  # seconds since the last, watts


@given(steps, st.floats(1, 60))
def test_energy_is_the_area_below_what_is_known(readings: list[tuple[float, float | None]], gap_s: float) -> None:
    meter, now_s, points = Meter(), 1_000.0, []
    for after_s, power_w in readings:
        now_s += after_s
        meter = measure(meter, now_s, power_w, gap_s)
        points.append((now_s, power_w))
    area = measured_s = 0.0
    for (start_s, before_w), (end_s, after_w) in pairwise(points):
        if before_w is not None and after_w is not None and end_s - start_s <= gap_s:
            area += (before_w + after_w) / 2 * (end_s - start_s)
            measured_s += end_s - start_s
    assert meter.watt_seconds == pytest.approx(area)
    assert meter.measured_s == pytest.approx(measured_s)
    assert (energy_of(meter, Decimal(0), "") is None) == (meter.measured_s == 0)


def test_what_energy_costs() -> None:
    meter = Meter()
    for hour in range(25):
        meter = measure(meter, hour * 3_600, 40, 3_600)
    assert energy_of(meter, Decimal("0.31"), "EUR") == Energy(
        watt_seconds=40 * 86_400, measured_s=86_400, cost="0.2976", currency="EUR"
    )
    assert energy_of(meter, Decimal(0), "EUR") == Energy(watt_seconds=40 * 86_400, measured_s=86_400)
    assert [cost_of(watt_seconds, Decimal("0.30")) for watt_seconds in (0, 600, 1_800, 3.6e15)] == [
        "0.0000", "0.0000", "0.0002", "300000000.0000",
    ]  # fmt: skip


def test_a_clock_that_stands_still_or_goes_back_counts_nothing() -> None:
    meter = measure(measure(Meter(), 100, 40, 30), 90, 40, 30)
    assert (meter.watt_seconds, meter.measured_s, meter.last_s) == (0, 0, 90)


# -- words -------------------------------------------------------------------------------------------------------


def test_a_card_in_one_line() -> None:
    spill = a_finding("model_spill", "warning", "35 % of layers on the CPU: context 8192")
    energy = Energy(watt_seconds=1_500_000, measured_s=60_000, cost="0.1292", currency="EUR")
    assert in_words(msgspec.structs.replace(BUSY, findings=(spill,), energy=energy)) == (
        "NVIDIA T600, 97 % busy, 3.5 of 4.0 GiB, 61 °C, 39.6 of 40 W, 0.417 kWh (0.1292 EUR); "
        "35 % of layers on the CPU: context 8192"
    )
    assert in_words(Telemetry(source="ps", state="ok", memory_used_bytes=2**31)) == "2.0 GiB"
    assert in_words(Telemetry(source="ps", state="unknown", problem="no driver")) == "unknown: no driver"
    lost = a_finding("gpu_lost", "error", "it is lost")
    assert in_words(Telemetry(source="ps", state="unknown", problem="it is lost", findings=(lost,))) == (
        "unknown: it is lost"
    )
    assert in_words(msgspec.structs.replace(BUSY, state="stale", card="")).startswith("stale: 97 % busy")


def test_what_is_told_has_one_topic_and_keys_of_its_own() -> None:
    held = Held(finding=HOT, present=True, since_s=0, shown_s=30)
    found, gone = alert_of("t600", held, 5), all_clear_of("t600", held, 9)
    assert (found.severity, found.title, found.text) == ("warning", "GPU of t600: it is hot", "Cool it.")
    assert (gone.severity, gone.title) == ("info", "GPU of t600: no longer: it is hot")
    assert found.topic == gone.topic == "gpu:t600:hot"
    assert len({found.key, gone.key, alert_of("t600", held, 6).key}) == 3
    assert found.source == gone.source == "gpu"


# -- settings ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("members", "says"),
    [
        ({"source": "exporter"}, "url"),
        ({"source": "dcgm", "url": "ftp://x"}, "url"),
        ({"source": "local", "url": "http://x/metrics"}, "url"),
        ({"source": "ssh"}, "ssh"),
        ({"source": "ssh", "ssh": ("ssh", "")}, "ssh"),
        ({"source": "ps", "ssh": ("ssh", "x")}, "ssh"),
        ({"source": "local", "gpu": "0; rm -rf /"}, "gpu"),
        ({"source": "local", "gpu": "-h"}, "gpu"),
        ({"source": "local", "gpu": "x" * 65}, "gpu"),
    ],
)
def test_a_wrong_table_is_refused(members: dict[str, object], says: str) -> None:
    with pytest.raises(ValueError, match=f"^{says}: "):
        Card(**members)  # type: ignore[arg-type]


def test_a_right_table_is_taken() -> None:
    Card(source="exporter", url="http://192.168.1.50:9835/metrics")
    Card(source="ssh", ssh=("ssh", "gpu-box"), gpu="GPU-5b0c6f0e-3a41-7d52-9c1b-2f6a8e4d7130")
    wrong: tuple[dict[str, Any], ...] = (
        {"tariff_per_kwh": Decimal(-1)}, {"tariff_per_kwh": Decimal(1_001)}, {"currency": "E U"},
    )  # fmt: skip
    for members in wrong:
        with pytest.raises(ValueError, match=f"^{next(iter(members))}: "):
            GpuSettings(**members)
