"""Latent worlds: how able each model is at each kind of work, what it costs, and how well anybody can tell.

An item-response model: a prompt has a difficulty, a model an ability for the prompt's kind; it does well with the
probability ``logistic(SHARP * (ability - difficulty + luck of this pair))``. Law: nothing here is read from text.
"""

from collections.abc import Mapping

import msgspec

from tests.bench.routing.cases import Rate

SHARP = 1.3
PAIR_NOISE = 0.5
"""How much one prompt suits one model more than another of the same ability."""
OWN_NOISE = 0.35
"""How far a model's ability for a kind is off its general one, by chance, in each seed."""
DIFFICULTY: Mapping[str, float] = {
    "commit": -1.5, "chat": -1.0, "summary": -0.8, "autocomplete": -0.8, "translate": -0.8, "extract": -0.7,
    "explain": -0.5, "docs": -0.5, "shell": -0.3, "edit": 0.0, "test": 0.0, "data": 0.0, "code": 0.1, "review": 0.4,
    "debug": 0.5, "maths": 0.6, "plan": 0.6,
}  # fmt: skip
"""The middle of each kind's difficulties; they spread by ``SPREAD`` around it."""
SPREAD = 1.0
SHARE: Mapping[str, float] = {
    "edit": 0.20, "code": 0.10, "debug": 0.09, "explain": 0.09, "chat": 0.10, "commit": 0.07, "test": 0.06,
    "summary": 0.05, "autocomplete": 0.05, "shell": 0.04, "review": 0.03, "plan": 0.03, "docs": 0.03, "data": 0.03,
    "extract": 0.02, "translate": 0.02, "maths": 0.02,
}  # fmt: skip
"""How often each kind is asked for: a programmer's days."""
PROMPT_TOKENS: Mapping[str, int] = {
    "edit": 3500, "code": 1200, "debug": 2500, "explain": 1500, "chat": 150, "commit": 1200, "test": 2500,
    "summary": 2500, "autocomplete": 600, "shell": 200, "review": 2500, "plan": 1500, "docs": 1500, "data": 500,
    "extract": 900, "translate": 500, "maths": 200,
}  # fmt: skip
COMPLETION_TOKENS: Mapping[str, int] = {
    "edit": 400, "code": 600, "debug": 450, "explain": 350, "chat": 200, "commit": 30, "test": 600, "summary": 200,
    "autocomplete": 40, "shell": 150, "review": 400, "plan": 700, "docs": 500, "data": 200, "extract": 120,
    "translate": 250, "maths": 500,
}  # fmt: skip


class Maker(msgspec.Struct, frozen=True, kw_only=True):
    """A model as it is in truth. ``kinds`` is how much better it is at a kind than in general."""

    ability: float
    rate: Rate
    wordy: float = 1.0
    kinds: Mapping[str, float] = {}


class World(msgspec.Struct, frozen=True, kw_only=True):
    """``vague``: how often an opening says nothing. ``blind``: how often whoever judges an answer is wrong.

    ``drift``: how far prices wander off the list (the deviation of a step of their logarithm). ``graded``: scores are
    anything in [0, 1] rather than good or bad. ``easier``: by how much all prompts are; ``spread``: how far they are
    apart.
    """

    name: str
    says: str
    models: Mapping[str, Maker]
    vague: float = 0.12
    blind: float = 0.0
    drift: float = 0.0
    graded: bool = False
    easier: float = 0.0
    spread: float = SPREAD


def _dollars(per_million_in: float, per_million_out: float) -> Rate:
    return Rate(round(per_million_in * 1_000_000), round(per_million_out * 1_000_000))


FREE = Rate(0, 0)
CODING = ("code", "edit", "debug", "test", "autocomplete")
LLAMA, CODER = "t600/llama3.1:8b", "t600/qwen2.5-coder:3b"
MINI, OMNI = "openai/gpt-4o-mini", "openai/gpt-4o"
HAIKU, SONNET = "anthropic/claude-haiku-4-5", "anthropic/claude-sonnet-4-5"
USUAL: Mapping[str, Maker] = {
    LLAMA: Maker(ability=0.5, rate=FREE),
    CODER: Maker(ability=-0.4, rate=FREE, wordy=0.8, kinds=dict.fromkeys(CODING, 0.9)),
    MINI: Maker(ability=1.5, rate=_dollars(0.15, 0.60)),
    HAIKU: Maker(ability=2.2, rate=_dollars(1, 5), kinds=dict.fromkeys(CODING, 0.3)),
    OMNI: Maker(ability=2.4, rate=_dollars(2.50, 10)),
    SONNET: Maker(ability=2.9, rate=_dollars(3, 15), wordy=1.3, kinds=dict.fromkeys(CODING, 0.3)),
}


def _changed(
    model: str, ability: float | None = None, kinds: Mapping[str, float] | None = None
) -> Mapping[str, Maker]:
    """The usual models, one of them otherwise than its name makes believe."""
    usual = USUAL[model]
    own = {**usual.kinds, **(kinds or {})}
    other = msgspec.structs.replace(usual, ability=usual.ability if ability is None else ability, kinds=own)
    return {**USUAL, model: other}


STRANGERS: Mapping[str, Maker] = {
    "lab/alpha": Maker(ability=2.3, rate=_dollars(2, 8)),
    "lab/beta": Maker(ability=2.6, rate=_dollars(0.4, 1.6), kinds={"maths": -2.5, "plan": -2.0}),
    "lab/gamma": Maker(ability=0.6, rate=_dollars(5, 20)),
    "box/delta": Maker(ability=1.2, rate=FREE, kinds={"debug": -1.5}),
    "box/epsilon": Maker(ability=-1.0, rate=FREE, kinds={"translate": 3.0, "summary": 2.0}),
}
WORLDS: tuple[World, ...] = (
    World(name="usual", says="models are what their names make believe", models=USUAL),
    World(
        name="local-star",
        says="a local model is as good at editing and tests as the dear ones",
        models=_changed(CODER, kinds=dict.fromkeys(("edit", "test", "commit", "code"), 3.0)),
    ),
    World(
        name="local-poor",
        says="a local model is bad at all that one expects of it",
        models=_changed(LLAMA, ability=-2.0),
    ),
    World(
        name="strong-slips",
        says="the dearest model fails at two kinds that cheaper ones do well",
        models=_changed(SONNET, kinds={"docs": -3.5, "data": -3.5, "explain": -3.0}),
    ),
    World(name="blind-judge", says="one verdict in five is wrong", models=USUAL, blind=0.2),
    World(name="drift", says="prices wander off the list, up to several times", models=USUAL, drift=0.05),
    World(name="graded", says="answers are more or less good", models=USUAL, graded=True),
    World(name="vague", says="half of the openings say nothing", models=USUAL, vague=0.5),
    World(
        name="everyday",
        says="most is easy for every paid model, some hard for all",
        models=USUAL,
        easier=1.2,
        spread=1.5,
    ),
    World(name="strangers", says="nobody has heard of these models", models=STRANGERS),
)
