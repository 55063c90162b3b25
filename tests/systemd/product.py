"""Lodestar as the package lays it out, built outside for the Debian inside: a venv of its own Python."""

import shutil
import subprocess
import sys
from pathlib import Path

from tests.systemd.debian import digest, kept, run

ROOT = Path(__file__).parents[2]
LOCKS = ROOT / "packaging/locks"
UNITS = ROOT / "packaging/systemd"
DEBIANS_PYTHON = "/usr/bin/python3.11"
PREFIX = "/opt/lodestard"
PIP = (sys.executable, "-m", "pip", "--disable-pip-version-check", "--no-input", "-qq")


def missing_python() -> str:
    """Why no venv for Debian 12 can be made here; empty where one can."""
    if not Path(DEBIANS_PYTHON).exists():
        return f"missing on this machine: {DEBIANS_PYTHON}"
    if not Path("/usr/include/python3.11/Python.h").exists() or not shutil.which("gcc"):
        return "missing on this machine: gcc, python3-dev (make systemd-tools)"
    if subprocess.run(["pkg-config", "--exists", "libsystemd"], check=False).returncode:
        return "missing on this machine: libsystemd-dev (make systemd-tools)"
    return ""


def product_venv(folder: Path) -> Path:
    """The venv that stands at ``PREFIX`` inside. Foreign wheels are kept between runs; ours is built anew."""
    venv = folder / "lodestard"
    shutil.copytree(_foreign_venv(), venv, symlinks=True)
    wheels = folder / "wheels"
    run(*PIP, "wheel", "--no-deps", "--no-build-isolation", "--wheel-dir", str(wheels), str(ROOT))
    _install(venv, "--no-deps", *map(str, wheels.glob("lodestard-*.whl")))
    _move_in(venv)
    return venv


def _foreign_venv() -> Path:
    locks = [(LOCKS / name).read_bytes() for name in ("run.txt", "build.txt", "systemd.txt")]
    return kept(f"venv-{digest(DEBIANS_PYTHON, *locks)}", _make_foreign_venv)


def _make_foreign_venv(venv: Path) -> None:
    builder = venv.with_suffix(".builder")
    for folder in (builder, venv):
        run(DEBIANS_PYTHON, "-m", "venv", "--without-pip", str(folder))
    _install(builder, "--require-hashes", "--no-deps", "-r", str(LOCKS / "build.txt"))
    systemd_lock = ("--require-hashes", "--no-deps", "--no-build-isolation", "-r", str(LOCKS / "systemd.txt"))
    _pip(builder, "wheel", "--wheel-dir", str(builder), *systemd_lock)
    _install(venv, "--require-hashes", "--no-deps", "-r", str(LOCKS / "run.txt"))
    _install(venv, "--no-deps", *map(str, builder.glob("systemd_python-*.whl")))
    shutil.rmtree(builder)


def _install(venv: Path, *arguments: str) -> None:
    _pip(venv, "install", *arguments)


def _pip(venv: Path, command: str, *arguments: str) -> None:
    run(sys.executable, "-m", "pip", "--python", str(venv / "bin/python"), *PIP[3:], command, *arguments)


def _move_in(venv: Path) -> None:
    """Scripts name the interpreter that made them; inside it stands at ``PREFIX``."""
    for script in (venv / "bin").iterdir():
        if script.is_symlink() or not script.read_bytes().startswith(b"#!"):
            continue
        _, newline, rest = script.read_bytes().partition(b"\n")
        script.write_bytes(f"#!{PREFIX}/bin/python3".encode() + newline + rest)


def layout(venv: Path) -> dict[Path, str]:
    """Where everything stands inside, as the package lays it out."""
    return {
        venv: PREFIX,
        **{UNITS / name: f"/usr/lib/systemd/system/{name}" for name in _unit_names()},
        UNITS / "sysusers.d/lodestard.conf": "/usr/lib/sysusers.d/lodestard.conf",
        UNITS / "tmpfiles.d/lodestard.conf": "/usr/lib/tmpfiles.d/lodestard.conf",
    }


def _unit_names() -> list[str]:
    return [path.name for path in UNITS.iterdir() if path.suffix in (".service", ".socket")]
