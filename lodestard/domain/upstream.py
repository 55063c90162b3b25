"""Which model of which server: the words for candidates and plans."""

from collections.abc import Sequence

import msgspec

from lodestard.domain.price import Price


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


class Candidate(msgspec.Struct, frozen=True, kw_only=True):
    """A target that may answer, with what speaks for it. ``price`` is None where it is not known.

    ``least_output_tokens`` is the lowest output limit that its upstream takes.
    """

    target: Target
    dialect: str
    price: Price | None
    free: bool
    up: bool
    predicted_wait_s: float | None = None
    least_output_tokens: int = 1


class Rejection(msgspec.Struct, frozen=True, kw_only=True):
    """A target that may not answer, and why (a sentence for a person)."""

    target: Target
    reason: str


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """Who is asked, in which order, and why. ``reason`` is one short line (the ``x-lodestar-reason`` header).

    ``soonest``: of the free ones, whoever can begin first is asked first.
    """

    alias: str
    candidates: tuple[Candidate, ...]
    rejected: tuple[Rejection, ...] = ()
    reason: str = ""
    soonest: bool = False
