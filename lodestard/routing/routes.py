"""The routes of one configuration: the catalogue, and what the house knows right now."""

from collections.abc import Callable, Sequence

from lodestard.domain.upstream import Candidate, Plan
from lodestard.routing.catalog import Catalog
from lodestard.routing.choose import View, choose_free, choose_route


class Routes:
    """Implements ``domain.ports.RoutesPort``: takes the view, leaves the choice to ``choose_route``."""

    def __init__(self, catalog: Catalog, is_up: Callable[[str], bool]) -> None:
        self.catalog = catalog
        self._is_up = is_up
        self._down: frozenset[str] = frozenset()
        self._plans: dict[str, Plan] = {}

    @property
    def aliases(self) -> Sequence[str]:
        return tuple(self.catalog.aliases)

    def choose(self, alias: str) -> Plan:
        """See the port. Pure, so an alias's plan stands until another upstream goes down or comes up."""
        down = self._find_down()
        if down != self._down:
            self._down, self._plans = down, {}
        plan = self._plans.get(alias)
        if plan is None:
            plan = choose_route(alias, View(catalog=self.catalog, down=down))
            if alias in self.catalog.aliases:  # what else clients may name has no end
                self._plans[alias] = plan
        return plan

    def free_candidates(self) -> Sequence[Candidate]:
        """See the port."""
        return choose_free(self.view())

    def view(self) -> View:
        """What is known at this moment, frozen."""
        return View(catalog=self.catalog, down=self._find_down())

    def _find_down(self) -> frozenset[str]:
        is_up = self._is_up
        return frozenset([name for name in self.catalog.upstreams if not is_up(name)])
