"""What is handed out beside the program is well formed; workflows call targets that exist; versions agree."""

import re
import subprocess
from pathlib import Path

import pytest

from tests.systemd.product import ROOT

TOOLS = ROOT / ".venv-artefacts/bin"
NOTES = ROOT / "packaging/release-notes"
WORKFLOWS = sorted((ROOT / ".github/workflows").glob("*.yml"))
BAD_SERVICE = "apiVersion: v1\nkind: Service\nmetadata: {name: x}\nspec: {port: 1}\n"
BAD_WORKFLOW = "on: push\njobs: {a: {steps: 1}}\n"
CHANGELOG = "# Changelog\n\n## [Unreleased]\n\n{head}\n\n{text}\n\n## [0.0.9] - 2026-01-02\n\n- Old.\n"


def needs_tools() -> None:
    if not (TOOLS / "hadolint").exists():
        pytest.skip("NOT RUN, the checks of recipes and manifests: make check-artefacts could not install its tools")


@pytest.mark.daemon
def test_recipes_manifests_workflows_and_scripts_are_well_formed() -> None:
    needs_tools()
    done = subprocess.run(
        ["bash", str(ROOT / "packaging/check-artefacts.sh"), str(TOOLS)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.daemon
@pytest.mark.parametrize(
    ("tool", "name", "text"),
    [
        (("hadolint",), "Dockerfile", "FROM debian\nRUN sudo apt-get install nano\n"),
        (("kubernetes-validate", "--strict"), "x.yaml", BAD_SERVICE),
        (("check-jsonschema", "--builtin-schema", "vendor.github-workflows"), "x.yml", BAD_WORKFLOW),
    ],
)  # fmt: skip
def test_the_tools_find_a_planted_mistake(tmp_path: Path, tool: tuple[str, ...], name: str, text: str) -> None:
    needs_tools()
    (tmp_path / name).write_text(text)
    command = [str(TOOLS / tool[0]), *tool[1:], str(tmp_path / name)]
    assert subprocess.run(command, capture_output=True, check=False).returncode != 0


def test_workflows_call_targets_that_exist() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    called = {word for path in WORKFLOWS for word in re.findall(r"run: make ([a-z-]+)", path.read_text())}
    assert {"test", "test-fast", "onefile", "release-notes", "checksums"} <= called
    assert called <= targets


def test_workflows_take_no_more_rights_than_they_name() -> None:
    for path in WORKFLOWS:
        text = path.read_text()
        assert re.search(r"^permissions:\n  contents: read\n", text, re.MULTILINE), path
        assert "write-all" not in text
        assert not re.search(r"uses: [^@\n]+(@(main|master))?\n", text), path  # each at a tag
        assert not re.search(r"run: .*\$\{\{", text), path  # what a name says is no shell


def notes(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([str(NOTES), *words], capture_output=True, text=True, check=False)


def written(tmp_path: Path, head: str, text: str = "- New.") -> tuple[str, str]:
    file = tmp_path / "CHANGELOG.md"
    file.write_text(CHANGELOG.format(head=head, text=text))
    return "--changelog", str(file)


def test_the_notes_are_the_section_of_the_version(tmp_path: Path) -> None:
    done = notes("v0.1.0", *written(tmp_path, "## [0.1.0] - 2026-02-03"))
    assert (done.returncode, done.stdout) == (0, "- New.\n")


@pytest.mark.parametrize(
    ("head", "text", "tag", "reason"),
    [
        ("## [0.2.0] - 2026-02-03", "- New.", "", "0 sections [0.1.0]"),
        ("## [0.1.0]", "- New.", "", "has no date"),
        ("## [0.1.0] - soon", "- New.", "", "has no date"),
        ("## [0.1.0] - 2026-02-03", "", "", "says nothing"),
        ("## [0.1.0] - 2026-02-03", "- New.", "v0.2.0", "the tag says v0.2.0"),
    ],
)
def test_notes_that_would_be_wrong_are_refused(tmp_path: Path, head: str, text: str, tag: str, reason: str) -> None:
    done = notes(*([tag] if tag else []), *written(tmp_path, head, text))
    assert (done.returncode, done.stdout) == (1, "")
    assert reason in done.stderr


def test_the_changelogs_newest_release_is_the_packages_version_or_still_to_come() -> None:
    """Until a release only ``Unreleased`` is there; afterwards its version is that of the package."""
    heads = re.findall(r"^## \[([^\]]+)\]", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    version = re.search(r'^version = "(.+)"', (ROOT / "pyproject.toml").read_text(), re.MULTILINE)
    assert version is not None
    assert heads[0] == "Unreleased"
    assert heads[1:2] in ([], [version[1]])


def test_images_and_manifests_name_the_packages_version() -> None:
    version = re.search(r'^version = "(.+)"', (ROOT / "pyproject.toml").read_text(), re.MULTILINE)
    assert version is not None
    assert f"newTag: {version[1]}\n" in (ROOT / "packaging/kubernetes/kustomization.yaml").read_text()
    assert f"lodestar:{version[1]}}}" in (ROOT / "packaging/docker/compose.yaml").read_text()


def test_who_ends_it_waits_longer_than_it_drains() -> None:
    unit = (ROOT / "packaging/systemd/lodestard.service").read_text()
    stop_s = re.search(r"^TimeoutStopSec=(\d+)$", unit, re.MULTILINE)
    assert stop_s is not None
    assert f"stop_grace_period: {stop_s[1]}s" in (ROOT / "packaging/docker/compose.yaml").read_text()
    deployment = (ROOT / "packaging/kubernetes/deployment.yaml").read_text()
    assert f"terminationGracePeriodSeconds: {stop_s[1]}\n" in deployment
