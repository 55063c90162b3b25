"""What the doctor finds on hosts and their cards."""

import msgspec
import pytest

from lodestard.control.messages import Finding
from lodestard.control.messages.gpu import GpuCounts, GpuHost
from lodestard.control.verbs.checkup import Facts, UpstreamFacts, gather
from lodestard.control.verbs.doctor import examine
from lodestard.control.verbs.gpu_hosts import say_host
from lodestard.domain.residency import HostState
from lodestard.domain.telemetry import Telemetry
from tests.fakes import gpu_samples as samples
from tests.fakes.control_desk import NOW_MS, SETTINGS, FakeDesk, make_runtime
from tests.fakes.residency_desk import FakeResidency

UP = UpstreamFacts()
WELL = msgspec.structs.replace(samples.IDLE, models=(msgspec.structs.replace(samples.LLAMA_MODEL, cpu_percent=3),))


def findings(*hosts: GpuHost, upstreams: dict[str, UpstreamFacts] | None = None) -> tuple[Finding, ...]:
    facts = Facts(now_ms=NOW_MS, upstreams=upstreams or {"t600": UP, "gamer": UP}, cards=hosts)
    return examine(facts, running=True).findings


def host(state: HostState = WELL, card: Telemetry | None = None, **members: object) -> GpuHost:
    return msgspec.structs.replace(say_host(state, card), **members)


def model(**members: object) -> GpuHost:
    return host(msgspec.structs.replace(WELL, models=(msgspec.structs.replace(samples.LLAMA_MODEL, **members),)))


def test_a_card_that_is_well_is_no_finding() -> None:
    assert findings(host(), host(samples.NEW)) == ()
    assert findings(host(samples.LENT)) != ()  # its other model is missing


@pytest.mark.parametrize(
    ("given", "code", "severity", "says", "mend"),
    [
        (host(samples.DOWN), "host_unreachable", "error", "connection refused", "Ollama"),
        (host(samples.LENT), "model_missing", "error", "deepseek-coder:6.7b", "models pull t600/deepseek-coder:6.7b"),
        (model(), "model_on_cpu", "warning", "35 % of llama3.1:8b", "num_ctx"),
        (
            model(resident=False, warm=True, cpu_percent=None),
            "warm_absent",
            "warning",
            "llama3.1:8b should be",
            "lodestarctl warm llama3.1:8b",
        ),
        (
            model(cpu_percent=0, options={"num_ctx": 8_192}),
            "context_differs",
            "warning",
            "a context of 4,096, not 8,192",
            "num_ctx",
        ),
        (host(counts=GpuCounts(unplanned=1)), "unplanned_loads", "warning", "once", "ask Lodestar"),
        (host(counts=GpuCounts(unplanned=1_200)), "unplanned_loads", "warning", "1,200 times", "ask Lodestar"),
        (host(card=samples.UNKNOWN), "card_unknown", "info", "ssh failed", "[modules.gpu]"),
        (host(card=samples.READING), "card_model_spill", "warning", "35 % of layers", "OLLAMA_KV_CACHE_TYPE"),
    ],
)
def test_each_finding_says_what_it_is_and_how_to_mend_it(
    given: GpuHost, code: str, severity: str, says: str, mend: str
) -> None:
    (finding,) = findings(given)
    assert (finding.code, finding.severity) == (code, severity)
    assert says in finding.what
    assert mend in finding.mend


def test_the_same_is_never_told_twice() -> None:
    spilled = host(msgspec.structs.replace(WELL, models=(samples.LLAMA_MODEL,)), samples.READING)
    assert [found.code for found in findings(spilled)] == ["card_model_spill"]
    down = {"gamer": UpstreamFacts(error="refused", advice="start it")}
    assert [found.code for found in findings(host(samples.DOWN), upstreams=down)] == ["upstream_down"]
    missing = {"t600": UpstreamFacts(models_missing=(samples.DEEPSEEK,))}
    assert [found.code for found in findings(host(samples.LENT), upstreams=missing)] == ["model_missing"]


async def test_the_running_house_s_cards_are_looked_at() -> None:
    residency = FakeResidency({"t600": samples.LENT})
    facts = await gather(FakeDesk(make_runtime(SETTINGS), residency=residency))
    assert [card.host for card in facts.cards] == ["t600"]
