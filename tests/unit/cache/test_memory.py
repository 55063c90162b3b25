"""The tier in memory keeps within its bytes and forgets what was used least recently."""

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from lodestard.cache.entry import OVERHEAD_BYTES, Entry, Packed
from lodestard.cache.memory import MemoryTier
from lodestard.domain.upstream import Target

LIMIT = 5 * OVERHEAD_BYTES


def entry(key: str, size_bytes: int = 0, model: str = "m") -> Entry:
    return Entry(
        key=key, target=Target("u", model), created_ms=0, cost_nano_usd=0, packed=Packed(b"x" * size_bytes, b"")
    )


def test_the_least_recently_used_leaves_first() -> None:
    tier = MemoryTier(3 * OVERHEAD_BYTES)
    for key in "abc":
        tier.put(entry(key))
    tier.get("a")
    tier.put(entry("d"))

    assert [one.key for one in tier.entries()] == ["c", "a", "d"]
    assert tier.evicted == 1


def test_one_that_is_larger_than_everything_replaces_nothing_but_itself() -> None:
    tier = MemoryTier(LIMIT)
    tier.put(entry("a"))
    tier.put(entry("b"))
    tier.put(entry("b", 10 * LIMIT))

    assert [one.key for one in tier.entries()] == ["a"]


def test_cold_ones_come_first_and_evict_nobody() -> None:
    tier = MemoryTier(2 * OVERHEAD_BYTES)
    tier.put(entry("a"))

    assert tier.put_cold(entry("b"))
    assert tier.put_cold(entry("a"))
    assert not tier.put_cold(entry("c"))
    assert [one.key for one in tier.entries()] == ["b", "a"]
    assert "b" in tier


def test_a_lower_limit_evicts_at_once() -> None:
    tier = MemoryTier(LIMIT)
    for key in "abcde":
        tier.put(entry(key))
    tier.max_bytes = 2 * OVERHEAD_BYTES

    assert [one.key for one in tier.entries()] == ["d", "e"]


def test_dropping_what_matches() -> None:
    tier = MemoryTier(LIMIT)
    tier.put(entry("a", model="x"))
    tier.put(entry("b"))

    assert tier.drop_where(lambda one: one.target.model == "x") == 1
    assert not tier.drop("a")
    assert (len(tier), tier.bytes) == (1, OVERHEAD_BYTES)


class Machine(RuleBasedStateMachine):
    """Against a list in the order of use."""

    def __init__(self) -> None:
        super().__init__()
        self.tier = MemoryTier(LIMIT)
        self.model: list[Entry] = []

    @rule(key=st.sampled_from("abcdef"), size_bytes=st.integers(0, 2 * LIMIT) | st.just(0))
    def put(self, key: str, size_bytes: int) -> None:
        new = entry(key, size_bytes)
        self.tier.put(new)
        self.model = [one for one in self.model if one.key != key]
        if new.packed.size_bytes <= LIMIT:
            self.model.append(new)
            while sum(one.packed.size_bytes for one in self.model) > LIMIT:
                self.model.pop(0)

    @rule(key=st.sampled_from("abcdef"))
    def get(self, key: str) -> None:
        found = self.tier.get(key)
        held = [one for one in self.model if one.key == key]
        assert (found is not None) == bool(held)
        self.model = [one for one in self.model if one.key != key] + held

    @rule(key=st.sampled_from("abcdef"))
    def drop(self, key: str) -> None:
        assert self.tier.drop(key) == any(one.key == key for one in self.model)
        self.model = [one for one in self.model if one.key != key]

    @invariant()
    def is_like_the_model_and_within_its_limit(self) -> None:
        assert [one.key for one in self.tier.entries()] == [one.key for one in self.model]
        assert self.tier.bytes == sum(one.packed.size_bytes for one in self.model) <= LIMIT


TestMachine = Machine.TestCase
TestMachine.settings = settings(max_examples=30, stateful_step_count=30, deadline=None)
