"""A service manager's part in socket activation: it holds the listening sockets, and hands them to what it starts."""

import socket
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

# Gives the listening sockets that it was passed the numbers from 3 on, as a service manager does.
_PASS_ON = """
import fcntl, os, sys
names, fds, command = sys.argv[1], [int(fd) for fd in sys.argv[2].split(",")], sys.argv[3:]
aside = [fcntl.fcntl(fd, fcntl.F_DUPFD, 100) for fd in fds]
for index, fd in enumerate(aside):
    os.dup2(fd, 3 + index)
    os.close(fd)
os.environ |= {"LISTEN_PID": str(os.getpid()), "LISTEN_FDS": str(len(fds)), "LISTEN_FDNAMES": names}
os.execv(command[0], command)
"""


@dataclass(frozen=True)
class Holder:
    """Holds sockets by name. ``how`` is what ``Daemon.start`` needs to hand them over."""

    sockets: Mapping[str, socket.socket]

    @property
    def port(self) -> int:
        port: int = self.sockets["proxy"].getsockname()[1]
        return port

    @property
    def how(self) -> dict[str, Any]:
        fds: Sequence[int] = [each.fileno() for each in self.sockets.values()]
        names = ":".join(self.sockets)
        return {"wrap": [sys.executable, "-c", _PASS_ON, names, ",".join(map(str, fds))], "pass_fds": fds}


@contextmanager
def holding(control: Path) -> Iterator[Holder]:
    """The proxy's socket on a port of its own, and the control socket at ``control``."""
    with ExitStack() as stack:
        proxy = stack.enter_context(socket.create_server(("127.0.0.1", 0), backlog=4096))
        unix = stack.enter_context(socket.socket(socket.AF_UNIX))
        unix.bind(str(control))
        unix.listen()
        yield Holder({"proxy": proxy, "control": unix})
