"""The doors to projects' files and quick switches, as requests look them up."""

from typing import Protocol

from lodestard.domain.project import ProjectPolicy
from lodestard.domain.request import Caller
from lodestard.domain.switch import Switch


class ProjectsPort(Protocol):
    """Trusted projects."""

    def policy(self, project_or_folder: str) -> ProjectPolicy | None:
        """What a project's trusted file says, by its name or a path in its folder; None where there is none."""
        ...


class SwitchesPort(Protocol):
    """Quick switches."""

    def find(self, caller: Caller) -> str | None:
        """The alias that is asked in place of whichever chat alias ``caller`` names; None for that one itself."""
        ...

    @property
    def active(self) -> tuple[Switch, ...]:
        """Those that hold now, the narrower ones first."""
        ...
