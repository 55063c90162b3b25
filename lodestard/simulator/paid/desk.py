"""What every simulated provider has: its record, its meter, its limits, its caches and its mind.

Law: a request is counted as seen before anything can refuse it. Owner of all state of one provider.
"""

import trio

from lodestard.simulator.answering.mind import Mind
from lodestard.simulator.answering.question import Script
from lodestard.simulator.exchange import Exchange, Refusal
from lodestard.simulator.paid.admin import Admin
from lodestard.simulator.paid.allowances import Window
from lodestard.simulator.paid.meter import Meter, Order, Tab, Tokens
from lodestard.simulator.paid.prompt_cache import PromptCache
from lodestard.simulator.paid.providers import PaidModel, Provider
from lodestard.simulator.walltime import WallNs

_NS = 1_000_000_000


class Desk:
    """One provider's state."""

    def __init__(self, provider: Provider, *, wall_ns: WallNs, script: Script | None = None) -> None:
        self.provider = provider
        self.meter = Meter(provider.name, wall_ns)
        self.admin = Admin(self.meter, provider.admin, wall_ns)
        self.window = Window(provider.allowance)
        self.cache = PromptCache()
        self.mind = Mind(script)
        self.wall_ns = wall_ns
        self._models = {model.name: model for model in provider.models}

    @property
    def created_s(self) -> int:
        return self.wall_ns() // _NS

    def model(self, name: str) -> PaidModel | None:
        return self._models.get(name.removeprefix("models/"))

    def key_is_good(self, exchange: Exchange) -> bool:
        """Bearer, ``x-api-key`` and ``api-key`` are the carriers that providers accept."""
        wanted = self.provider.key
        scheme, _, bearer = (exchange.request.header("authorization") or "").partition(" ")
        carried = {bearer} if scheme.lower() == "bearer" else set()
        carried |= {exchange.request.header(name) or "" for name in ("x-api-key", "api-key")}
        return wanted is None or wanted in carried

    def admit(self, tokens: int) -> None:
        """Raises `Refusal` (429) over an enforced limit."""
        if not self.window.use(tokens):
            raise Refusal(429, "Rate limit reached. Please try again later.", code="rate_limit_exceeded")

    def open_tab(self, exchange: Exchange, model: PaidModel, tokens: Tokens) -> Tab:
        order = Order(
            index=exchange.index,
            model=model.name,
            price=model.price,
            tokens=tokens,
            bill_whole=self.provider.bills_whole_when_cut,
        )
        return Tab(self.meter, order)

    async def pause_first(self) -> None:
        if self.provider.first_byte_s > 0:
            await trio.sleep(self.provider.first_byte_s)

    async def pause(self, tokens: int) -> None:
        """For as long as so many tokens take; no checkpoint where they take no time."""
        if self.provider.tokens_per_s:
            await trio.sleep(tokens * self.provider.token_s)

    def reset(self) -> None:
        self.meter.reset()
        self.window.clear()
        self.cache.clear()
        self.mind.clear()
