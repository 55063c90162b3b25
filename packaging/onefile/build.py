"""Makes ``dist/lodestard`` and ``dist/lodestarctl``: each one file, for a machine with nothing but Python.

Run by ``make onefile`` in the project's own virtual environment. A file is a shell script and a zip behind it:
``head.sh`` starts what is unpacked already, ``unpack.py`` unpacks, ``script.py`` is the program inside. The wheels
are those of the lock, with their hashes; what is compiled fits one version of Python on one kind of machine.

Law: the same sources and locks give the same bytes, whenever and wherever they are built with the same Python.
"""

import argparse
import hashlib
import io
import lzma
import os
import platform
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
LOCKS = ROOT / "packaging/locks"
PYTHON = f"{sys.version_info.major}.{sys.version_info.minor}"
SITE = f"lib/python{PYTHON}/site-packages"
CTL = frozenset({"msgspec", "rich", "tomli-w"})
"""The wheels that the ctl is made of; the daemon takes the whole lock."""
CTLS_HOUSE = ("lodestarctl", "lodestard/__init__.py", "lodestard/control", "lodestard/domain")
"""What the contract "ctl" lets it import of ours (pyproject.toml), with what those need."""
LEFT_OUT = ("RECORD", "INSTALLER", "REQUESTED", "direct_url.json")
ZIP_EPOCH = (1980, 1, 1, 0, 0, 0)
PIP = (sys.executable, "-m", "pip", "-qq", "--no-input", "--disable-pip-version-check")


@dataclass(frozen=True)
class Program:
    """One of the files to make: the wheels of the lock that it takes (None: all), and what of our own."""

    name: str
    wheels: frozenset[str] | None
    house: tuple[str, ...]
    systemd: bool


DAEMON = Program("lodestard", wheels=None, house=("lodestard", "lodestarctl"), systemd=True)
PROGRAMS = (DAEMON, Program("lodestarctl", wheels=CTL, house=CTLS_HOUSE, systemd=False))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0], allow_abbrev=False)
    parser.add_argument("--out", type=Path, default=ROOT / "dist", metavar="DIR")
    parser.add_argument("--cache", type=Path, metavar="DIR", help="keep what comes of the locks alone")
    parser.add_argument("--only", choices=[program.name for program in PROGRAMS])
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="lodestar-onefile-") as scratch:
        ours = unpack_ours(Path(scratch))
        for program in PROGRAMS:
            if arguments.only in (None, program.name):
                file = arguments.out / program.name
                parts = (pack_ours(ours, program), locked(program, arguments.cache, Path(scratch)))
                write_onefile(file, program.name, parts)
                print(f"{file}: {file.stat().st_size / 1e6:.1f} MB, for Python {PYTHON} on {platform.machine()}")
    return 0


def unpack_ours(scratch: Path) -> Path:
    """Our own wheel, installed and compiled."""
    run(*PIP, "wheel", "--no-deps", "--no-build-isolation", "--wheel-dir", str(scratch), str(ROOT))
    site = scratch / "ours"
    install(site, "--no-index", str(next(scratch.glob("lodestard-*.whl"))))
    return site


def pack_ours(site: Path, program: Program) -> bytes:
    """What ``program`` needs of our own. Packages keep their ``__init__``; compiled files go with their sources."""
    names = (*program.house, "lodestard-")

    def wanted(path: str) -> bool:
        source = path.replace("__pycache__/", "").replace(f".cpython-{PYTHON.replace('.', '')}.pyc", ".py")
        return source.startswith(names)

    return pack((f"{SITE}/{path}", data) for path, data in files(site) if wanted(path))


def locked(program: Program, cache: Path | None, scratch: Path) -> bytes:
    """The wheels of the lock, installed, compiled and packed; they are the same as long as the locks are."""
    systemd = program.systemd and can_build_systemd()
    recipe = hashlib.sha256(f"{program} {systemd} {sys.version} {platform.machine()}".encode())
    for file in (LOCKS / "run.txt", LOCKS / "systemd.txt", HERE / "build.py", HERE / "compile.py"):
        recipe.update(file.read_bytes())
    kept = cache / f"{program.name}-{recipe.hexdigest()[:16]}.tar.xz" if cache else None
    if kept and kept.exists():
        return kept.read_bytes()
    site = scratch / f"{program.name}-site"
    lock = cut_lock(scratch / f"{program.name}.txt", program.wheels)
    hashed = ("--only-binary", ":all:", "--require-hashes", "-r", str(lock))
    install(site, *hashed, extra=build_systemd(scratch) if systemd else None)
    packed = pack((f"{SITE}/{path}", data) for path, data in files(site))
    if kept:
        write_whole(kept, packed, 0o644)
    return packed


def can_build_systemd() -> bool:
    if not subprocess.run(["pkg-config", "--exists", "libsystemd"], check=False, capture_output=True).returncode:
        return True
    print(
        "NOT IN IT: systemd-python, for libsystemd-dev is not installed here. As a service of systemd this file ends "
        "with status 78 and says what is missing.",
        file=sys.stderr,
    )
    return False


def build_systemd(scratch: Path) -> Path:
    """The wheel of systemd-python, without what tells where it was built."""
    source = ("--require-hashes", "--no-deps", "--no-build-isolation", "-r", str(LOCKS / "systemd.txt"))
    flags = {"CFLAGS": "-g0", "LDFLAGS": "-Wl,-s"}
    run(*PIP, "wheel", "--no-cache-dir", "--wheel-dir", str(scratch), *source, environ=flags)
    return next(scratch.glob("systemd_python-*.whl"))


def cut_lock(file: Path, names: frozenset[str] | None) -> Path:
    """The part of the lock that is about ``names``, hashes and all; None takes everything."""
    kept: list[str] = []
    keep = False
    for line in (LOCKS / "run.txt").read_text().splitlines(keepends=True):
        if not line.startswith(" "):
            keep = names is None or line.partition("==")[0] in names
        if keep:
            kept.append(line)
    file.write_text("".join(kept))
    return file


def install(site: Path, *what: str, extra: Path | None = None) -> None:
    """Install into the folder ``site``, and compile."""
    target = (*PIP, "install", "--target", str(site), "--no-compile", "--no-deps")
    run(*target, *what)
    if extra:
        run(*target, "--no-index", str(extra))
    shutil.rmtree(site / "bin", ignore_errors=True)
    for name in LEFT_OUT:
        for file in site.glob(f"*.dist-info/{name}"):
            file.unlink()
    # Bytecode that is trusted without a look at the sources: their times are those of the unpacking.
    run(sys.executable, "-IB", str(HERE / "compile.py"), str(site), environ={"PYTHONHASHSEED": "0"})


def write_onefile(file: Path, name: str, parts: Sequence[bytes]) -> None:
    """The file ``name``, executable. Its state is named after everything that is in it."""
    words = {"NAME": name, "VERSION": version(), "PYTHON": PYTHON, "MACHINE": platform.machine()}
    whole = hashlib.sha256()
    for piece in (*(fill(template, words) for template in ("head.sh", "unpack.py", "script.py")), *parts):
        whole.update(len(piece).to_bytes(8, "big") + piece)
    words["DIGEST"] = whole.hexdigest()[:16]
    script = pack([(f"bin/{name}", fill("script.py", words))])
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as packed:
        packed.writestr(zipfile.ZipInfo("__main__.py", ZIP_EPOCH), fill("unpack.py", words))
        for index, part in enumerate((script, *parts)):
            packed.writestr(zipfile.ZipInfo(f"{index}.tar.xz", ZIP_EPOCH), part)
    write_whole(file, fill("head.sh", words) + archive.getvalue(), 0o755)


def write_whole(file: Path, data: bytes, mode: int) -> None:
    """There is the whole file or none."""
    file.parent.mkdir(parents=True, exist_ok=True)
    unfinished = file.with_name(f".{file.name}.{os.getpid()}")
    unfinished.write_bytes(data)
    unfinished.chmod(mode)
    unfinished.rename(file)


def files(site: Path) -> Iterator[tuple[str, bytes]]:
    """All files below ``site``, in one order everywhere."""
    for path in sorted(path for path in site.rglob("*") if path.is_file()):
        yield path.relative_to(site).as_posix(), path.read_bytes()


def pack(members: Iterable[tuple[str, bytes]]) -> bytes:
    """A compressed archive of nothing but names and bytes."""
    packed = io.BytesIO()
    with (
        lzma.open(packed, "wb", preset=6) as stream,
        tarfile.open(fileobj=stream, mode="w", format=tarfile.GNU_FORMAT) as tar,
    ):
        for name, data in members:
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode = len(data), 0o644
            tar.addfile(entry, io.BytesIO(data))
    return packed.getvalue()


def fill(template: str, words: Mapping[str, str]) -> bytes:
    text = (HERE / template).read_text()
    for word, value in words.items():
        text = text.replace(f"@{word}@", value)
    return text.encode()


def version() -> str:
    """As the package says it."""
    found: dict[str, str] = {}
    exec((ROOT / "lodestard/__init__.py").read_text(), found)  # noqa: S102 - our own two lines
    return found["__version__"]


def run(*command: str, environ: Mapping[str, str] | None = None) -> None:
    subprocess.run(command, check=True, env={**os.environ, **(environ or {}), "SOURCE_DATE_EPOCH": "315532800"})


if __name__ == "__main__":
    sys.exit(main())
