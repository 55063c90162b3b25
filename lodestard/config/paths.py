"""Where things are when the configuration doesn't say. Pure over the environment.

Law: a system service has its places from systemd or the file hierarchy, a user's own daemon from XDG. Sources:
systemd.exec(5) (``STATE_DIRECTORY``), the XDG base directory specification 0.8 (relative paths are ignored).
"""

from collections.abc import Mapping
from pathlib import Path

import msgspec

SYSTEM_CONFIG = Path("/etc/lodestard/lodestard.toml")
SYSTEM_STATE = Path("/var/lib/lodestard")
SYSTEM_SOCKET = Path("/run/lodestard.sock")


class Paths(msgspec.Struct, frozen=True):
    """The configuration's file, the folder of the databases, the control socket."""

    config_file: Path
    state_dir: Path
    control_socket: Path


def find_paths(environ: Mapping[str, str], uid: int) -> Paths:
    """The places of the daemon that runs as ``uid``: root's and a service's are the system's."""
    service_state = environ.get("STATE_DIRECTORY", "").partition(":")[0]
    if service_state or uid == 0:
        return Paths(SYSTEM_CONFIG, Path(service_state) if service_state else SYSTEM_STATE, SYSTEM_SOCKET)
    home = Path(environ.get("HOME") or "/")
    state_dir = _xdg(environ, "XDG_STATE_HOME", home / ".local/state") / "lodestard"
    return Paths(
        config_file=_xdg(environ, "XDG_CONFIG_HOME", home / ".config") / "lodestard/lodestard.toml",
        state_dir=state_dir,
        control_socket=_xdg(environ, "XDG_RUNTIME_DIR", state_dir) / "lodestard.sock",
    )


def run_dir(control_socket: Path) -> Path:
    """The folder of what lives as long as the daemon: named after its socket, so that whoever finds one finds both.

    ``/run/lodestard.sock`` → ``/run/lodestard``, which systemd makes and empties (``RuntimeDirectory=``).
    """
    if control_socket.suffix == ".sock":
        return control_socket.with_suffix("")
    return control_socket.with_name(f"{control_socket.name}.d")


def demo_paths(environ: Mapping[str, str]) -> Paths:
    """The places of ``lodestard --demo``: under the user's home, whoever that is, apart from a real daemon's."""
    home = Path(environ.get("HOME") or "/")
    state_dir = _xdg(environ, "XDG_STATE_HOME", home / ".local/state") / "lodestard-demo"
    return Paths(state_dir / "lodestard.toml", state_dir, state_dir / "lodestard.sock")


def _xdg(environ: Mapping[str, str], name: str, default: Path) -> Path:
    given = Path(environ.get(name, ""))
    return given if given.is_absolute() else default
