"""Projects' files, and quick switches."""

from lodestard.control.envelope import Message


class ProjectProblem(Message, frozen=True):
    """What is wrong with a file. ``line`` is 0 where nobody knows."""

    message: str
    key: str = ""
    line: int = 0


class ProjectReport(Message, frozen=True):
    """A file, what it would do or does (sentences), and what is wrong with it.

    ``standing``: trusted, untrusted, changed (since it was trusted), gone, or invalid. ``watched``: the daemon itself
    sees whether it changes; otherwise lodestarctl tells.
    """

    folder: str
    standing: str
    sha256: str = ""
    name: str = ""
    effects: tuple[str, ...] = ()
    faults: tuple[ProjectProblem, ...] = ()
    watched: bool = False
    trusted_ms: int | None = None


class ProjectList(Message, frozen=True):
    """All that were ever trusted and not taken back."""

    projects: tuple[ProjectReport, ...]


class Untrusted(Message, frozen=True):
    """``was``: whether it had been trusted."""

    folder: str
    was: bool


class SwitchRow(Message, frozen=True):
    """``alias`` answers in place of every chat alias, in ``scope`` (session, project or all) ``of`` that name.

    ``gone``: there is no such alias any more, so nothing is switched until there is.
    """

    alias: str
    scope: str = "all"
    of: str = ""
    since_ms: int = 0
    until_ms: int | None = None
    gone: bool = False


class SwitchList(Message, frozen=True):
    """Those that hold, the narrower ones first. ``changed``: whether this call has changed something."""

    switches: tuple[SwitchRow, ...]
    changed: bool = False
