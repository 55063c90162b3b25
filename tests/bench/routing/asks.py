"""What a policy may know: a prompt as the gateway sees it, and what was learned. Words and one protocol."""

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

import msgspec

from lodestard.domain.task import Task
from tests.bench.routing.cases import Case, Rate

VALUES_USD = (0.003, 0.01, 0.02, 0.035, 0.05, 0.08, 0.12, 0.2, 0.3, 0.5, 0.8, 1.5, 5.0)
"""What a good answer may be worth: the settings of whoever weighs worth against cost."""


class Ask(msgspec.Struct, frozen=True):
    """A prompt without its truth. ``task`` is what the classifier takes it for."""

    prompt: str
    prompt_tokens: int
    task: Task


class Market(msgspec.Struct, frozen=True):
    """Who can be asked, and the price list, which may be empty."""

    models: tuple[str, ...]
    rates: Mapping[str, Rate]


class Lesson(msgspec.Struct, frozen=True):
    """A case that may be learned from, and how it looked before it was known."""

    ask: Ask
    case: Case


Choose = Callable[[Ask], str]


class Policy(Protocol):
    """How models are chosen."""

    name: str

    def teach(self, market: Market, lessons: Sequence[Lesson]) -> Mapping[str, Choose]:
        """A chooser for each setting of its knob, which are the same, in the same order, whatever was learned."""
        ...
