"""What speaks for a candidate, in money: a good answer's worth times how likely it is, less its cost and the wait.

Beyond what is likely enough nothing is gained: so the cheapest that is good enough wins.

Law: one sum for everybody, in nano-USD, so that a choice can be checked by hand from its trace. What is likely to be
paid is never what is held (``budget`` bounds that). Pure.
"""

from collections.abc import Mapping
from typing import NamedTuple, Protocol

from lodestard.budget.pricing import cost_nano_usd
from lodestard.domain.choice import Asked, Figures
from lodestard.domain.price import FREE, Price
from lodestard.domain.routing_settings import Prefer, Worth
from lodestard.domain.task import Task
from lodestard.domain.upstream import Merit
from lodestard.domain.usage import Usage
from lodestard.routing.quality import PLACE, Abilities, expect_quality, fit_abilities

NANO = 1_000_000_000

WORTH: Mapping[Prefer, Worth] = {
    "cheap": Worth(answer_usd=0.03, second_usd=0.000005, enough=0.9),
    "balanced": Worth(answer_usd=0.06, second_usd=0.0001, enough=0.97),
    "fast": Worth(answer_usd=0.05, second_usd=0.003, enough=0.9),
    "best": Worth(answer_usd=2.0, second_usd=0.0001),
}

ANSWER_TOKENS: Mapping[str, int] = {
    "code": 700, "edit": 500, "debug": 500, "test": 800, "explain": 450, "review": 550, "commit": 60, "summary": 250,
    "plan": 800, "autocomplete": 40, "docs": 600, "maths": 450, "data": 350, "extract": 150, "translate": 300,
    "shell": 150, "chat": 250, "embedding": 0,
}  # fmt: skip
"""How long an answer is likely to be, where nothing else tells."""

LEAST_CACHED_TOKENS = 1_024
"""Anthropic remembers no shorter prompt ("Prompt caching", Cache limitations)."""

_USUAL_ANSWER_TOKENS = 300
PAID_FIRST_S, PAID_TOKENS_PER_S = 1.0, 60.0
FREE_FIRST_S, FREE_TOKENS_PER_S = 2.0, 20.0


class Question(NamedTuple):
    """What is to be weighed: the request, its task, what an answer is worth, and how long it is likely to be."""

    asked: Asked
    task: Task
    worth: Worth
    tokens: int


def pose(asked: Asked, task: Task, worth: Worth) -> Question:
    return Question(asked, task, worth, answer_tokens(asked, task))


class Weighable(Protocol):
    """What is known of a candidate for good (``catalog.Offer``)."""

    @property
    def free(self) -> bool: ...

    @property
    def price(self) -> Price | None: ...

    @property
    def marks_cache(self) -> bool: ...

    @property
    def tokens_per_s(self) -> float | None: ...

    @property
    def abilities(self) -> Abilities: ...


def weigh(offer: Weighable, figures: Figures, question: Question) -> Merit:
    """The sum for one candidate."""
    asked, task, worth, tokens = question
    abilities = fit_abilities(offer.abilities, figures.cells) if figures.cells else offer.abilities
    quality = expect_quality(abilities[PLACE[task.kind]], task.hardness)
    cost = likely_cost(offer, asked.prompt_tokens, tokens, figures.cached_tokens)
    wait_s = likely_wait(offer, tokens, figures)
    value = min(quality, worth.enough) * worth.answer_usd - wait_s * worth.second_usd
    return Merit(
        quality=quality,
        cost_nano_usd=cost,
        wait_s=wait_s,
        value_nano_usd=round(value * NANO) - cost,
        seen=sum([cell.good + cell.bad for cell in figures.cells if cell.kind == task.kind]),
        cached_tokens=figures.cached_tokens,
        note=figures.no_room,
    )


def answer_tokens(asked: Asked, task: Task) -> int:
    """How long the answer is likely to be: hard questions get longer ones, and no limit is exceeded."""
    tokens = round(ANSWER_TOKENS.get(task.kind, _USUAL_ANSWER_TOKENS) * (0.5 + task.hardness))
    return tokens if asked.output_tokens is None else min(tokens, asked.output_tokens)


def likely_cost(offer: Weighable, prompt_tokens: int, completion_tokens: int, cached_tokens: int) -> int:
    """nano-USD. What the provider has read of this session before costs its cached rate; what it is asked to remember
    of a long prompt, the rate of writing."""
    price = offer.price
    if price is None or price is FREE:
        return 0
    cached = min(cached_tokens, prompt_tokens)
    written = prompt_tokens - cached if offer.marks_cache and prompt_tokens >= LEAST_CACHED_TOKENS else 0
    usage = Usage(
        prompt_tokens=prompt_tokens,
        completion_tokens=completion_tokens,
        cached_tokens=cached,
        cache_write_tokens=written,
    )
    return cost_nano_usd(usage, price) or 0


def likely_wait(offer: Weighable, tokens: int, figures: Figures) -> float:
    """Seconds until the answer is whole."""
    usual_first, usual_speed = (FREE_FIRST_S, FREE_TOKENS_PER_S) if offer.free else (PAID_FIRST_S, PAID_TOKENS_PER_S)
    first = figures.wait_s if figures.wait_s is not None else figures.first_s
    return (usual_first if first is None else first) + tokens / (
        figures.tokens_per_s or offer.tokens_per_s or usual_speed
    )
