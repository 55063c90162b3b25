"""A Debian whose changes last: packages are installed in it, and it can be rebooted.

Law: the tree itself is never written to. What changes is in memory, in a mount of the container's own, and goes with
it.
"""

import shlex
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.systemd.debian import Debian, debian_tree, started
from tests.systemd.product import ROOT, SOURCES, built, sources

BUMPED = "0.1.0+next"
LAID_OVER = """\
set -eu
mount -t tmpfs -o mode=755 none /mnt
mkdir /mnt/changes /mnt/work /mnt/root
mount -t overlay -o lowerdir={tree},upperdir=/mnt/changes,workdir=/mnt/work none /mnt/root
echo mounted
exec sleep infinity
"""
BOUND_TO_US = ("setpriv", "--pdeathsig", "KILL")
NSPAWN = (
    *("systemd-nspawn", "--directory=/mnt/root", "--boot"),
    *("--register=no", "--keep-unit", "--private-network", "--console=read-only"),
)
KEPT = ("/etc", "/home", "/root", "/srv", "/usr", "/var")
"""Without /opt, which dpkg takes away with the last package there: none owns it."""
RESTLESS = (
    "/var/log/",
    "/var/cache/",
    "/var/lib/systemd/",
    "/var/lib/dpkg/",
    "/var/lib/apt/",
    "/var/tmp/",
    "/etc/.pwd.lock",
)
"""Where the machine itself writes whatever happens."""


@dataclass
class Installing:
    """A booted one, with what installing needs."""

    debian: Debian
    bare: frozenset[str] = frozenset()

    def take_in(self, file: Path) -> str:
        """Copy ``file`` into the root's home; its place there."""
        shutil.copy(file, self.debian.path("/root"))
        return f"/root/{file.name}"

    def apt(self, *words: str) -> str:
        """``apt-get`` as a machine's administrator runs it in a script."""
        apt_get = "DEBIAN_FRONTEND=noninteractive apt-get --yes -o Dpkg::Options::=--force-confold"
        return self.debian.run("sh", "-c", f"{apt_get} {shlex.join(words)} 2>&1", timeout_s=300)

    def files(self) -> frozenset[str]:
        """Every file that a package may leave behind: its kind, mode, owner and target."""
        what = "%p %y %m %U %G %l\\n"
        lines = self.debian.run("find", *KEPT, "-xdev", "-printf", what).splitlines()
        return frozenset(line for line in lines if not f"{line} ".startswith(RESTLESS))


@contextmanager
def installing(console: Path) -> Iterator[Installing]:
    """Boot a bare Debian; power off when the context ends."""
    words = [*BOUND_TO_US, "unshare", "--mount", "sh", "-c", LAID_OVER.format(tree=debian_tree())]
    with subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE) as mounts:
        assert mounts.stdout is not None
        assert mounts.stdout.readline() == b"mounted\n"
        command = [*BOUND_TO_US, "nsenter", f"--target={mounts.pid}", "--mount", *NSPAWN]
        try:
            with started(command, console) as debian:
                yield Installing(debian)
        finally:
            mounts.kill()


def copied(folder: Path) -> Path:
    """The checkout's sources, elsewhere."""
    for name in SOURCES:
        source, target = ROOT / name, folder / name
        if source.is_dir():
            shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(source, target)
    return folder


def next_package(folder: Path) -> Path:
    """The package of a later version, whose example configuration has changed too."""
    root = copied(folder)
    for name, was, now in (
        ("pyproject.toml", 'version = "0.1.0"', f'version = "{BUMPED}"'),
        ("lodestard/__init__.py", '"0.1.0"', f'"{BUMPED}"'),
        ("config/lodestard.toml", "# Lodestar:", "# Lodestar, the next version:"),
    ):
        text = (root / name).read_text()
        assert text.count(was) == 1, name
        (root / name).write_text(text.replace(was, now))
    return built(root, sources(root))
