"""An adviser that says what it was told to, and keeps what it was asked."""

from collections.abc import AsyncIterator, Sequence
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass, field

from lodestard.control.messages.advice import BacktestItem, Recommendation, RouteAdvice
from lodestard.control.verbs.advice_desk import ShadowMove, WantedBacktest, WantedRoute
from lodestard.ledger.shadows import ShadowRow

ADVICE = RouteAdvice(alias="auto", reason="alias auto")
RECOMMENDED = Recommendation(route=ADVICE, target="t600/llama3.1:8b")
SHADOWS = (
    ShadowRow("t600/llama3.1:8b", "t600/llama3.1:8b", 7, 0, 0, 0),
    ShadowRow("openai/gpt-4o", "openai/gpt-4o-mini", 3, 3, 3_000_000, 180_000),
)


@dataclass
class FakeAdvice:
    """``items`` are what a backtest gives."""

    items: Sequence[BacktestItem] = ()
    wanted: list[WantedRoute] = field(default_factory=list)
    backtests: list[WantedBacktest] = field(default_factory=list)
    since_ms: int = 0

    def explain_route(self, wanted: WantedRoute) -> RouteAdvice:
        self.wanted.append(wanted)
        return ADVICE

    def recommend(self, wanted: WantedRoute) -> Recommendation:
        self.wanted.append(wanted)
        return RECOMMENDED

    @asynccontextmanager
    async def backtest(self, wanted: WantedBacktest) -> AsyncIterator[AsyncIterator[BacktestItem]]:
        self.backtests.append(wanted)
        async with aclosing(self._each()) as items:  # type: ignore[type-var]
            yield items

    async def _each(self) -> AsyncIterator[BacktestItem]:
        for item in self.items:
            yield item

    async def shadow_moves(self, since_ms: int) -> Sequence[ShadowMove]:
        self.since_ms = since_ms
        return SHADOWS
