"""A planted defect must be found by a check that names it, however deep in exception groups that comes out."""

import re
from collections.abc import Iterator
from contextlib import contextmanager

import pytest


@contextmanager
def found(words: str) -> Iterator[None]:
    """What is inside fails by an assertion whose message matches ``words``."""
    with pytest.raises(BaseException) as caught:
        yield
    said = [str(error) for error in _leaves(caught.value) if isinstance(error, AssertionError)]
    assert any(re.search(words, text) for text in said), f"{said or caught.value!r} is not {words!r}"


def _leaves(error: BaseException) -> Iterator[BaseException]:
    if isinstance(error, BaseExceptionGroup):
        for inner in error.exceptions:
            yield from _leaves(inner)
    else:
        yield error
