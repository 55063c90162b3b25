"""How many tokens a prompt is: what the house may ask of whoever learns that."""

from typing import Protocol

import msgspec

from lodestard.domain.request import Request
from lodestard.domain.upstream import Target
from lodestard.domain.usage import Usage


class TokenAccuracy(msgspec.Struct, frozen=True, kw_only=True):
    """How far the last estimates of prompts were off, as shares of what was counted: the median, and the worst."""

    samples: int
    error: float
    worst: float


class TokensPort(Protocol):
    """How many tokens a prompt is likely to be."""

    def estimate(self, target: Target, request: Request) -> int:
        """What ``target`` would count for the prompt of ``request``, most likely."""
        ...

    def learn(self, target: Target, request: Request, usage: Usage | None) -> None:
        """What ``target`` counted."""
        ...

    def accuracy(self, target: Target) -> TokenAccuracy | None:
        """How good its estimates for ``target`` have been; None before anything was learned."""
        ...
