"""Builds ``lodestard_VERSION_ARCH.deb`` for Debian 12 with nothing but dpkg-deb (``make deb``).

Law: the same commit gives the same bytes, wherever and whenever it is built: every time is the commit's, every owner
root, every order sorted, and no file names the folder that it was made in.
"""

import argparse
import hashlib
import os
import shutil
import subprocess
import tempfile
import tomllib
from pathlib import Path

import libraries
import opt
import share
from settled import compile_modules, settle

ROOT = Path(__file__).resolve().parents[2]
HERE = Path(__file__).parent
SCRIPTS = ("preinst", "postinst", "prerm", "postrm")


def main() -> None:
    """Build, and print where the package is."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--out", type=Path, default=ROOT / "dist", help="where the package is put")
    parser.add_argument("--cache", type=Path, default=ROOT / ".cache/deb", help="where foreign wheels are kept")
    parser.add_argument("--level", default="6", metavar="0-9", help="how hard it is compressed")
    arguments = parser.parse_args()
    os.environ["SOURCE_DATE_EPOCH"] = str(epoch_s())
    os.umask(0o022)
    with tempfile.TemporaryDirectory(prefix="lodestard-deb-") as folder:
        tree = Path(folder, "tree")
        lay_out(tree, arguments.cache.resolve())
        print(pack(tree, arguments.out.resolve(), arguments.level))


def epoch_s() -> int:
    """The time that all files get: SOURCE_DATE_EPOCH, the commit's, or that of the newest change told."""
    if given := os.environ.get("SOURCE_DATE_EPOCH"):
        return int(given)
    if not (ROOT / ".git").exists():
        return int((ROOT / "CHANGELOG.md").stat().st_mtime)
    try:
        return int(told("git", "-C", str(ROOT), "log", "-1", "--format=%ct"))
    except (OSError, subprocess.CalledProcessError) as error:
        raise SystemExit(
            f"git can't tell when the commit was made: {error}. Mend that, or set SOURCE_DATE_EPOCH."
        ) from None


def version() -> str:
    """Ours as Debian writes it: what comes before a release sorts before it."""
    text: str = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    for mark in ("a", "b", "rc", ".dev"):
        text = text.replace(mark, f"~{mark.strip('.')}")
    return text


def lay_out(tree: Path, cache: Path) -> None:
    """Everything that the package installs, below ``tree``, with its times and modes."""
    foreign = libraries.kept(cache)
    opt.lay_out(tree)
    share.lay_out(tree, version(), foreign)
    settle(tree, epoch_s())
    compile_modules(tree / opt.MODULES)
    settle(tree, epoch_s())
    shutil.copytree(foreign / "modules", tree / opt.MODULES, dirs_exist_ok=True)
    os.utime(tree / opt.MODULES, (epoch_s(), epoch_s()))


def pack(tree: Path, out: Path, level: str) -> Path:
    """The package made of ``tree``."""
    control = tree / "DEBIAN"
    control.mkdir()
    architecture = told("dpkg", "--print-architecture")
    template = (HERE / "control").read_text()
    sizes_kib = sum(-(-path.stat().st_size // 1024) for path in installed(tree))
    fields = {"VERSION": version(), "ARCHITECTURE": architecture, "SIZE": str(sizes_kib)}
    for name, value in fields.items():
        template = template.replace(f"@{name}@", value)
    (control / "control").write_text(template)
    (control / "md5sums").write_text("".join(f"{md5(path)}  {path.relative_to(tree)}\n" for path in installed(tree)))
    (control / "conffiles").write_text("".join(f"/{path.relative_to(tree)}\n" for path in conffiles(tree)))
    for name in SCRIPTS:
        shutil.copy(HERE / "scripts" / name, control / name)
        (control / name).chmod(0o755)
    for path in [control, *control.iterdir()]:
        os.utime(path, (epoch_s(), epoch_s()))
    out.mkdir(parents=True, exist_ok=True)
    package = out / f"lodestard_{version()}_{architecture}.deb"
    told(
        "dpkg-deb", "--root-owner-group", "--threads-max=1", "-Zxz", f"-z{level}", "--build", str(tree), str(package)
    )
    return package


def installed(tree: Path) -> list[Path]:
    """The files of the package, without its own papers."""
    found = (path for path in tree.rglob("*") if path.is_file() and not path.is_symlink())
    return sorted(path for path in found if path.relative_to(tree).parts[0] != "DEBIAN")


def conffiles(tree: Path) -> list[Path]:
    """What dpkg never overwrites unasked."""
    return [path for path in installed(tree) if path.relative_to(tree).parts[0] == "etc"]


def md5(path: Path) -> str:
    """As dpkg wants it; it protects from accidents, not from people."""
    return hashlib.md5(path.read_bytes(), usedforsecurity=False).hexdigest()


def told(*command: str) -> str:
    """What ``command`` said."""
    return subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout.strip()


if __name__ == "__main__":
    main()
