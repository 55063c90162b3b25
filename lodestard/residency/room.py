"""Residency: one card for each Ollama server of the configuration, and what a person can tell them.

Law: outlives every generation, for what is on a card does not change with a configuration. ``configure`` opens, keeps
or retires cards; one that is retired answers who waits for it and then closes. Implements
``domain.host_ports.ResidencyDesk``. Owner of the cards: this object, in sync code.
"""

import logging
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field

import trio

from lodestard.domain.clock import Clock
from lodestard.domain.errors import CallerFault, Code, HouseFault
from lodestard.domain.host_ports import ModelHost
from lodestard.domain.model_name import same_model
from lodestard.domain.near import did_you_mean
from lodestard.domain.residency import Ask, HostState, PullProgress, Wait
from lodestard.domain.secret import Secret
from lodestard.domain.settings import Settings, Upstream
from lodestard.domain.upstream import Target
from lodestard.residency import refusals
from lodestard.residency.card import Card
from lodestard.residency.foretold import Foretold
from lodestard.residency.landing import abandon, give_in
from lodestard.residency.memory import decode, encode
from lodestard.residency.mover import run_mover
from lodestard.residency.place import CardPlace
from lodestard.residency.recall import recall, remember
from lodestard.residency.reporting import report
from lodestard.residency.steering import lend, pin, take_back, unload, unpin, wait_quiet, warm
from lodestard.residency.taking_in import take_in
from lodestard.residency.terms import Terms, read_terms

OpenHost = Callable[[str, Upstream, str], AbstractAsyncContextManager[ModelHost]]
RESTART_PAUSE_S, MOST_PAUSE_S = 1.0, 30.0
HELD_S = 60.0
"""What has kept a card for so long is whole: its next defect is a first one."""

logger = logging.getLogger(__name__)


@dataclass(slots=True, eq=False)
class Keeper:
    """A card with the task that keeps it. ``key`` opens its server, ``host`` is that server while it is open."""

    card: Card
    key: str
    scope: trio.CancelScope = field(default_factory=trio.CancelScope)
    host: ModelHost | None = None
    foretold: Foretold = field(default_factory=Foretold)


class Residency:
    """Open it with ``open_residency``."""

    def __init__(self, open_host: OpenHost, clock: Clock, learned: bytes, nursery: trio.Nursery) -> None:
        self._open_host = open_host
        self._clock = clock
        self._learned = decode(learned)
        self._nursery = nursery
        self._keepers: dict[str, Keeper] = {}
        self._aliases: Mapping[str, tuple[Target, ...]] = {}

    # -- configuration -----------------------------------------------------------------------------------------

    def configure(self, settings: Settings, keys: Mapping[str, Secret]) -> None:
        """Take a configuration in. A host whose address or key is another one is another host."""
        terms = read_terms(settings)
        opened = {name: keys[name].reveal() if name in keys else "" for name in terms}
        self._aliases = {alias: tuple(map(Target.parse, model.route)) for alias, model in settings.models.items()}
        for name, keeper in list(self._keepers.items()):
            if name not in terms or not same_server(keeper, terms[name], opened[name]):
                self._retire(self._keepers.pop(name))
        for name, term in terms.items():
            keeper = self._keepers.get(name) or self._open(name, term, opened[name])
            take_in(keeper.card, term, self._routed(name))

    def _routed(self, host: str) -> frozenset[str]:
        """The models of a host that aliases lead to."""
        targets = (target for route in self._aliases.values() for target in route)
        return frozenset(target.model for target in targets if target.upstream == host)

    def _open(self, name: str, terms: Terms, key: str) -> Keeper:
        card = Card(name, terms, recall(self._learned, name), self._clock.now_ms)
        keeper = self._keepers[name] = Keeper(card, key)
        self._nursery.start_soon(self._keep, keeper)
        return keeper

    def _retire(self, keeper: Keeper) -> None:
        """It answers who is there already, and closes."""
        self._learned = remember(self._learned, keeper.card)
        self._nursery.start_soon(self._close_when_quiet, keeper)

    async def _close_when_quiet(self, keeper: Keeper) -> None:
        await wait_quiet(keeper.card)
        keeper.scope.cancel()

    async def _keep(self, keeper: Keeper) -> None:
        """Keep a card for as long as it is wanted; a defect in it ends the waits of others, not the house."""
        card, pause_s = keeper.card, 0.0
        with keeper.scope:
            try:
                while True:
                    began_s = trio.current_time()
                    if not await self._keep_once(keeper):
                        pause_s = next_pause_s(pause_s, trio.current_time() - began_s)
                        give_in(card)
                        await trio.sleep(pause_s)
            finally:
                abandon(card, lambda: refusals.closing(card.name))

    async def _keep_once(self, keeper: Keeper) -> bool:
        """Until its settings are others, or until a defect: then False."""
        card = keeper.card
        try:
            async with self._open_host(card.name, card.terms.upstream, keeper.key) as host:
                keeper.host = host
                await run_mover(card, host)
        except Exception:
            logger.exception("the card of %s failed; it starts again", card.name)
            return False
        else:
            return True
        finally:
            keeper.host = None

    # -- admission ---------------------------------------------------------------------------------------------

    def place(self, ask: Ask) -> CardPlace | None:
        """A place for an attempt, or None where nobody here looks after its upstream."""
        keeper = self._keepers.get(ask.target.upstream)
        return None if keeper is None else CardPlace(keeper.card, ask)

    def predicted_wait(self, target: Target, prompt_tokens: int) -> Wait | None:
        """How long a request that somebody waits for would wait for its first token."""
        keeper = self._keepers.get(target.upstream)
        return None if keeper is None else keeper.card.predict_for(target.model, prompt_tokens)

    # -- the desk ----------------------------------------------------------------------------------------------

    @property
    def hosts(self) -> Sequence[str]:
        return tuple(self._keepers)

    def state(self, host: str) -> HostState:
        keeper = self._keepers[host]
        return report(keeper.card, keeper.foretold)

    def find(self, name: str) -> Target:
        """See the port."""
        found = self._named(name)
        if len(found) > 1:
            many = ", ".join(map(str, found))
            raise CallerFault(
                Code.INVALID_REQUEST, f"{name!r} is on several hosts: say which ({many}).", param="model"
            )
        if not found:
            near = did_you_mean(name, [*self._aliases, *(str(target) for target in self._targets())])
            hint = f" Did you mean {near}?" if near else ""
            text = f"No Ollama server of the configuration has a model {name!r}.{hint}"
            raise CallerFault(Code.MODEL_NOT_FOUND, text, param="model")
        return found[0]

    def _named(self, name: str) -> list[Target]:
        host, slash, model = name.partition("/")
        if slash and host in self._keepers and model:
            return [Target(host, self._keepers[host].card.own_name(model))]
        local = [target for target in self._aliases.get(name, ()) if target.upstream in self._keepers]
        if local:
            return [self._own(local[0])]
        return [target for target in self._targets() if same_model(target.model, name)]

    def _targets(self) -> list[Target]:
        """Every model of every host that is configured, routed to or in memory."""
        named = {
            Target(name, model)
            for name, keeper in self._keepers.items()
            for model in (
                *keeper.card.terms.upstream.models,
                *keeper.card.routed,
                *keeper.card.state.tenants,
            )
        }
        return sorted({self._own(target) for target in named})

    def _own(self, target: Target) -> Target:
        """The same by the one name that its host's card has for it."""
        return Target(target.upstream, self._keeper(target.upstream).card.own_name(target.model))

    def _keeper(self, host: str) -> Keeper:
        keeper = self._keepers.get(host)
        if keeper is None:
            near = did_you_mean(host, self._keepers)
            hint = f" Did you mean {near}?" if near else ""
            raise CallerFault(Code.INVALID_REQUEST, f"{host!r} is no Ollama server that Lodestar looks after.{hint}")
        return keeper

    async def warm(self, target: Target) -> float:
        """See the port."""
        began_s = trio.current_time()
        await warm(self._keeper(target.upstream).card, target)
        return trio.current_time() - began_s

    async def unload(self, target: Target) -> bool:
        """See the port."""
        return await unload(self._keeper(target.upstream).card, self._own(target).model)

    def pin(self, target: Target, *, exclusive: bool = False) -> None:
        """See the port."""
        pin(self._keeper(target.upstream).card, self._own(target).model, exclusive=exclusive)

    def unpin(self, target: Target) -> bool:
        """See the port."""
        return unpin(self._keeper(target.upstream).card, self._own(target).model)

    def pause(self, host: str, until_ms: int | None = None) -> None:
        """See the port."""
        lend(self._keeper(host).card, until_ms or 0)

    def resume(self, host: str) -> bool:
        """See the port."""
        return take_back(self._keeper(host).card)

    def pull(self, target: Target) -> AbstractAsyncContextManager["AsyncIterator[PullProgress]"]:
        """See the port."""
        keeper = self._keeper(target.upstream)
        if keeper.host is None:
            raise HouseFault(Code.OVERLOADED, f"{target.upstream} is being opened: try again in a second.")
        return keeper.host.pull(target.model)

    # -- memory ------------------------------------------------------------------------------------------------

    def dump(self) -> bytes:
        """All that was learned and told, for the next daemon."""
        learned = self._learned
        for keeper in self._keepers.values():
            learned = remember(learned, keeper.card)
        self._learned = learned
        return encode(learned)


def next_pause_s(pause_s: float, held_s: float) -> float:
    """How long to wait before a card is kept again, after ``pause_s`` before and a defect ``held_s`` later."""
    return RESTART_PAUSE_S if held_s >= HELD_S or not pause_s else min(MOST_PAUSE_S, 2 * pause_s)


def same_server(keeper: Keeper, terms: Terms, key: str) -> bool:
    """Whether a card can go on with new terms: pools are bound to an address and a key."""
    old, new = keeper.card.terms.upstream, terms.upstream
    return (old.url, old.ca_file, old.headers, keeper.key) == (new.url, new.ca_file, new.headers, key)


@asynccontextmanager
async def open_residency(open_host: OpenHost, clock: Clock, learned: bytes = b"") -> AsyncIterator[Residency]:
    """The residency, for as long as the context lasts. ``learned`` is what ``dump`` once gave."""
    async with trio.open_nursery() as nursery:
        yield Residency(open_host, clock, learned, nursery)
        nursery.cancel_scope.cancel()
