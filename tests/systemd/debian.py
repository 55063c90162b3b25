"""A real Debian 12 with systemd, booted in a container without a network.

The tree is made once and kept in the cache folder; each boot lays a volatile layer over it, so no run sees
another's traces. What is installed comes in by read-only binds, at the places where the package puts it.
"""

import fcntl
import hashlib
import os
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

SUITE = "bookworm"
PACKAGES = "systemd,dbus,python3"
TOOLS = ("mmdebstrap", "systemd-nspawn", "nsenter", "setpriv")
BOOT_S = 60.0
REBOOT_S = 200.0
STOP_S = 20.0
TICK_S = 0.05
REBOOT_ASKED = 133
"""What systemd-nspawn --keep-unit ends with, so that whoever keeps it begins it anew."""


def missing_tools() -> str:
    """Why no Debian can be booted here; empty where one can."""
    if os.geteuid() != 0:
        return "booting a Debian needs root"
    missing = [tool for tool in TOOLS if shutil.which(tool) is None]
    return f"missing on this machine: {', '.join(missing)} (make systemd-tools)" if missing else ""


def cache_dir() -> Path:
    """Where trees and wheels are kept between runs."""
    root = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    folder = root / "lodestar-test"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


@contextmanager
def locked(name: str) -> Iterator[None]:
    """One run at a time makes what ``name`` stands for."""
    with (cache_dir() / f"{name}.lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def kept(name: str, make: Callable[[Path], None]) -> Path:
    """The folder ``name`` of the cache: made whole, or not at all."""
    folder = cache_dir() / name
    with locked(name):
        if not folder.exists():
            unfinished = folder.with_suffix(".unfinished")
            shutil.rmtree(unfinished, ignore_errors=True)
            make(unfinished)
            unfinished.rename(folder)
    return folder


def debian_tree() -> Path:
    """A bare Debian with systemd (20 s the first time)."""
    recipe = f"{SUITE} important {PACKAGES}"
    return kept(f"{SUITE}-{digest(recipe)}", _strap)


def _strap(folder: Path) -> None:
    run("mmdebstrap", "--quiet", "--variant=important", f"--include={PACKAGES}", SUITE, str(folder))


def digest(*parts: str | bytes) -> str:
    """A short name for what something was made from."""
    whole = hashlib.sha256()
    for part in parts:
        whole.update(part if isinstance(part, bytes) else part.encode())
        whole.update(b"\0")
    return whole.hexdigest()[:12]


def run(*command: str, timeout_s: float = 300) -> str:
    """Run ``command``; its standard output. A failure shows what it said."""
    done = subprocess.run(
        command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=timeout_s, check=False
    )
    assert done.returncode == 0, f"{' '.join(command)}: {done.returncode}\n{done.stdout}{done.stderr}"
    return done.stdout


@dataclass
class Debian:
    """A booted one. Commands run in all of its namespaces, as its root. ``leader``: its process 1, seen from here."""

    leader: int
    container: subprocess.Popen[bytes]
    console: Path

    def ask(self, *command: str, timeout_s: float = 60) -> subprocess.CompletedProcess[str]:
        """Run ``command`` inside; whatever its exit status."""
        enter = ("nsenter", f"--target={self.leader}", "--mount", "--uts", "--ipc", "--net", "--pid", "--cgroup")
        environ = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LANG": "C.UTF-8"}
        return subprocess.run(
            [*enter, *command],
            env=environ,
            cwd="/",
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=timeout_s,
            check=False,
        )

    def run(self, *command: str, timeout_s: float = 60) -> str:
        """Run ``command`` inside; its standard output. A failure shows what it and the journal said."""
        done = self.ask(*command, timeout_s=timeout_s)
        if done.returncode:
            journal = self.ask("journalctl", "--no-pager", "--lines=60").stdout
            raise AssertionError(f"{' '.join(command)}: {done.returncode}\n{done.stdout}{done.stderr}\n{journal}")
        return done.stdout

    def write(self, inside: str, text: str, *, mode: int = 0o644) -> None:
        """Write a file of the Debian's, whole."""
        path = self.path(inside)
        path.parent.mkdir(parents=True, exist_ok=True)
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode), "w") as file:
            file.write(text)

    def path(self, inside: str) -> Path:
        """A place of the Debian's, seen from here."""
        return Path(f"/proc/{self.leader}/root") / inside.lstrip("/")

    def reboot(self) -> None:
        """Go down, after a drain where there is one, and come up again. What is in a volatile layer is gone then."""
        self.ask("systemctl", "reboot")
        assert self.container.wait(REBOOT_S) == REBOOT_ASKED
        self.container = _begin(self.container.args, self.console)
        self.leader = _booted(self.container, self.console)

    def wait_until(self, condition: Callable[[], bool], what: str, *, timeout_s: float = BOOT_S) -> float:
        """Seconds until ``condition`` held."""
        started = time.monotonic()
        while not condition():
            waited_s = time.monotonic() - started
            assert waited_s < timeout_s, f"waited {waited_s:.0f} s in vain: {what}"
            time.sleep(TICK_S)
        return time.monotonic() - started


@contextmanager
def boot(
    tree: Path, binds: Mapping[Path, str], console: Path, kept: Mapping[Path, str] = MappingProxyType({})
) -> Iterator[Debian]:
    """Boot ``tree`` with each of ``binds`` (outside: inside) laid into it; power off when the context ends.

    ``kept`` are laid in too, may be written to, and stand a reboot.
    """
    command = [
        *("setpriv", "--pdeathsig", "KILL"),
        *("systemd-nspawn", "--directory", str(tree), "--volatile=overlay", "--boot"),
        *("--register=no", "--keep-unit", "--private-network", "--console=read-only"),
        *(f"--bind-ro={outside}:{inside}" for outside, inside in binds.items()),
        *(f"--bind={outside}:{inside}" for outside, inside in kept.items()),
    ]
    with started(command, console) as debian:
        yield debian


@contextmanager
def started(command: Sequence[str], console: Path) -> Iterator[Debian]:
    """What ``command`` boots; powered off when the context ends."""
    debian = Debian(0, _begin(command, console), console)
    try:
        debian.leader = _booted(debian.container, console)
        yield debian
    finally:
        _power_off(debian.container)


def _begin(command: Any, console: Path) -> subprocess.Popen[bytes]:
    with console.open("ab") as output:
        return subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=output, stderr=output)


def _booted(container: subprocess.Popen[bytes], console: Path) -> int:
    """Its process 1, once it is up."""
    deadline = time.monotonic() + BOOT_S
    state = ""
    while time.monotonic() < deadline and container.poll() is None:
        leader = _leader(container.pid)
        if leader is not None:
            debian = Debian(leader, container, console)
            state = debian.ask("systemctl", "is-system-running").stdout.strip()
            if state in ("running", "degraded"):
                return leader
        time.sleep(TICK_S)
    raise AssertionError(f"Debian did not boot ({state!r}):\n{console.read_text(errors='replace')[-4000:]}")


def _leader(container_pid: int) -> int | None:
    """The container's process 1, as this machine numbers it."""
    children = Path(f"/proc/{container_pid}/task/{container_pid}/children").read_text().split()
    return int(children[0]) if children else None


def _power_off(container: subprocess.Popen[bytes]) -> None:
    container.terminate()
    try:
        container.wait(STOP_S)
    except subprocess.TimeoutExpired:
        container.kill()
        container.wait()
