"""The adviser: what the control socket's verbs ask of the router. Implements ``control.verbs.advice_desk``."""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from pathlib import Path

from lodestard.advice.backtesting import open_backtest
from lodestard.advice.dry_run import explain_route
from lodestard.advice.recommend import recommend
from lodestard.control.messages.advice import BacktestItem, Recommendation, RouteAdvice
from lodestard.control.verbs.advice_desk import ShadowMove, WantedBacktest, WantedRoute
from lodestard.domain.price import Quote
from lodestard.runtime import Runtime


@dataclass(frozen=True, slots=True)
class Adviser:
    """Over one moment of the house. ``shadows`` reads what the ledger has of the shadow policy."""

    runtime: Runtime
    ledger_file: Path
    quotes: Mapping[str, Quote]
    shadows: Callable[[int], Awaitable[Sequence[ShadowMove]]]

    def explain_route(self, wanted: WantedRoute) -> RouteAdvice:
        return explain_route(wanted, self.runtime)

    def recommend(self, wanted: WantedRoute) -> Recommendation:
        return recommend(wanted, self.runtime)

    def backtest(self, wanted: WantedBacktest) -> AbstractAsyncContextManager[AsyncIterator[BacktestItem]]:
        return open_backtest(wanted, self.ledger_file, self.quotes, self.runtime)

    async def shadow_moves(self, since_ms: int) -> Sequence[ShadowMove]:
        return await self.shadows(since_ms)
