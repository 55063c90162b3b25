"""Reading faults from text."""

import pytest

from lodestard.simulator.faults import NO_FAULT, Fault, FaultPlan, FaultSyntaxError, parse_fault


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("", Fault()),
        ("slow=0.5", Fault(slow=0.5)),
        ("slow", Fault(slow=1.0)),
        ("cut=10", Fault(cut=10)),
        ("cut-rst=0", Fault(cut_rst=0)),
        ("garbage", Fault(garbage=0)),
        ("status=429; retry-after=3", Fault(status=429, retry_after="3")),
        ("reset", Fault(reset=True)),
        ("stall;slow=2", Fault(stall=0, slow=2.0)),
        ("content_type=text/html", Fault(content_type="text/html")),
        ("no-usage;double-usage", Fault(no_usage=True, double_usage=True)),
        ("oom", Fault(oom=1)),
        ("oom=0", Fault(oom=0)),
        ("big-event", Fault(big_event=17 << 20)),
    ],
)
def test_words(text: str, fault: Fault) -> None:
    assert parse_fault(text) == fault


@pytest.mark.parametrize("text", ["explode", "explode=1", "cut=soon", "status", "slow=now"])
def test_nonsense(text: str) -> None:
    with pytest.raises(FaultSyntaxError):
        parse_fault(text)


def test_order_of_a_plan() -> None:
    plan = FaultPlan(lambda index: Fault(cut=index) if index < 2 else None)
    plan.always = Fault(slow=1)
    plan.queue([None, "reset"])
    assert plan.take(0, "hang") == Fault(hang=True)
    assert plan.take(0, None) == NO_FAULT
    assert plan.take(1, None) == Fault(reset=True)
    assert plan.take(1, None) == Fault(cut=1)
    assert plan.take(2, None) == Fault(slow=1)
    plan.clear()
    assert plan.take(2, None) == NO_FAULT
