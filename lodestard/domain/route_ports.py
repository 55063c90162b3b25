"""The doors of routing: who answers, at what price."""

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

from lodestard.domain.choice import Among, Asked, Figures, Interest, Needs
from lodestard.domain.price import Price, Quote
from lodestard.domain.project import ProjectPolicy
from lodestard.domain.routing_settings import Prefer, Worth
from lodestard.domain.task import Task
from lodestard.domain.upstream import Candidate, Plan, Target


class RoutesPort(Protocol):
    """The choice of who answers."""

    def choose(self, alias: str) -> Plan:
        """Who is asked for ``alias``. Raises ``CallerFault`` where nobody can be."""
        ...

    def needs(self, alias: str) -> Needs | None:
        """What the choice for ``alias`` depends on beside who is up; None where it depends on all of a request."""
        ...

    def prefers(self, alias: str) -> bool:
        """Whether the best of its models for each request is asked first."""
        ...

    def plan(
        self,
        asked: Asked,
        task: Task,
        figures_of: Callable[[Candidate], Figures],
        policy: ProjectPolicy | None = None,
    ) -> Plan:
        """Who answers this very request; ``policy`` is its project's. Raises ``CallerFault`` where nobody may."""
        ...

    def choose_among(
        self, asked: Asked, task: Task, among: Among, figures_of: Callable[[Candidate], Figures]
    ) -> Plan:
        """The plan if all of them stood in one alias's route. Raises ``CallerFault`` where none may answer."""
        ...

    @property
    def chat_targets(self) -> Sequence[Target]:
        """Every target that some alias goes to and that can chat."""
        ...

    @property
    def worth(self) -> Mapping[Prefer, Worth]:
        """What an answer is worth, by what is preferred."""
        ...

    def interest(self, policy: ProjectPolicy | None = None) -> Interest:
        """What the rules look at, the project's too."""
        ...

    def price_of(self, target: Target) -> Price | None:
        """What a target costs now; None where nobody knows."""
        ...

    def free_candidates(self) -> Sequence[Candidate]:
        """The free models, in the order in which they are asked where nothing may be spent."""
        ...

    @property
    def aliases(self) -> Sequence[str]: ...


class PricesPort(Protocol):
    """The price list, which may be another one at any time."""

    @property
    def quotes(self) -> Mapping[str, Quote]:
        """By target ("upstream/model"). Never changed, only replaced."""
        ...
