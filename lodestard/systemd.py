"""What the house says to systemd, and what systemd hands to it: readiness, watchdog, sockets, the journal's stream.

Law: nothing here decides anything, and nothing here may stop the house: news that can't be delivered is dropped.
Off systemd every answer is "nothing was handed over" and every message goes nowhere. Owner: ``__main__`` reads the
environment once; ``daemon.py`` holds the ``Notifier``.
"""

import fcntl
import logging
import os
from collections.abc import Callable, Mapping, MutableMapping, Sequence
from pathlib import Path, PurePosixPath

FIRST_FD = 3
EXIT_CONFIG = 78
UNNAMED = "unknown"
OWN_SOCKETS = "LODESTAR_OWN_SOCKETS"
USEC_PER_S = 1_000_000

APT_LINE = "apt-get install gcc pkg-config libsystemd-dev python3-dev"
PIP_LINE = "pip install lodestard[systemd]"

logger = logging.getLogger(__name__)

Send = Callable[[str], object]


class SystemdExtraMissing(Exception):
    """We run under systemd, but systemd-python is not installed. The process exits with ``EXIT_CONFIG``."""


def require_extra(environ: Mapping[str, str], stderr_fd: int = 2) -> None:
    """Raise ``SystemdExtraMissing`` where systemd expects to hear from us and systemd-python is not there.

    That is so when ``NOTIFY_SOCKET`` is set, or when ``JOURNAL_STREAM`` really is ``stderr_fd``: many shells inherit
    the variable from a session that systemd started, while their stderr is a terminal.
    """
    if not (environ.get("NOTIFY_SOCKET") or journal_stream_is(stderr_fd, environ)):
        return
    try:
        from systemd import daemon, journal  # noqa: F401
    except ImportError:
        raise SystemdExtraMissing(
            "Lodestar was started by systemd, but the Python package systemd-python is missing. "
            f"As root: {APT_LINE}. Then, in Lodestar's own environment: {PIP_LINE}"
        ) from None


class Notifier:
    """Tells the service manager how we are (sd_notify(3)). Off systemd it says nothing."""

    __slots__ = ("_send",)

    def __init__(self, send: Send | None) -> None:
        self._send = send

    @classmethod
    def from_environ(cls, environ: Mapping[str, str]) -> "Notifier":
        """The notifier for this process; ``environ`` is the process's own environment.

        Raises ``SystemdExtraMissing`` where there is a ``NOTIFY_SOCKET`` but no systemd-python.
        """
        if not environ.get("NOTIFY_SOCKET"):
            return cls(None)
        require_extra(environ)
        from systemd import daemon

        return cls(daemon.notify)

    @property
    def active(self) -> bool:
        """Whether anybody listens."""
        return self._send is not None

    def ready(self, status: str) -> None:
        """Started, or a reload has ended."""
        self._tell(f"READY=1\nSTATUS={_one_line(status)}")

    def status(self, text: str) -> None:
        """The line that ``systemctl status`` shows."""
        self._tell(f"STATUS={_one_line(text)}")

    def reloading(self, monotonic_usec: int) -> None:
        """A reload begins; ``ready`` ends it. ``monotonic_usec`` is CLOCK_MONOTONIC's (``Type=notify-reload``)."""
        self._tell(f"RELOADING=1\nMONOTONIC_USEC={monotonic_usec}")

    def stopping(self, within_s: float) -> None:
        """The shutdown begins, and may take so long, also where the unit has less time for it."""
        self._tell(f"STOPPING=1\nEXTEND_TIMEOUT_USEC={round(within_s * USEC_PER_S)}")

    def watchdog(self) -> None:
        """Still alive. Due at least every ``watchdog_interval_s``."""
        self._tell("WATCHDOG=1")

    def _tell(self, message: str) -> None:
        if self._send is None:
            return
        try:
            self._send(message)
        except OSError as error:
            logger.warning("systemd could not be told: %s", error)


def watchdog_interval_s(environ: Mapping[str, str]) -> float | None:
    """How often ``Notifier.watchdog`` is due: half of what systemd allows; None where it does not watch us."""
    usec = _number(environ, "WATCHDOG_USEC")
    if not usec or _number(environ, "WATCHDOG_PID", default=os.getpid()) != os.getpid():
        return None
    return usec / USEC_PER_S / 2


def listen_fds(environ: MutableMapping[str, str]) -> dict[str, list[int]]:
    """The sockets that systemd opened for us, by ``FileDescriptorName`` (sd_listen_fds(3)); empty where none.

    They are marked close-on-exec, and the variables are removed so that no child takes them for its own.
    """
    count = _number(environ, "LISTEN_FDS") or 0
    ours = _number(environ, "LISTEN_PID") == os.getpid()
    names = environ.get("LISTEN_FDNAMES", "").split(":")
    for variable in ("LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES"):
        environ.pop(variable, None)
    return _named_fds(count, names) if ours else {}


def write_listen_fds(environ: MutableMapping[str, str], names: Sequence[str], *, ours: bool) -> None:
    """The other side of ``listen_fds``: sockets of these names are at the numbers from ``FIRST_FD`` on.

    ``ours``: this program opened them itself, no service manager did.
    """
    environ["LISTEN_PID"] = str(os.getpid())
    environ["LISTEN_FDS"] = str(len(names))
    environ["LISTEN_FDNAMES"] = ":".join(names)
    if ours:
        environ[OWN_SOCKETS] = "1"


def sockets_are_ours(environ: MutableMapping[str, str]) -> bool:
    """Whether what ``listen_fds`` gives was opened by this program before it began anew. Asked once."""
    return environ.pop(OWN_SOCKETS, "") == "1"


def service_unit(environ: Mapping[str, str], cgroup: Path = Path("/proc/self/cgroup")) -> str:
    """The unit that systemd runs this process as (``lodestard.service``); empty where it does not."""
    if not environ.get("NOTIFY_SOCKET"):
        return ""
    try:
        group = cgroup.read_text().strip().rpartition(":")[2]
    except OSError:
        return ""
    name = PurePosixPath(group).name
    return name if name.endswith(".service") else ""


def _named_fds(count: int, names: list[str]) -> dict[str, list[int]]:
    handed: dict[str, list[int]] = {}
    for index in range(count):
        fd = FIRST_FD + index
        fcntl.fcntl(fd, fcntl.F_SETFD, fcntl.fcntl(fd, fcntl.F_GETFD) | fcntl.FD_CLOEXEC)
        name = names[index] if index < len(names) else ""
        handed.setdefault(name or UNNAMED, []).append(fd)
    return handed


def journal_stream_is(fd: int, environ: Mapping[str, str] = os.environ) -> bool:
    """Whether ``fd`` is the very stream that systemd connected to the journal (``JOURNAL_STREAM``: device, inode)."""
    device, colon, inode = environ.get("JOURNAL_STREAM", "").partition(":")
    if not colon:
        return False
    try:
        stat = os.fstat(fd)
    except OSError:
        return False
    return (str(stat.st_dev), str(stat.st_ino)) == (device, inode)


def _number(environ: Mapping[str, str], name: str, *, default: int | None = None) -> int | None:
    text = environ.get(name, "")
    return int(text) if text.isascii() and text.isdigit() else default


def _one_line(text: str) -> str:
    return " ".join(text.split())
