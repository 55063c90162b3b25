"""What the verbs that ask the router want of the house, as Protocols."""

from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Protocol

import msgspec

from lodestard.control.messages.advice import BacktestItem, Recommendation, RouteAdvice

DIALECTS = ("openai", "anthropic", "ollama", "completions", "responses")


class WantedRoute(msgspec.Struct, frozen=True, kw_only=True):
    """A request that nobody sends: what it would say, or its whole ``body`` in a ``dialect``; who would send it.

    ``prompt_tokens``: as if it were at least so long; 0 as long as it is.
    """

    text: str = ""
    body: str = ""
    dialect: str = "openai"
    model: str = ""
    prefer: str = ""
    tags: str = ""
    client: str = ""
    task: str = ""
    project: str = ""
    folder: str = ""
    user: str = ""
    session: str = ""
    prompt_tokens: int = 0
    images: bool = False
    tools: bool = False


class WantedBacktest(msgspec.Struct, frozen=True, kw_only=True):
    """A configuration, as its file's text, over the requests received in [``since_ms``, ``until_ms``)."""

    name: str
    text: str
    since_ms: int
    until_ms: int


class ShadowMove(Protocol):
    """Requests of which the shadow policy would have asked ``target`` first, where ``source`` answered."""

    @property
    def source(self) -> str: ...
    @property
    def target(self) -> str: ...
    @property
    def requests(self) -> int: ...
    @property
    def differing(self) -> int: ...
    @property
    def cost_nano_usd(self) -> int: ...
    @property
    def shadow_cost_nano_usd(self) -> int: ...


class AdviceDesk(Protocol):
    """Asks the router without asking a model."""

    def explain_route(self, wanted: WantedRoute) -> RouteAdvice:
        """What would become of it. Raises ``CallerFault`` for what is no request."""
        ...

    def recommend(self, wanted: WantedRoute) -> Recommendation:
        """The model to take, of all. Raises ``CallerFault`` for what is no request."""
        ...

    def backtest(self, wanted: WantedBacktest) -> AbstractAsyncContextManager[AsyncIterator[BacktestItem]]:
        """Items as they come; leaving ends it. Raises ``HouseFault`` where it can't be made, also in the midst."""
        ...

    async def shadow_moves(self, since_ms: int) -> Sequence[ShadowMove]:
        """By who answered and whom the shadow policy would have asked. Raises ``HouseFault``."""
        ...
