"""What is measured on: prompts, and how each model did on each. Plain data."""

from collections.abc import Mapping

import msgspec


class Outcome(msgspec.Struct, frozen=True):
    """How one model did on one prompt. ``score`` in [0, 1] is the truth; ``judged`` is what an onlooker thought of
    it, from which alone a router may learn; where nobody says otherwise, it is the truth. ``odds`` is the chance
    that it had by the model's ability and the prompt's difficulty, where data are made; None where nobody can know.
    """

    score: float
    cost_nano_usd: int
    judged: float
    prompt_tokens: int = 0
    completion_tokens: int = 0
    odds: float | None = None


class Case(msgspec.Struct, frozen=True):
    """One prompt. ``kind`` and ``hardness`` are the truth, empty and None where nobody knows it.

    ``prompt_tokens`` are those of the whole request, as the gateway would count them; the text may be its last part.
    """

    prompt: str
    kind: str
    hardness: float | None
    prompt_tokens: int
    outcomes: Mapping[str, Outcome]


class Rate(msgspec.Struct, frozen=True):
    """A model's price in the list, in pico-USD a token. Both are 0 for a model on one's own machine."""

    input_pico_usd: int
    output_pico_usd: int

    @property
    def free(self) -> bool:
        return not (self.input_pico_usd or self.output_pico_usd)


class Data(msgspec.Struct, frozen=True):
    """Cases that all have the same ``models``, in that order. ``rates`` are empty where there is no price list."""

    name: str
    models: tuple[str, ...]
    cases: tuple[Case, ...]
    rates: Mapping[str, Rate]
