"""The fuzzing targets with a short dose of inputs, without a fuzzer: their seeds, and words in any order."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.fuzz.targets import TARGETS

SHORT = 150


@pytest.mark.parametrize("name", TARGETS)
def test_the_seeds_hold(name: str) -> None:
    for seed in TARGETS[name].seeds:
        TARGETS[name].check(seed)


@pytest.mark.parametrize("name", TARGETS)
@settings(max_examples=SHORT, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(drawn=st.data())
def test_words_in_any_order_hold(name: str, drawn: st.DataObject) -> None:
    target = TARGETS[name]
    words = st.sampled_from([*target.words, *target.seeds]) | st.binary(max_size=6)
    target.check(bytes([drawn.draw(st.integers(0, 255))]) + b"".join(drawn.draw(st.lists(words, max_size=16))))
    target.check(b"".join(drawn.draw(st.lists(words, max_size=16))))
