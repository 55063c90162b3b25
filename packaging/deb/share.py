"""What stands outside /opt: units, the configuration, manuals, completions, and the papers of the package."""

import gzip
import os
import shutil
import subprocess
import sys
from email.utils import formatdate
from pathlib import Path

import licences

ROOT = Path(__file__).resolve().parents[2]
HERE = Path(__file__).parent
MAINTAINER = "The Lodestar authors <lodestar@lodestar.example>"
DOC = "usr/share/doc/lodestard"
MANUALS = ROOT / "packaging/manuals"
COMPLETIONS = {
    "bash": "usr/share/bash-completion/completions/lodestarctl",
    "zsh": "usr/share/zsh/vendor-completions/_lodestarctl",
    "fish": "usr/share/fish/vendor_completions.d/lodestarctl.fish",
}
COMMANDS = ("lodestard", "lodestarctl")


def lay_out(tree: Path, version: str, foreign: Path) -> None:
    """All of it."""
    for source, target in copies().items():
        (tree / target).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, tree / target)
    (tree / "usr/bin").mkdir(parents=True)
    for name in COMMANDS:
        (tree / "usr/bin" / name).symlink_to(f"/opt/lodestard/bin/{name}")
    add_completions(tree)
    add_manuals(tree)
    add_papers(tree / DOC, version, foreign)


def copies() -> dict[Path, str]:
    """Files that are installed as they are."""
    units = ROOT / "packaging/systemd"
    return {
        **{path: f"usr/lib/systemd/system/{path.name}" for path in sorted(units.iterdir()) if path.is_file()},
        units / "sysusers.d/lodestard.conf": "usr/lib/sysusers.d/lodestard.conf",
        units / "tmpfiles.d/lodestard.conf": "usr/lib/tmpfiles.d/lodestard.conf",
        ROOT / "config/lodestard.toml": "etc/lodestard/lodestard.toml",
        HERE / "lintian-overrides": "usr/share/lintian/overrides/lodestard",
    }


def add_completions(tree: Path) -> None:
    """Each shell's, with no names of models: at build time no daemon is asked."""
    for shell, target in COMPLETIONS.items():
        (tree / target).parent.mkdir(parents=True)
        program = (
            "import sys; from lodestarctl.completion import write_completion as w; sys.stdout.write(w(sys.argv[1]))"
        )
        (tree / target).write_text(python("-c", program, shell))


def add_manuals(tree: Path) -> None:
    """``man1/…`` and so on, as packaging/manuals writes them."""
    folder = tree / "usr/share/man"
    python(str(MANUALS), "--out", str(folder))
    for page in sorted(path for path in folder.rglob("*") if path.is_file()):
        squeeze(page.with_name(f"{page.name}.gz"), page.read_bytes())
        page.unlink()


def add_papers(doc: Path, version: str, foreign: Path) -> None:
    """Whose everything is, and what has changed."""
    doc.mkdir(parents=True)
    (doc / "copyright").write_text(licences.copyright_file(foreign, ROOT / "LICENSE"))
    date = formatdate(int(os.environ["SOURCE_DATE_EPOCH"]))
    entry = f"lodestard ({version}) bookworm; urgency=medium\n\n  * CHANGELOG.md.gz tells what is new.\n\n"
    squeeze(doc / "changelog.gz", f"{entry} -- {MAINTAINER}  {date}\n".encode())
    squeeze(doc / "CHANGELOG.md.gz", (ROOT / "CHANGELOG.md").read_bytes())
    shutil.copyfile(ROOT / "README.md", doc / "README.md")
    shutil.copytree(ROOT / "docs", doc / "docs", copy_function=shutil.copyfile)


def squeeze(target: Path, content: bytes) -> None:
    """As ``gzip -9n``: without a name and a time."""
    target.write_bytes(gzip.compress(content, 9, mtime=0))


def python(*words: str) -> str:
    """What a program of this checkout wrote."""
    return subprocess.run([sys.executable, *words], cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True).stdout
