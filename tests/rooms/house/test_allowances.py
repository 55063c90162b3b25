"""What providers still take: learned from what they tell, used up, refilled, and waited for."""

import math

import pytest
import trio
import trio.testing
from hypothesis import example, given
from hypothesis import strategies as st

from lodestard.allowances import MOST_KINDS, MOST_TARGETS, Allowances, Bucket
from lodestard.domain.errors import Code, UpstreamFault
from lodestard.domain.upstream import Target
from lodestard.protocols.rate_limits import Told

MODEL = Target("openai", "gpt-4o")


def fields(limit: int, remaining: int, reset: str, kind: str = "requests") -> list[tuple[str, str]]:
    words = {"limit": limit, "remaining": remaining, "reset": reset}
    return [(f"x-ratelimit-{word}-{kind}", str(value)) for word, value in words.items()]


async def test_who_tells_nothing_is_not_waited_for(autojump_clock: trio.testing.MockClock) -> None:
    allowances = Allowances()
    assert not allowances.knows(MODEL)
    assert await allowances.wait_turn(MODEL, 10**9, 0.0) is None
    assert trio.current_time() == 0
    assert allowances.left(MODEL) == {}


async def test_requests_come_back_evenly(autojump_clock: trio.testing.MockClock) -> None:
    allowances = Allowances()
    allowances.learn(MODEL, fields(10, 0, "20s"), 0)
    await allowances.wait_turn(MODEL, 1, 5.0)
    assert trio.current_time() == pytest.approx(2.0, abs=0.01)
    await allowances.wait_turn(MODEL, 1, 5.0)
    assert trio.current_time() == pytest.approx(4.0, abs=0.01)
    await trio.sleep(100)
    assert allowances.left(MODEL) == {"requests": (10, 10)}


async def test_a_wait_that_is_too_long_goes_on_at_once(autojump_clock: trio.testing.MockClock) -> None:
    allowances = Allowances()
    allowances.learn(MODEL, fields(1000, 100, "90s", "tokens"), 0)
    with pytest.raises(UpstreamFault) as caught:
        await allowances.wait_turn(MODEL, 600, 5.0)
    assert trio.current_time() == 0
    fault = caught.value
    assert (fault.code, fault.sent, fault.billed, fault.upstream) == (
        Code.UPSTREAM_RATE_LIMITED,
        False,
        False,
        "openai",
    )
    assert fault.retry_after_s == pytest.approx(50.0)
    assert await allowances.wait_turn(MODEL, 100, 5.0) is not None
    assert allowances.left(MODEL) == {"tokens": (0, 1000)}


async def test_more_than_the_limit_waits_for_all_of_it(autojump_clock: trio.testing.MockClock) -> None:
    allowances = Allowances()
    allowances.learn(MODEL, fields(100, 50, "3s", "tokens"), 0)
    await allowances.wait_turn(MODEL, 10**6, 5.0)
    assert trio.current_time() == pytest.approx(3.0, abs=0.01)


async def test_what_nobody_foresees_is_not_waited_for(autojump_clock: trio.testing.MockClock) -> None:
    """Anthropic counts no tokens that were read from its cache, and those of an answer as they are written."""
    allowances = Allowances()
    for kind in ("input-tokens", "output-tokens"):
        said = {"limit": "30000", "remaining": "10", "reset": "1970-01-01T00:01:00Z"}
        allowances.learn(MODEL, [(f"anthropic-ratelimit-{kind}-{word}", value) for word, value in said.items()], 0)
    assert await allowances.wait_turn(MODEL, 150_000, 0.0) is not None
    assert allowances.left(MODEL) == {"input-tokens": (10, 30_000), "output-tokens": (10, 30_000)}
    allowances.heed(MODEL, UpstreamFault(Code.UPSTREAM_RATE_LIMITED, "wait", status=429, retry_after_s=3.0))
    await allowances.wait_turn(MODEL, 150_000, 5.0)
    assert trio.current_time() == pytest.approx(3.0, abs=0.01)


async def test_many_at_once_take_turns(autojump_clock: trio.testing.MockClock) -> None:
    allowances = Allowances()
    allowances.learn(MODEL, fields(60, 0, "60s"), 0)
    began_s: list[float] = []

    async def ask() -> None:
        await allowances.wait_turn(MODEL, 1, 30.0)
        began_s.append(trio.current_time())

    async with trio.open_nursery() as nursery:
        for _ in range(10):
            nursery.start_soon(ask)
    assert began_s == pytest.approx([float(second) for second in range(1, 11)], abs=0.1)


async def test_what_is_under_way_is_not_told_away(autojump_clock: trio.testing.MockClock) -> None:
    """The first one's answer does not count the others, which were sent after it was."""
    allowances = Allowances()
    allowances.learn(MODEL, fields(10, 3, "70s"), 0)
    turns = [await allowances.wait_turn(MODEL, 0, 0.0) for _ in range(2)]
    allowances.learn(MODEL, fields(10, 2, "80s"), 0)
    assert allowances.left(MODEL) == {"requests": (1, 10)}
    for turn in turns:
        assert turn is not None
        turn.end()
    allowances.learn(MODEL, fields(10, 2, "80s"), 0)
    assert allowances.left(MODEL) == {"requests": (2, 10)}


async def test_a_refusal_that_says_how_long(autojump_clock: trio.testing.MockClock) -> None:
    allowances = Allowances()
    allowances.heed(MODEL, UpstreamFault(Code.UPSTREAM_RATE_LIMITED, "wait", status=429, retry_after_s=3.0))
    with pytest.raises(UpstreamFault):
        await allowances.wait_turn(MODEL, 1, 2.0)
    await allowances.wait_turn(MODEL, 1, 5.0)
    assert trio.current_time() == pytest.approx(3.0, abs=0.01)


@pytest.mark.parametrize(
    "fault",
    [
        UpstreamFault(Code.UPSTREAM_RATE_LIMITED, "wait", status=429),
        UpstreamFault(Code.UPSTREAM_ERROR, "broken", status=500, retry_after_s=3.0),
        UpstreamFault(Code.UPSTREAM_RATE_LIMITED, "ours", sent=False, retry_after_s=3.0),
    ],
)
async def test_other_faults_say_nothing(autojump_clock: trio.testing.MockClock, fault: UpstreamFault) -> None:
    allowances = Allowances()
    allowances.heed(MODEL, fault)
    await allowances.wait_turn(MODEL, 1, 0.0)


async def test_it_forgets_the_oldest(autojump_clock: trio.testing.MockClock) -> None:
    allowances = Allowances()
    for number in range(MOST_TARGETS + 1):
        allowances.learn(Target("o", f"m{number}"), fields(5, 5, "1s"), 0)
    assert allowances.left(Target("o", "m0")) == {}
    assert allowances.left(Target("o", "m1")) == {"requests": (5, 5)}


async def test_it_learns_few_kinds_of_limits(autojump_clock: trio.testing.MockClock) -> None:
    allowances = Allowances()
    for number in range(MOST_KINDS + 5):
        allowances.learn(MODEL, fields(5, 5, "1s", f"kind-{number}"), 0)
    assert len(allowances.left(MODEL)) == MOST_KINDS
    allowances.learn(MODEL, fields(9, 9, "1s", "kind-0"), 0)
    assert allowances.left(MODEL)["kind-0"] == (9, 9)


@given(
    st.integers(1, 10**6),
    st.integers(0, 10**6),
    st.floats(0, 86_400),
    st.lists(st.tuples(st.integers(0, 10**6), st.floats(0, 600)), max_size=20),
)
@example(342_777, 0, 0.0, [(415_436, 512.0), (839, 0.0)])
def test_a_bucket_never_overflows_and_its_waits_are_right(
    limit: int, remaining: int, reset_s: float, uses: list[tuple[int, float]]
) -> None:
    now_s = 0.0
    told = Told(kind="t", unit="tokens", limit=limit, remaining=min(remaining, limit), reset_s=reset_s)
    bucket = Bucket.of(told, now_s)
    for wanted, passed_s in uses:
        now_s += passed_s
        assert bucket.left(now_s) <= limit
        wait_s = bucket.wait_s(wanted, now_s)
        assert wait_s >= 0
        then_s = now_s + wait_s
        a_tick = bucket.rate * math.ulp(then_s)  # what comes back in the least time that can be told there
        assert bucket.left(then_s) >= min(wanted, limit) * (1 - 1e-9) - 1e-6 - a_tick
        bucket.use(wanted, now_s)
