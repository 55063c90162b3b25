"""Which model of which server: the words for candidates and plans."""

from collections.abc import Sequence

import msgspec

from lodestard.domain.price import Price
from lodestard.domain.task import Task

LAN_ONLY = "lan-only"
"""The label of a request that must not leave the local network, whatever else is said."""


class Target(msgspec.Struct, frozen=True, order=True):
    """A model of an upstream. Written ``upstream/model``; the model's own name may hold slashes."""

    upstream: str
    model: str

    def __str__(self) -> str:
        return f"{self.upstream}/{self.model}"

    @classmethod
    def parse(cls, text: str) -> "Target":
        """``"t600/llama3.1:8b"`` → Target. Raises ``ValueError`` where either half is missing."""
        upstream, slash, model = text.partition("/")
        if not (upstream and slash and model):
            raise ValueError(f"expected upstream/model, got {text!r}")
        return cls(upstream, model)


class SentAs(msgspec.Struct, frozen=True, kw_only=True):
    """What became of a request in its upstream's dialect, and what the upstream said beside its answer.

    ``dropped`` are members of the client's request that the dialect can't carry, by their paths; ``notes`` say what
    was done otherwise than it was asked for, a few words each; neither holds the client's text. ``limits`` are the
    header fields in which the upstream tells how much it still takes.
    """

    dropped: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    limits: tuple[tuple[str, str], ...] = ()


AS_ASKED = SentAs()
_MOST_DROPPED = 32
_MOST_NAME_CHARS = 64


def few_of(dropped: Sequence[str]) -> tuple[str, ...]:
    """The first of them, each cut short: members may have any name, and go into a header and into the trace."""
    return tuple([name[:_MOST_NAME_CHARS] for name in dropped[:_MOST_DROPPED]])


class Merit(msgspec.Struct, frozen=True, kw_only=True):
    """What speaks for a candidate, for one request: how likely its answer is good, what it is likely to cost, how
    long until it is whole, and what all of it comes to (nano-USD). ``seen`` answers of this kind of task were judged;
    ``cached_tokens`` of the prompt cost less there. ``note``: what stands against it.
    """

    quality: float
    cost_nano_usd: int
    wait_s: float
    value_nano_usd: int
    seen: float = 0.0
    cached_tokens: int = 0
    note: str = ""


class Candidate(msgspec.Struct, frozen=True, kw_only=True):
    """A target that may answer, with what speaks for it. ``price`` is None where it is not known.

    ``least_output_tokens`` is the lowest output limit that its upstream takes. ``lan``: what is sent there stays in
    the local network. ``merit`` is there where candidates were weighed. ``passed_over``: why its breaker keeps it
    back.
    """

    target: Target
    dialect: str
    price: Price | None
    free: bool
    up: bool
    predicted_wait_s: float | None = None
    least_output_tokens: int = 1
    lan: bool = False
    merit: Merit | None = None
    passed_over: str = ""


class Rejection(msgspec.Struct, frozen=True, kw_only=True):
    """A target that may not answer, and why (a sentence for a person)."""

    target: Target
    reason: str


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """Who is asked, in which order, and why. ``alias`` is the one that is asked: a rule may have named another than
    the client. ``reason`` is one short line (the ``x-lodestar-reason`` header).

    ``soonest``: of the free ones, whoever can begin first is asked first. ``labels`` were put on the request, and
    ``rules`` are the names of those that said something of it; ``task`` is what it was found to be, where that was
    looked at, and ``prefer`` what was preferred, where there was a choice.
    """

    alias: str
    candidates: tuple[Candidate, ...]
    rejected: tuple[Rejection, ...] = ()
    reason: str = ""
    soonest: bool = False
    labels: frozenset[str] = frozenset()
    rules: tuple[str, ...] = ()
    task: Task | None = None
    prefer: str = ""

    @property
    def lan_only(self) -> bool:
        """Whether nobody outside the local network may be asked, whatever happens."""
        return LAN_ONLY in self.labels
