"""What providers tell of their rate limits, each in its own words."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lodestard.protocols.rate_limits import MAX_RESET_S, Told, read_limits, read_reset_s

NOW_MS = 1_763_632_800_000  # 2025-11-20T10:00:00Z

RESETS = {
    "6m0s": 360.0,
    "1.5s": 1.5,
    "20ms": 0.02,
    "1h2m3s": 3723.0,
    "7m12.5s": 432.5,
    "59": 59.0,
    "7.66": 7.66,
    "0s": 0.0,
    "1763632860": 60.0,
    "1763632860000": 60.0,
    "2025-11-20T10:00:30Z": 30.0,
    "2025-11-20T11:00:30+01:00": 30.0,
    "2025-11-20T09:00:00Z": 0.0,
    "9999h": MAX_RESET_S,
}
NO_RESETS = ("", "soon", "-5", "1d", "s", "1e9", "5 s", "٣s")


@pytest.mark.parametrize(("text", "seconds"), RESETS.items())
def test_a_reset(text: str, seconds: float) -> None:
    assert read_reset_s(text, NOW_MS) == pytest.approx(seconds)


@pytest.mark.parametrize("text", NO_RESETS)
def test_what_is_no_reset(text: str) -> None:
    assert read_reset_s(text, NOW_MS) is None


def test_openais() -> None:
    fields = [
        ("x-ratelimit-limit-requests", "500"),
        ("x-ratelimit-remaining-requests", "499"),
        ("x-ratelimit-reset-requests", "120ms"),
        ("x-ratelimit-limit-tokens", "30000"),
        ("x-ratelimit-remaining-tokens", "29000"),
        ("x-ratelimit-reset-tokens", "2s"),
    ]
    assert read_limits(fields, NOW_MS) == (
        Told(kind="requests", unit="requests", limit=500, remaining=499, reset_s=0.12),
        Told(kind="tokens", unit="tokens", limit=30000, remaining=29000, reset_s=2.0),
    )


def test_anthropics() -> None:
    fields = [
        ("anthropic-ratelimit-input-tokens-limit", "40000"),
        ("anthropic-ratelimit-input-tokens-remaining", "39000"),
        ("anthropic-ratelimit-input-tokens-reset", "2025-11-20T10:00:02Z"),
        ("anthropic-ratelimit-requests-limit", "50"),
        ("anthropic-ratelimit-requests-remaining", "49"),
        ("anthropic-ratelimit-requests-reset", "2025-11-20T10:00:01Z"),
    ]
    assert read_limits(fields, NOW_MS) == (
        Told(kind="input-tokens", unit="counted", limit=40000, remaining=39000, reset_s=2.0),
        Told(kind="requests", unit="requests", limit=50, remaining=49, reset_s=1.0),
    )


def test_openrouters_names_no_kind() -> None:
    fields = [("x-ratelimit-limit", "20"), ("x-ratelimit-remaining", "25"), ("x-ratelimit-reset", "1763632860000")]
    (told,) = read_limits(fields, NOW_MS)
    assert told == Told(kind="requests", unit="requests", limit=20, remaining=20, reset_s=60.0)


@pytest.mark.parametrize("missing", ["limit", "remaining", "reset"])
def test_what_is_not_whole_says_nothing(missing: str) -> None:
    fields = [(f"x-ratelimit-{word}-tokens", "5") for word in ("limit", "remaining", "reset") if word != missing]
    assert read_limits(fields, NOW_MS) == ()


@given(
    st.lists(
        st.tuples(
            st.sampled_from(("x-ratelimit-", "anthropic-ratelimit-", "ratelimit-")).flatmap(
                lambda start: st.text(alphabet="-limtreangqsko", max_size=30).map(lambda rest: start + rest)
            ),
            st.text(max_size=30),
        ),
        max_size=8,
    )
)
def test_anything_is_read_without_a_crash(fields: list[tuple[str, str]]) -> None:
    for told in read_limits(fields, NOW_MS):
        assert 0 <= told.remaining <= told.limit
        assert 0 <= told.reset_s <= MAX_RESET_S
