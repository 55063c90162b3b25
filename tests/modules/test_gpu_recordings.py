"""Recorded output of nvidia-smi, nvidia_gpu_exporter and dcgm-exporter, each with what must be made of it.

A recording is played to a watch at its own pace, one reading every 10 s, the last one for two minutes; what the watch
shows then is the diagnosis. The figures are those of a T600 (4 GB, 40 W); the faults are its owner's.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

import pytest

from lodestard.domain.residency import HostState
from lodestard.domain.telemetry import Finding, Source, Telemetry
from lodestard.modules.gpu.loop import Watch
from lodestard.modules.gpu.page_source import PageReader
from lodestard.modules.gpu.ps_reading import read_ps
from lodestard.modules.gpu.settings import Card, GpuSettings
from lodestard.modules.gpu.smi_source import Ended, SmiSource
from lodestard.modules.gpu.troubles import Trouble
from tests.fakes.gpu_recordings import EMPTY, RECORDINGS, WHOLE, a_host, a_model, recorded

INTERVAL_S = 10
LOOKS = 13
News = Telemetry | Trouble


@dataclass
class SteppedClock:
    now_s: int = 1_000

    def now_ms(self) -> int:
        return self.now_s * 1_000

    def monotonic_ns(self) -> int:
        return self.now_s * 1_000_000_000


@dataclass(frozen=True)
class Case:
    """``files`` are readings one after the other (``prom``, ``html``), or one run of nvidia-smi (``csv``, ``txt``).

    ``status``: what nvidia-smi ended with, None where it runs on. ``expected``: codes with their severities, the
    worst first; ``says``: a part of the first one's text; ``hints``: of its hint.
    """

    files: tuple[str, ...]
    expected: dict[str, str] = field(default_factory=dict)
    says: str = ""
    hints: str = ""
    source: Source = "local"
    status: int | None = None
    host: HostState | None = WHOLE
    gpu: str = ""

    def __str__(self) -> str:
        return f"{self.files[0] if self.files else self.source}{'' if self.host is WHOLE else ' with a host'}"


def csv(name: str, expected: dict[str, str], says: str = "", **members: object) -> Case:
    return Case((name,), expected, says, **members)  # type: ignore[arg-type]


def page(name: str, expected: dict[str, str], says: str = "", **members: object) -> Case:
    source = "dcgm" if name.startswith("dcgm") else "exporter"
    return Case((name,), expected, says, source=source, **members)  # type: ignore[arg-type]


SPILLED = a_host(a_model(cpu_percent=35, context_tokens=8_192))
SPILLED_SHORT = a_host(a_model(cpu_percent=35))

FAULTS: Sequence[Case] = (
    # -- the model and the memory
    csv("spill.csv", {"model_spill": "warning"}, "35 % of layers on the CPU: context 8192", host=SPILLED,
        hints="Lower num_ctx"),
    csv("spill.csv", {"model_spill": "warning"}, "35 % of layers on the CPU: context 4096", host=SPILLED_SHORT,
        hints="quantisation"),
    csv("spill.csv", {"model_spill": "info"}, "12 % of layers on the CPU", host=a_host(a_model(cpu_percent=12))),
    csv("spill_with_room.csv", {"model_spill": "warning"}, "35 %", hints="1.5 GiB of the card are free",
        host=a_host(a_model(cpu_percent=35, vram_mib=2_500))),
    csv("healthy_idle.csv", {"model_on_cpu": "error"}, "deepseek-coder:6.7b is on the CPU alone",
        host=a_host(a_model(cpu_percent=100, vram_mib=0))),
    csv("foreign_memory.csv", {"foreign_memory": "warning"}, "1.8 GiB of its memory are no model's", host=EMPTY),
    csv("foreign_memory.csv", {"foreign_memory": "warning", "model_spill": "warning"}, "1.4 GiB",
        host=a_host(a_model(cpu_percent=91, vram_mib=450))),
    # -- heat and power
    csv("hot.csv", {"hot": "warning"}, "90 °C: it slows down at about 93 °C"),
    csv("thermal_software.csv", {"thermal_throttling": "warning"}, "too hot at 92 °C: its clocks are lowered"),
    csv("thermal_hardware.csv", {"thermal_throttling": "error"}, "too hot at 98 °C: its clocks are halved"),
    csv("power_limit_lowered.csv", {"power_limit_lowered": "warning"}, "25 of 40 W", hints="--power-limit=40"),
    csv("at_power_limit.csv", {"at_power_limit": "info"}, "at its power limit of 40 W: 915 of 2100 MHz"),
    csv("power_brake.csv", {"power_brake": "error"}, "the power supply"),
    # -- clocks and the link
    csv("clocks_stuck.csv", {"clocks_low": "warning"}, "300 of 2100 MHz", hints="Reload the driver"),
    csv("clocks_fixed.csv", {"clocks_low": "warning"}, "600 of 2100 MHz", hints="--reset-gpu-clocks"),
    csv("pcie_degraded.csv", {"pcie_degraded": "warning"}, "PCIe generation 1 x4 under load, where generation 3 x16"),
    # -- the card, its driver, and the way to it
    csv("lost_midway.csv", {"gpu_lost": "error"}, "fallen off the bus", status=15),
    csv("lost_midway.csv", {"gpu_lost": "error"}, "fallen off the bus"),
    csv("unknown_error.csv", {"gpu_lost": "error"}, "errors in place of figures"),
    csv("handle_unknown.txt", {"gpu_lost": "error"}, "", status=6, host=None),
    csv("requires_reset.csv", {"reset_needed": "error"}, "needs a reset"),
    csv("no_driver.txt", {"no_driver": "error"}, "driver is not loaded", status=9, hints="modprobe"),
    csv("no_nvml.txt", {"no_nvml": "error"}, "NVML library is missing", status=12),
    csv("library_mismatch.txt", {"library_mismatch": "error"}, "different versions", status=18, hints="reboot"),
    csv("not_found.txt", {"not_found": "error"}, "not installed", status=127, source="ssh"),
    csv("ssh_refused.txt", {"ssh_failed": "error"}, "port 22: Connection refused", status=255, source="ssh"),
    csv("ssh_key.txt", {"ssh_failed": "error"}, "Permission denied (publickey)", status=255, source="ssh"),
    # -- exporters
    page("exporter_no_driver.prom", {"exporter_failing": "error"}, "its nvidia-smi fails: the NVIDIA driver is not"),
    page("exporter_mismatch_old.prom", {"exporter_failing": "error"}, "different versions"),
    page("exporter_timeout.prom", {"exporter_failing": "error"}, "it could not be run, or took too long"),
    page("exporter_reset.prom", {"reset_needed": "error"}, host=EMPTY),
    page("exporter_thermal.prom", {"thermal_throttling": "warning"}, "too hot at 91 °C: its clocks are lowered"),
    page("exporter_thermal_flags.prom", {"thermal_throttling": "error"}, "too hot at 97 °C"),
    page("exporter_near_limit.prom", {"hot": "warning"}, "78 °C: it slows down at about 82 °C"),
    page("exporter_two_cards.prom", {"several_cards": "info"}, "2 cards are there"),
    page("exporter_healthy_busy.prom", {"no_such_card": "error"}, "no card 1 is on its page", gpu="1"),
    page("exporter_empty.prom", {"no_figures": "error"}, hints="Check source"),
    page("no_page.html", {"page_unreadable": "error"}, "none for Prometheus"),
    page("dcgm_lost.prom", {"gpu_lost": "error"}, "Xid 79"),
    page("dcgm_hardware_error.prom", {"hardware_error": "warning"}, "Xid 62"),
    page("dcgm_49_hot.prom", {"hot": "warning"}, "84 °C: it slows down at about 87 °C"),
    page("dcgm_throttled.prom", {"thermal_throttling": "error"}, "too hot at 99 °C"),
    Case(("exporter_healthy_busy.prom",), {"no_figures": "error"}, "dcgm-exporter", source="dcgm"),
    # -- the server alone
    Case((), {"model_spill": "warning"}, "35 % of layers on the CPU: context 8192", source="ps", host=SPILLED),
    Case((), {"no_residency": "info"}, source="ps", host=None),
    Case((), {"host_unreachable": "info"}, source="ps", host=a_host(reachable=False)),
)  # fmt: skip

HEALTHY: Sequence[Case] = (
    csv("healthy_idle.csv", {}, host=EMPTY),
    csv("healthy_idle.csv", {}, host=None),
    csv("healthy_idle_loaded.csv", {}),
    csv("healthy_busy.csv", {}),
    csv("healthy_no_power.csv", {}),
    csv("healthy_little_said.csv", {}),
    csv("healthy_blips.csv", {}),
    csv("foreign_memory.csv", {}, host=a_host(step="loading")),  # a model that comes is in nobody's list yet
    csv("foreign_memory.csv", {}, host=a_host(step="paused")),  # lent to somebody else
    csv("foreign_memory.csv", {}, host=a_host(reachable=None)),
    csv("foreign_memory.csv", {}, host=None),
    page("exporter_healthy_busy.prom", {}),
    page("exporter_healthy_idle.prom", {}, host=EMPTY),
    page("exporter_healthy_idle.prom", {}, host=EMPTY, gpu="GPU-5B0C6F0E-3a41-7d52-9c1b-2f6a8e4d7130"),
    page("exporter_two_cards.prom", {}, gpu="0"),
    page("dcgm_healthy.prom", {}),
    page("dcgm_program_error.prom", {}),
    page("dcgm_blank.prom", {}),
    Case((), {}, source="ps", host=WHOLE),
)


def play(case: Case) -> Iterator[News]:
    """The news of a recording; the last one again and again."""
    latest: list[News] = []
    if case.source == "ps":
        latest.append(read_ps(case.host))
    elif case.source in ("exporter", "dcgm"):
        reader = PageReader(case.source, case.gpu)
        latest += [reader.read(recorded(name)) for name in case.files]
    else:
        latest += run_of_smi(case)
    yield from latest
    while True:
        yield latest[-1]


def run_of_smi(case: Case) -> list[News]:
    """One run of nvidia-smi, line by line, and how it ended."""
    heard: list[News] = []
    card = (
        Card(source="local", gpu=case.gpu) if case.source == "local" else Card(source="ssh", ssh=("ssh", "gpu-box"))
    )
    source = SmiSource(card, INTERVAL_S, heard.append)
    words: list[str] = []
    rows = sum(source.take([line], words) for line in recorded(case.files[0]).splitlines() if line.strip())
    trouble = None if case.status is None else source.judge(Ended(status=case.status, words=words, rows=rows))
    if trouble is not None:
        heard.append(trouble)
    return heard


def watch(case: Case, tell: Callable[[Sequence[Finding]], None] = lambda _shown: None) -> Telemetry:
    """What a watch shows after two minutes of it; ``tell`` sees what it shows at each look."""
    clock = SteppedClock()
    card = Card(source="ps")
    watched = Watch("t600", card, GpuSettings(), clock)
    news = play(case)
    for _ in range(LOOKS):
        watched.hear(next(news))
        watched.judge(case.host)
        tell(watched.telemetry().findings)
        clock.now_s += INTERVAL_S
    return watched.telemetry()


@pytest.mark.parametrize("case", FAULTS, ids=str)
def test_a_recorded_fault_is_diagnosed_right(case: Case) -> None:
    seen = watch(case)
    assert {finding.code: finding.severity for finding in seen.findings} == case.expected
    first = next(finding for finding in seen.findings if finding.code == next(iter(case.expected)))
    assert case.says in first.text
    assert case.hints in first.hint
    assert first.hint.endswith(".")
    assert not first.text.endswith(".")
    assert "\n" not in first.text


@pytest.mark.parametrize("case", HEALTHY, ids=str)
def test_a_healthy_card_is_left_alone(case: Case) -> None:
    shown: list[Finding] = []
    assert watch(case, shown.extend).findings == ()
    assert shown == []


def test_every_recording_is_played() -> None:
    played = {name for case in (*FAULTS, *HEALTHY) for name in case.files} | {"exporter_flaky.prom"}
    assert played == {path.name for path in RECORDINGS.iterdir()}
    assert len(FAULTS) >= 12


def test_an_exporter_that_fails_now_and_then() -> None:
    """Its own figures are whole each time; the count of what others did not get rises."""
    text = recorded("exporter_flaky.prom")
    reader = PageReader("exporter", "")
    first = reader.read(text)
    again = reader.read(text.replace("failed_scrapes_total 3", "failed_scrapes_total 5"))
    steady = reader.read(text.replace("failed_scrapes_total 3", "failed_scrapes_total 5"))
    restarted = reader.read(text)
    assert [one.fault for one in (first, again, steady, restarted) if isinstance(one, Telemetry)] == [
        "", "exporter_flaky", "", "",
    ]  # fmt: skip
    assert isinstance(again, Telemetry)
    assert again.temperature_c == 61
    assert again.problem.endswith("2 more since the last look")


@pytest.mark.parametrize(
    ("case", "figures"),
    [
        (
            csv("healthy_busy.csv", {}),
            {
                "card": "NVIDIA T600", "uuid": "GPU-5b0c6f0e-3a41-7d52-9c1b-2f6a8e4d7130", "used_percent": 99,
                "memory_used_bytes": 3_568 * 2**20, "memory_total_bytes": 4_096 * 2**20, "temperature_c": 62,
                "temperature_limit_c": None, "power_w": 39.95, "power_limit_w": 40, "power_default_w": 40,
                "clock_mhz": 1_290, "clock_max_mhz": 2_100, "performance_state": "P0", "pcie_generation": 3,
                "pcie_generation_max": 3, "pcie_width": 16, "pcie_width_max": 16, "throttled": ("sw_power_cap",),
            },
        ),
        (
            page("exporter_healthy_busy.prom", {}),
            {
                "card": "NVIDIA T600", "uuid": "5b0c6f0e-3a41-7d52-9c1b-2f6a8e4d7130", "used_percent": 97,
                "memory_used_bytes": 3_568 * 2**20, "memory_total_bytes": 4_096 * 2**20, "temperature_c": 61,
                "power_w": 39.62, "power_limit_w": 40, "power_default_w": 40, "clock_mhz": 1_305,
                "clock_max_mhz": 2_100, "performance_state": "P0", "pcie_generation": 3, "pcie_width_max": 16,
                "throttled": ("sw_power_cap",),
            },
        ),
        (
            page("dcgm_healthy.prom", {}),
            {
                "card": "NVIDIA T600", "used_percent": 97, "memory_used_bytes": 3_568 * 2**20,
                "memory_total_bytes": 4_096 * 2**20, "temperature_c": 61, "power_w": 39.62, "power_limit_w": None,
                "clock_mhz": 1_305, "performance_state": "", "pcie_generation": None, "throttled": (), "xid": None,
            },
        ),
        (
            page("dcgm_49_hot.prom", {}),
            {
                "used_percent": 97, "memory_used_bytes": 3_568 * 2**20, "memory_total_bytes": 4_096 * 2**20,
                "temperature_limit_c": 87, "clock_mhz": 1_305, "power_w": 39.62,
            },
        ),
        (
            page("dcgm_blank.prom", {}),
            {"power_w": None, "temperature_c": None, "xid": None, "used_percent": 97},
        ),
        (
            csv("healthy_little_said.csv", {}),
            {
                "used_percent": None, "power_w": None, "power_limit_w": None, "power_default_w": None,
                "clock_mhz": None, "performance_state": "", "throttled": (), "temperature_c": 61,
            },
        ),
        (
            Case((), source="ps"),
            {"memory_used_bytes": 3_412 * 2**20, "memory_total_bytes": None, "temperature_c": None, "card": ""},
        ),
    ],
    ids=str,
)  # fmt: skip
def test_every_figure_is_read_in_its_unit(case: Case, figures: dict[str, object]) -> None:
    seen = watch(case)
    assert seen.state == "ok"
    for name, value in figures.items():
        number = isinstance(value, int | float)
        assert getattr(seen, name) == (pytest.approx(value) if number else value), name
