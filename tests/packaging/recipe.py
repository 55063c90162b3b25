"""Carries a Dockerfile's steps out in folders: what an image would be made of, without a container engine.

Law: it reads the Dockerfile itself, and knows no step that is not in it. An instruction that it does not know is an
error, so that the recipe can't grow past what is tested. Packages of Debian's are unpacked, not configured.
"""

import json
import re
import shlex
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

IGNORED = ("LABEL", "EXPOSE", "VOLUME", "HEALTHCHECK", "STOPSIGNAL", "ENTRYPOINT", "CMD", "SHELL", "USER")
APT = re.compile(
    r"apt-get update && apt-get install --yes --no-install-recommends (?P<names>[a-z0-9. -]+) && rm -rf \S+"
)


@dataclass
class Stage:
    """One ``FROM``: its instructions, as (word, rest)."""

    name: str
    steps: list[tuple[str, str]] = field(default_factory=list)

    def last(self, word: str) -> str:
        return [rest for each, rest in self.steps if each == word][-1]

    def words(self, word: str) -> list[str]:
        """An instruction in exec form."""
        rest = self.last(word)
        found = json.loads(rest[rest.index("[") :])
        assert isinstance(found, list)
        return found

    @property
    def environ(self) -> dict[str, str]:
        return dict(pair.split("=", 1) for word, rest in self.steps if word == "ENV" for pair in shlex.split(rest))


def read_stages(dockerfile: Path) -> list[Stage]:
    """The stages in their order. Pure but for the file."""
    text = re.sub(r"\\\n", " ", dockerfile.read_text())
    stages: list[Stage] = []
    for line in text.splitlines():
        word, _, rest = line.strip().partition(" ")
        if word == "FROM":
            stages.append(Stage(rest.partition(" AS ")[2] or rest))
        elif word and not word.startswith("#"):
            stages[-1].steps.append((word, rest.strip()))
    return stages


@contextmanager
def layered(tree: Path, folder: Path) -> Iterator[Path]:
    """``tree`` with a layer over it that takes all writes."""
    over, work, merged = (folder / name for name in ("over", "work", "merged"))
    for each in (over, work, merged):
        each.mkdir(parents=True)
    layers = f"lowerdir={tree},upperdir={over},workdir={work}"
    subprocess.run(["mount", "-t", "overlay", "overlay", "-o", layers, str(merged)], check=True)
    try:
        yield merged
    finally:
        subprocess.run(["umount", "--lazy", str(merged)], check=True)


def carry_out(
    stage: Stage, tree: Path, context: Path, others: Mapping[str, Path], debs: Path, environ: Mapping[str, str]
) -> list[str]:
    """Run the steps of ``stage`` in ``tree``. Returns the Debian packages that it asks for."""
    packages: list[str] = []
    here = "/"
    for word, rest in stage.steps:
        if word == "WORKDIR":
            here = rest
            (tree / here.lstrip("/")).mkdir(parents=True, exist_ok=True)
        elif word == "COPY":
            _copy(rest, tree, tree / here.lstrip("/"), context, others)
        elif word == "RUN" and (apt := APT.fullmatch(rest)):
            packages += apt["names"].split()
            for deb in debs.glob("*.deb") if "python3-venv" in packages else ():
                subprocess.run(["dpkg", "--extract", str(deb), str(tree)], check=True)
        elif word == "RUN":
            _run(rest, tree, here, environ)
        else:
            assert word in ("ENV", *IGNORED), f"the test knows no {word}: {rest}"
    return packages


def _run(line: str, tree: Path, here: str, environ: Mapping[str, str]) -> None:
    command = ["chroot", str(tree), "/bin/bash", "-euo", "pipefail", "-c", f"cd {here} && {line}"]
    done = subprocess.run(command, env=dict(environ), capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, f"{line}\n{done.stdout}{done.stderr}"


def _copy(rest: str, tree: Path, here: Path, context: Path, others: Mapping[str, Path]) -> None:
    words = shlex.split(rest)
    options = dict(word[2:].split("=", 1) for word in words if word.startswith("--"))
    *sources, target = [word for word in words if not word.startswith("--")]
    base = others[options["from"]] if "from" in options else context
    into = tree / target.lstrip("/") if target.startswith("/") else here / target
    for name in sources:
        source = base / name.lstrip("/")
        if source.is_dir():
            shutil.copytree(source, into, symlinks=True, dirs_exist_ok=True)
            continue
        place = into / source.name if target.endswith("/") else into
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(source, place)
        if "chmod" in options:
            place.chmod(int(options["chmod"], 8))


def visible(context: Path, dockerignore: Path, folder: Path) -> Path:
    """The part of ``context`` that a build may see: what the ignore file takes back from its ``*``."""
    for line in dockerignore.read_text().splitlines():
        if not line.startswith("!"):
            continue
        source, target = context / line[1:], folder / line[1:]
        target.parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, target)
    return folder
