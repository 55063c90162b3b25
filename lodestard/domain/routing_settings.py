"""The tables of the configuration that say who answers: rules, what is known of models, what an answer is worth."""

from collections.abc import Mapping
from typing import Literal

import msgspec

from lodestard.domain.record import Count, Positive, Record, Share

Prefer = Literal["cheap", "balanced", "fast", "best"]
Day = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]


class When(Record, frozen=True):
    """What a request must be like for a rule: every condition that is named holds, each by one of its words.

    Words are patterns with ``*`` and ``?``. ``hours`` (``22:00-06:00``) and ``days`` are of the ledger's time zone;
    ``matches`` is a regular expression that is looked for in the first 2 KB of what the user says last.
    """

    alias: tuple[str, ...] = ()
    tag: tuple[str, ...] = ()
    client: tuple[str, ...] = ()
    principal: tuple[str, ...] = ()
    project: tuple[str, ...] = ()
    user: tuple[str, ...] = ()
    task: tuple[str, ...] = ()
    priority: tuple[str, ...] = ()
    min_prompt_tokens: Positive | None = None
    max_prompt_tokens: Count | None = None
    min_hardness: Share | None = None
    max_hardness: Share | None = None
    images: bool | None = None
    tools: bool | None = None
    schema: bool | None = None
    hours: str = ""
    days: tuple[Day, ...] = ()
    matches: str = ""


class Rule(Record, frozen=True):
    """What is done with requests that are like ``when``. Those of the highest ``priority`` come first.

    ``require`` and ``forbid`` are patterns of "upstream/model", or ``free``, ``paid``, ``lan``. ``labels``: the label
    ``lan-only`` keeps a request in the local network, whatever else is said. ``model``: the alias that is asked
    instead. ``last``: no rule after this one is looked at.
    """

    name: str = ""
    priority: int = 0
    when: When = When()
    model: str = ""
    prefer: Prefer | None = None
    require: tuple[str, ...] = ()
    forbid: tuple[str, ...] = ()
    labels: tuple[str, ...] = ()
    last: bool = False


class Worth(Record, frozen=True):
    """In US dollars: what a good answer is worth, and what it costs to wait a second for it.

    ``enough``: how likely an answer must be good; whoever is more likely to be is not worth more.
    """

    answer_usd: float
    second_usd: float
    enough: Share = 1.0


class Routing(Record, frozen=True):
    """How a choice is made where there is one. ``match``: all rules that fit, or the first alone.

    ``sticky_usd``: by how much another model must be better before a session changes over to it. ``worth`` has
    ``cheap``, ``balanced``, ``fast`` and ``best``, as far as they are not as built in. ``shadow`` is a file with
    another policy that is asked about every request once it was answered, and whose choice is only written down.
    """

    match: Literal["all", "first"] = "all"
    sticky_usd: float = 0.0002
    shadow: str = ""
    worth: Mapping[Prefer, Worth] = msgspec.field(default_factory=dict)


class Traits(Record, frozen=True):
    """What is known of a model ("upstream/model") beside its price; what is not named is assumed by its name.

    ``quality``: how likely an answer of middling hardness is good; ``tasks`` says so by kind of task. ``images``,
    ``tools``: whether it takes them. ``tokens_per_s``: how fast it writes, before anything was measured.
    """

    quality: Share | None = None
    tasks: Mapping[str, Share] = msgspec.field(default_factory=dict)
    images: bool | None = None
    tools: bool | None = None
    context_tokens: Positive | None = None
    tokens_per_s: Positive | None = None
