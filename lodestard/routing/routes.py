"""The routes of one configuration: the catalogue, and what the house knows right now."""

from collections.abc import Callable, Mapping, Sequence

import msgspec

from lodestard.domain.choice import Among, Asked, Figures, Interest, Needs
from lodestard.domain.price import Price, Quote
from lodestard.domain.project import ProjectPolicy
from lodestard.domain.route_ports import PricesPort
from lodestard.domain.routing_settings import Prefer, Worth
from lodestard.domain.task import Task
from lodestard.domain.upstream import Candidate, Plan, Target
from lodestard.routing.among import choose_among, list_targets, staying
from lodestard.routing.catalog import Catalog, Offer, reprice
from lodestard.routing.choose import UNKNOWN_TASK, View, choose_free, choose_route, know_nothing
from lodestard.routing.rules import ProjectRules, read_rules

NOBODY: Mapping[str, str] = {}


class Made(msgspec.Struct, frozen=True):
    """A plan that stands as long as its upstreams are as they were: by name, whether they were thought to be up; and
    who was ``tripped`` then."""

    plan: Plan
    were_up: tuple[tuple[str, bool], ...]
    tripped: Mapping[str, str]


class Routes:
    """Implements ``domain.ports.RoutesPort``: takes the view, leaves the choice to ``choose_route``.

    ``prices`` holds the price list of this moment; a new one is taken in by the next choice, and so is a price whose
    time has come by ``now_ms``. ``tripped`` tells whose breakers keep them back, by name; another mapping where that
    has changed.
    """

    def __init__(
        self,
        catalog: Catalog,
        is_up: Callable[[str], bool],
        prices: PricesPort | None = None,
        now_ms: Callable[[], int] = lambda: 0,
        tripped: Callable[[], Mapping[str, str]] = lambda: NOBODY,
    ) -> None:
        self._tripped = tripped
        self.catalog = catalog
        self._is_up = is_up
        self._prices = prices
        self._now_ms = now_ms
        self._quotes: Mapping[str, Quote] | None = None
        self._plans: dict[str, Made] = {}

    @property
    def aliases(self) -> Sequence[str]:
        return tuple(self.catalog.aliases)

    def needs(self, alias: str) -> Needs | None:
        """See the port."""
        return self.catalog.needs_of(alias)

    def prefers(self, alias: str) -> bool:
        """See the port."""
        return alias in self.catalog.prefer

    def interest(self, policy: ProjectPolicy | None = None) -> Interest:
        """See the port."""
        own = self.catalog.rules.interest
        if policy is None:
            return own
        other = read_rules(policy.rules).interest
        return Interest(*(mine or its for mine, its in zip(own, other, strict=True)))

    def choose(self, alias: str) -> Plan:
        """See the port. Pure, so an alias's plan stands until one of its upstreams comes or goes, or a price."""
        self._take_prices()
        made = self._plans.get(alias)
        if made is not None and made.tripped is self._tripped():
            for name, up in made.were_up:
                if self._is_up(name) is not up:
                    break
            else:
                return made.plan
        return self._make(alias)

    def plan(
        self,
        asked: Asked,
        task: Task,
        figures_of: Callable[[Candidate], Figures] = know_nothing,
        policy: ProjectPolicy | None = None,
    ) -> Plan:
        """See the port."""
        self._take_prices()
        view = View(
            catalog=self.catalog,
            down=self._find_down(),
            tripped=self._tripped(),
            figures_of=figures_of,
            project=None if policy is None else _rules_of(policy),
        )
        return choose_route(asked, task, view)

    def choose_among(
        self,
        asked: Asked,
        task: Task,
        among: Among,
        figures_of: Callable[[Candidate], Figures] = know_nothing,
    ) -> Plan:
        """See the port."""
        project = None if among.policy is None else _rules_of(staying(among.policy))
        view = msgspec.structs.replace(self.view(), figures_of=figures_of, project=project)
        return choose_among(among, asked, task, view)

    @property
    def chat_targets(self) -> Sequence[Target]:
        """See the port."""
        return list_targets(self.catalog)

    @property
    def worth(self) -> Mapping[Prefer, Worth]:
        """See the port."""
        return self.catalog.worth

    def _make(self, alias: str) -> Plan:
        down = self._find_down()
        tripped = self._tripped()
        view = View(catalog=self.catalog, down=down, tripped=tripped)
        plan = choose_route(Asked(alias=alias), UNKNOWN_TASK, view)
        if alias in self.catalog.aliases:  # what else clients may name has no end
            names = dict.fromkeys(offer.target.upstream for offer in self.catalog.aliases[alias])
            self._plans[alias] = Made(plan, tuple((name, name not in down) for name in names), tripped)
        return plan

    def price_of(self, target: Target) -> Price | None:
        """See the port."""
        self._take_prices()
        offer = self.catalog.offer(target)
        return self.catalog.prices.price_at(target, self._now_ms()) if offer is None else offer.price

    def offer(self, target: Target) -> Offer | None:
        """All that is known of a target now; None where there is no such upstream."""
        self._take_prices()
        return self.catalog.offer(target)

    def free_candidates(self) -> Sequence[Candidate]:
        """See the port."""
        return choose_free(self.view())

    def view(self) -> View:
        """What is known at this moment, frozen."""
        self._take_prices()
        return View(catalog=self.catalog, down=self._find_down(), tripped=self._tripped())

    def _take_prices(self) -> None:
        """Price anew where there is another list, or where a price's time has come."""
        until_ms = self.catalog.until_ms
        come = until_ms is not None and self._now_ms() >= until_ms
        if self._prices is None or (self._prices.quotes is self._quotes and not come):
            return
        self._quotes = self._prices.quotes
        self.catalog = reprice(self.catalog, self._quotes, self._now_ms())
        self._plans = {}

    def _find_down(self) -> frozenset[str]:
        is_up = self._is_up
        return frozenset([name for name in self.catalog.upstreams if not is_up(name)])


def _rules_of(policy: ProjectPolicy) -> ProjectRules:
    """Its rules made ready, which is done once."""
    return ProjectRules(name=policy.name, rules=read_rules(policy.rules), prefer=policy.prefer, models=policy.models)
