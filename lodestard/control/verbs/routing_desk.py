"""What the verbs of feedback, projects and switches ask of the house, as Protocols."""

from collections.abc import Iterable, Sequence
from typing import Protocol

from lodestard.domain.feedback import Feedback, Given
from lodestard.domain.project import KnownProject, ProjectFault, ProjectFile, Standing, TrustedFile
from lodestard.domain.switch import Scope, Switch


class FeedbackDesk(Protocol):
    """Verdicts on answers."""

    def judge(self, feedback: Feedback, principal: str | None) -> Given:
        """Take one in. Raises ``CallerFault`` where there is no such request."""
        ...

    def of_request(self, request_id: str) -> Sequence[Given]:
        """Those on one answer, the oldest first."""
        ...

    async def latest(self, limit: int) -> Sequence[Given]:
        """The newest first."""
        ...


class ProjectsDesk(Protocol):
    """Trusted projects' files."""

    @property
    def known(self) -> Sequence[KnownProject]: ...

    def standing(self, folder: str, text: str) -> Standing:
        """How a file stands that somebody sees in ``folder``."""
        ...

    def look(
        self, folder: str, text: str, aliases: Iterable[str]
    ) -> tuple[ProjectFile | None, tuple[ProjectFault, ...]]:
        """What a file says, and what is wrong with it here."""
        ...

    async def trust(self, trusted: TrustedFile, aliases: Iterable[str]) -> KnownProject:
        """Trust exactly this text. Raises ``CallerFault``, ``HouseFault``."""
        ...

    async def untrust(self, folder: str) -> bool:
        """Whether it was trusted. Raises ``HouseFault``."""
        ...

    async def see(self, folder: str, standing: Standing) -> None:
        """What somebody found of a trusted file in its folder."""
        ...


class SwitchesDesk(Protocol):
    """Quick switches."""

    @property
    def active(self) -> Sequence[Switch]: ...

    async def set(self, switch: Switch) -> None:
        """Raises ``CallerFault``, ``HouseFault``."""
        ...

    async def take_back(self, scope: Scope, of: str) -> bool:
        """Whether there was one. Raises ``HouseFault``."""
        ...


class RoutingDesk(Protocol):
    """The part of the desk that these are asked for at."""

    @property
    def feedback(self) -> FeedbackDesk: ...

    @property
    def projects(self) -> ProjectsDesk: ...

    @property
    def switches(self) -> SwitchesDesk: ...

    async def can_watch(self, folder: str, sha256: str) -> bool:
        """Whether the daemon itself sees just this file in ``folder``."""
        ...
