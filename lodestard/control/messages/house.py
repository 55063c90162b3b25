"""What the house answers when it is told or asked something."""

from lodestard.control.envelope import Message
from lodestard.control.messages.configuration import ConfigProblem
from lodestard.control.messages.severity import Severity


class LedgerVerification(Message, frozen=True):
    """``faults`` are sentences; none of them means that every row adds up."""

    ok: bool
    file: str = ""
    requests: int = 0
    attempts: int = 0
    cost_nano_usd: int = 0
    faults: tuple[str, ...] = ()


class LogLevel(Message, frozen=True):
    level: str
    was: str


class Draining(Message, frozen=True):
    """A drain has begun; ``exchanges`` are still under way and have ``drain_s`` to end."""

    exchanges: int
    drain_s: float


class RestartReport(Message, frozen=True):
    """A restart has begun, or (``ok`` False) the configuration is wrong and the daemon serves on.

    With a ``unit`` it has only been made ready for: systemd is to be asked. ``exchanges`` are still under way and
    have ``drain_s`` to end. ``moves``: the control socket is at another place afterwards.
    """

    ok: bool
    unit: str = ""
    pid: int = 0
    exchanges: int = 0
    drain_s: float = 0.0
    moves: bool = False
    faults: tuple[ConfigProblem, ...] = ()


class Restarted(Message, frozen=True):
    """What ``lodestarctl restart`` saw: ``waited_s`` until the new process answered; ``by`` "itself" or the unit."""

    ok: bool
    by: str = "itself"
    pid: int = 0
    version: str = ""
    state: str = ""
    waited_s: float = 0.0
    faults: tuple[ConfigProblem, ...] = ()


class Finding(Message, frozen=True):
    """Something that the doctor found: what it is and how to mend it."""

    severity: Severity
    code: str
    what: str
    mend: str = ""


class DoctorReport(Message, frozen=True):
    """``checks`` is how many things were looked at; ``running`` whether the daemon answered for itself."""

    findings: tuple[Finding, ...]
    checks: int
    running: bool = False


class AskItem(Message, frozen=True):
    """A part of an answer to ``ask``: text or reasoning as it comes; the last item has ``request_id``."""

    text: str = ""
    reasoning: str = ""
    request_id: str = ""
    target: str = ""
    cost_nano_usd: int | None = None
    cache: str = ""
