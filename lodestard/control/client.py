"""The one client of the control socket: ``http.client`` over ``AF_UNIX``, and msgspec.

Law: synchronous and small, because the command line's start is its cost. What goes wrong leaves as one of two
exceptions: nobody is there, or somebody said no.
"""

import http.client
import os
import socket
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from lodestard.control.messages import MEDIA_JSON, VERBS_PATH, VERSION, Envelope, Refusal, VerbInfo, VerbList
from lodestard.domain.errors import Code

T = TypeVar("T")
CONNECT_TIMEOUT_S = 5.0
ANSWER_TIMEOUT_S = 120.0
SYSTEM_SOCKET = "/run/lodestard.sock"


class DaemonNotRunning(Exception):
    """Nobody listens on the control socket."""


class ControlError(Exception):
    """The daemon said no, or what it said can't be used. ``code`` is a ``Code`` or one of a newer daemon."""

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(refusal.message)
        self.refusal = refusal
        self.code = refusal.code
        self.message = refusal.message


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, path: str, timeout_s: float | None) -> None:
        super().__init__("localhost")
        self._path = path
        self._timeout_s = timeout_s

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(CONNECT_TIMEOUT_S)
        self.sock.connect(self._path)
        self.sock.settimeout(self._timeout_s)


class ControlClient:
    """Calls verbs. ``paths`` are sockets to try in turn: the first on which somebody listens is used.

    Each call has a connection of its own, so one client may be used by any number of threads.
    """

    def __init__(self, paths: str | Sequence[str], *, timeout_s: float = ANSWER_TIMEOUT_S) -> None:
        self._paths = (paths,) if isinstance(paths, str) else tuple(paths)
        self._timeout_s = timeout_s

    def call(self, verb: str, arguments: Mapping[str, Any] | None = None) -> msgspec.Raw:
        """The data of an answer, as JSON. Raises ``ControlError`` and ``DaemonNotRunning``."""
        body = msgspec.json.encode(arguments or {})
        with self._answered("POST", f"{VERBS_PATH}/{verb}", body, self._timeout_s) as response:
            return read_envelope(response.read())

    def ask(self, verb: str, arguments: Mapping[str, Any] | None, kind: type[T]) -> T:
        """Like ``call``, read as ``kind``."""
        return read_data(self.call(verb, arguments), kind)

    def stream(self, verb: str, arguments: Mapping[str, Any] | None = None) -> Generator[msgspec.Raw, None, None]:
        """The items of a stream as they come, without a deadline. Closing the iterator ends the verb.

        Raises as ``call`` does, also in the midst of the stream.
        """
        body = msgspec.json.encode(arguments or {})
        with self._answered("POST", f"{VERBS_PATH}/{verb}", body, None) as response:
            for line in _read_lines(response):
                yield read_envelope(line)

    def verbs(self) -> tuple[VerbInfo, ...]:
        """What the daemon can be asked to do."""
        with self._answered("GET", VERBS_PATH, b"", self._timeout_s) as response:
            return read_data(read_envelope(response.read()), VerbList).verbs

    @contextmanager
    def _answered(
        self, method: str, path: str, body: bytes, timeout_s: float | None
    ) -> Iterator[http.client.HTTPResponse]:
        connection = self._connect(timeout_s)
        try:
            with _wall():
                with suppress(BrokenPipeError):  # it may have answered before it had read all
                    connection.request(method, path, body, {"content-type": MEDIA_JSON})
                yield _first_words(connection)
        finally:
            connection.close()

    def _connect(self, timeout_s: float | None) -> _UnixConnection:
        for path in self._paths:
            connection = _UnixConnection(path, timeout_s)
            try:
                connection.connect()
            except PermissionError:
                connection.close()
                raise _error(Code.NOT_PERMITTED, f"You may not open {path}{_who_may(path)}.") from None
            except OSError:
                connection.close()
            else:
                return connection
        raise DaemonNotRunning(f"lodestard is not running: nobody listens on {' or '.join(self._paths)}.")


def read_data(data: msgspec.Raw, kind: type[T]) -> T:
    """JSON → ``kind``. Raises ``ControlError`` where the daemon's version of it is another."""
    try:
        return msgspec.json.decode(data, type=kind)
    except (ValueError, RecursionError):
        raise _error(
            Code.INTERNAL, f"lodestard answered with another version of {kind.__name__} than this lodestarctl knows."
        ) from None


def _first_words(connection: _UnixConnection) -> http.client.HTTPResponse:
    """A socket of systemd's takes a question before anybody is there, and drops it where nobody comes."""
    try:
        return connection.getresponse()
    except ConnectionResetError:
        raise DaemonNotRunning("lodestard closed the connection without an answer.") from None


def _who_may(path: str) -> str:
    """Whom the socket is for, and how one becomes such; empty where that can't be told."""
    import grp
    import pwd

    try:
        group = grp.getgrgid(Path(path).stat().st_gid)
        user = pwd.getpwuid(os.getuid()).pw_name
    except (OSError, KeyError):
        return ""
    if group.gr_gid == 0:
        return ": root may"
    if user in group.gr_mem:
        return f": you are in its group {group.gr_name} from your next login on"
    return (
        f": members of the group {group.gr_name} may. As root: usermod -aG {group.gr_name} {user}; then log in again"
    )


@contextmanager
def _wall() -> Iterator[None]:
    """Where the transport's exceptions end."""
    try:
        yield
    except TimeoutError:
        raise _error(Code.REQUEST_TIMEOUT, "lodestard did not answer in time.") from None
    except (http.client.HTTPException, ConnectionError):
        raise _error(Code.INTERNAL, "lodestard's answer was cut off.") from None


def _read_lines(response: http.client.HTTPResponse) -> Iterator[bytes]:
    """Whole lines as soon as they are there. ``readline`` would hide a cut: it takes one for the end."""
    rest = b""
    while data := response.read1(65536):
        *lines, rest = (rest + data).split(b"\n")
        yield from filter(None, lines)
    if rest:
        yield rest


def read_envelope(line: bytes) -> msgspec.Raw:
    """The data inside an envelope. Raises ``ControlError`` for an error in it, and where it is none."""
    try:
        envelope = msgspec.json.decode(line, type=Envelope)
    except (ValueError, RecursionError):
        raise _error(Code.INTERNAL, "What answers on this socket is not lodestard.") from None
    if envelope.version != VERSION:
        raise _error(Code.INTERNAL, f"lodestard speaks version {envelope.version} of the control format.")
    if envelope.error is not None:
        raise ControlError(envelope.error)
    return envelope.data or msgspec.Raw(b"null")


def _error(code: Code, message: str) -> ControlError:
    return ControlError(Refusal(code=code.value, message=message))


def socket_paths(environment: Mapping[str, str], uid: int) -> tuple[str, ...]:
    """Where a control socket may be, likeliest first: root's is the system's, others try their own before it.

    The demo's comes last, so that it never stands before a real daemon.
    """
    if given := environment.get("LODESTAR_SOCKET"):
        return (given,)
    state = Path(environment.get("HOME") or "/") / ".local" / "state"
    state_home = _absolute(environment, "XDG_STATE_HOME", state)
    own = str(_absolute(environment, "XDG_RUNTIME_DIR", state_home / "lodestard") / "lodestard.sock")
    demo = str(state_home / "lodestard-demo" / "lodestard.sock")
    return (SYSTEM_SOCKET, own, demo) if uid == 0 else (own, SYSTEM_SOCKET, demo)


def _absolute(environment: Mapping[str, str], name: str, default: Path) -> Path:
    """XDG's rule: a relative path is ignored."""
    given = Path(environment.get(name, ""))
    return given if given.is_absolute() else default
