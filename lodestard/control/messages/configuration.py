"""The configuration as it is in force."""

from lodestard.control.envelope import Message


class ConfigProblem(Message, frozen=True):
    """One fault or warning. ``line`` counts from 1; 0 where it is not known."""

    message: str
    key: str = ""
    file: str = ""
    line: int = 0


class ConfigReport(Message, frozen=True):
    """What a check found. ``ok`` is True where the daemon would start with it."""

    ok: bool
    files: tuple[str, ...] = ()
    faults: tuple[ConfigProblem, ...] = ()
    warnings: tuple[ConfigProblem, ...] = ()


class ConfigEntry(Message, frozen=True):
    """One value in force. ``origin`` is "file:line" or "default". ``value`` is JSON text."""

    key: str
    value: str
    origin: str = ""


class ConfigValues(Message, frozen=True):
    entries: tuple[ConfigEntry, ...]


class ReloadReport(Message, frozen=True):
    """``changed`` are the keys that differ; ``restart`` those of them that only a restart takes in."""

    ok: bool
    changed: tuple[str, ...] = ()
    restart: tuple[str, ...] = ()
    faults: tuple[ConfigProblem, ...] = ()
