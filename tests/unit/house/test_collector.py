"""The garbage collector rests while the house is built, and works once it stands."""

import argparse
import gc
from collections.abc import Iterator, Sequence

import pytest

from lodestard import __main__, start
from lodestard.daemon import COLLECT_AFTER, spare_the_collector
from lodestard.module import Module


@pytest.fixture(autouse=True)
def collector_as_it_was() -> Iterator[None]:
    yield
    gc.enable()
    gc.unfreeze()


def test_it_rests_until_the_house_is_open_and_works_whatever_ended_it(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[bool] = []

    def begin(_arguments: argparse.Namespace, _modules: Sequence[Module]) -> int:
        seen.append(gc.isenabled())
        raise KeyboardInterrupt

    monkeypatch.setattr(start, "start", begin)
    assert __main__.main([]) == __main__.EXIT_INTERRUPTED
    assert seen == [False]
    assert gc.isenabled()


def test_what_was_there_is_looked_at_no_more() -> None:
    gc.disable()
    spare_the_collector()
    assert gc.isenabled()
    assert gc.get_threshold() == COLLECT_AFTER
    assert gc.get_freeze_count() > 0
