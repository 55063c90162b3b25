"""The doors for modules: safe defaults, undone on exit, and nothing that a module does reaches a request."""

import logging

import pytest

from lodestard.hooks import Hooks, Register, Signal, Slot


def test_a_slot_has_its_default_until_somebody_provides() -> None:
    slot: Slot[[str], bool] = Slot("is_up", default=True)
    assert slot("x")
    with slot.provide(lambda name: name == "x"):
        assert slot("x")
        assert not slot("y")
    assert slot("y")


def test_a_provider_that_fails_gives_the_default(caplog: pytest.LogCaptureFixture) -> None:
    slot: Slot[[str], int] = Slot("score", default=7)
    with slot.provide(int), caplog.at_level(logging.ERROR):
        assert slot("no number") == 7
    assert "score" in caplog.text


def test_a_slot_takes_one_provider() -> None:
    slot: Slot[[], int] = Slot("one", default=0)
    with slot.provide(lambda: 1), pytest.raises(ValueError, match="already"), slot.provide(lambda: 2):
        pass
    assert slot() == 0


def test_a_provider_is_undone_when_its_module_dies() -> None:
    slot: Slot[[], int] = Slot("one", default=0)
    with pytest.raises(RuntimeError), slot.provide(lambda: 1):
        raise RuntimeError
    assert slot() == 0


def test_a_listener_that_fails_takes_nothing_from_the_others(caplog: pytest.LogCaptureFixture) -> None:
    signal: Signal[int] = Signal("news")
    heard: list[int] = []

    def broken(_news: int) -> None:
        raise KeyError("mine")

    with signal.listen(broken), signal.listen(heard.append), caplog.at_level(logging.ERROR):
        signal.tell(1)
    signal.tell(2)
    assert heard == [1]
    assert "news" in caplog.text


def test_a_register_keeps_names_apart_and_forgets() -> None:
    register: Register[int] = Register("verbs")
    with register.add("a", 1), register.add("b", 2):
        assert dict(register) == {"a": 1, "b": 2}
        assert len(register) == 2
        with pytest.raises(ValueError, match="there already"), register.add("a", 3):
            pass
        assert register["a"] == 1
    assert not register


def test_every_hook_is_there_without_a_module() -> None:
    hooks = Hooks()
    assert hooks.is_up("anything")
    assert not hooks.verbs
    assert not hooks.pages
