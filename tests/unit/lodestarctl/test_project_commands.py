"""The commands about projects, switches, verdicts and picking: what they ask of the daemon, and what they print."""

from pathlib import Path

import msgspec
import pytest

from lodestarctl import exit_codes
from lodestarctl.project.finding import FILE
from lodestarctl.project.templates import KINDS, write_project
from lodestarctl.render.blocks import Note
from lodestarctl.render.projects import render_switched
from lodestarctl.table_routing import PROJECT_KINDS
from lodestard.config.project import read_project
from lodestard.control.messages.aider import AiderFacts, AiderModel
from lodestard.control.messages.feedback import FeedbackList, FeedbackRow
from lodestard.control.messages.picking import PickList, PickRow
from lodestard.control.messages.projects import (
    ProjectList,
    ProjectProblem,
    ProjectReport,
    SwitchList,
    SwitchRow,
    Untrusted,
)
from lodestard.domain.project import ProjectFile
from tests.fakes.command_line import Run

FACTS = AiderFacts(
    base_url="http://127.0.0.1:4000/v1",
    models=(AiderModel(alias="auto", target="t600/llama", free=True), AiderModel(alias="gpt-4o", target="o/gpt-4o")),
)
GIVEN = FeedbackRow(request_id="req_123456789012", source="resent", target="o/m", verdict="bad", kind="edit", at_ms=0)


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    return Run(monkeypatch, capsys)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "src").mkdir()
    (tmp_path / FILE).write_text('name = "web"\n')
    monkeypatch.chdir(tmp_path / "src")
    return tmp_path


def report(folder: Path, standing: str = "untrusted", **members: object) -> ProjectReport:
    return ProjectReport(folder=str(folder), standing=standing, name="web", sha256="abc", **members)  # type: ignore[arg-type]


def test_the_file_above_is_shown_and_nothing_is_trusted_unasked(run: Run, folder: Path) -> None:
    answers = {
        "project.look": report(folder, effects=("prefers cheap answers",)),
        "project.trust": report(folder, "trusted"),
    }
    assert run("project", "trust", answers=answers) == exit_codes.FAILURE
    assert [verb for verb, _ in run.client.calls] == ["project.look"]
    assert "prefers cheap answers" in run.out
    assert run("project", "trust", "--yes", answers=answers) == exit_codes.OK
    assert run.client.calls[-1] == (
        "project.trust",
        {"folder": str(folder), "text": 'name = "web"\n', "sha256": "abc"},
    )


def test_a_file_with_faults_is_told_with_its_lines_and_not_trusted(run: Run, folder: Path) -> None:
    faulty = report(folder, "invalid", faults=(ProjectProblem(message="unknown key", key="run", line=3),))
    assert run("project", "trust", "--yes", answers={"project.look": faulty}) == exit_codes.FAILURE
    assert "line 3: run: unknown key" in run.out
    assert run("project", answers={"project.look": faulty}) == exit_codes.FAILURE


def test_the_daemon_is_told_of_a_file_that_it_can_not_see(run: Run, folder: Path) -> None:
    changed = report(folder, "changed", trusted_ms=1)
    assert run("project", "show", answers={"project.look": changed, "project.see": changed}) == exit_codes.OK
    assert [verb for verb, _ in run.client.calls] == ["project.look", "project.see"]


def test_no_file_is_a_fault_of_usage(run: Run, tmp_path: Path) -> None:
    assert run("project", "show", str(tmp_path)) == exit_codes.USAGE
    assert "project init writes one" in run.err


def test_projects_are_listed_and_untrusted(run: Run, folder: Path) -> None:
    assert run("project", "list", answers={"project.list": ProjectList(projects=(report(folder, "gone"),))}) == 0
    assert "gone" in run.out
    told = Untrusted(folder=str(folder), was=True)
    assert run("project", "untrust", answers={"project.untrust": told}) == exit_codes.OK
    assert run.client.calls[-1] == ("project.untrust", {"folder": str(folder)})


def test_a_project_begins_and_nothing_of_a_persons_is_lost(run: Run, tmp_path: Path) -> None:
    words = ("project", "init", "web", "--folder", str(tmp_path))
    assert run(*words, "--dry-run", answers={"aider": FACTS}) == exit_codes.OK
    assert not list(tmp_path.iterdir())
    for _ in range(2):
        assert run(*words, answers={"aider": FACTS}) == exit_codes.OK
    written = (tmp_path / FILE).read_text()
    assert isinstance(read_project(written), ProjectFile)
    assert (tmp_path / ".aider.conf.yml").exists()
    (tmp_path / FILE).write_text('name = "mine"\n')
    assert run(*words, answers={"aider": FACTS}) == exit_codes.FAILURE
    assert (tmp_path / FILE).read_text() == 'name = "mine"\n'
    assert run(*words, "--force", answers={"aider": FACTS}) == exit_codes.OK
    assert (tmp_path / FILE).read_text() == written
    assert (tmp_path / f"{FILE}.bak").read_text() == 'name = "mine"\n'


def test_aiders_files_that_say_otherwise_are_left_and_told(run: Run, tmp_path: Path) -> None:
    (tmp_path / ".aider.conf.yml").write_text("model: openai/mine\n")
    assert run("project", "init", "--folder", str(tmp_path), answers={"aider": FACTS}) == exit_codes.OK
    assert (tmp_path / FILE).exists()
    assert (tmp_path / ".aider.conf.yml").read_text() == "model: openai/mine\n"
    assert "Left as they are: .aider.conf.yml." in run.err
    assert run("project", "init", "--folder", str(tmp_path), "--force", answers={"aider": FACTS}) == exit_codes.OK
    assert "mine" not in (tmp_path / ".aider.conf.yml").read_text()


def test_every_template_is_a_file_that_can_be_read() -> None:
    assert set(KINDS) == {"", *PROJECT_KINDS}
    for kind in KINDS:
        for aliases in ((), ("auto",), ("auto", "gpt-4o")):
            text = write_project('we"b', kind, aliases).replace('we\\"b', "web")
            assert isinstance(read_project(text), ProjectFile)
            uncommented = text.replace("# budget", "budget").replace("# [models]", "[models]").replace('# "', '"')
            assert isinstance(read_project(uncommented), ProjectFile)


def test_a_switch_is_set_shown_and_taken_back(run: Run) -> None:
    switched = SwitchList(switches=(SwitchRow(alias="gpt-4o", scope="project", of="web"),), changed=True)
    assert run("use", "gpt-4o", "--project", "web", "--for", "2h", answers={"use.set": switched}) == exit_codes.OK
    assert run.client.calls == [("use.set", {"alias": "gpt-4o", "project": "web", "for": "2h"})]
    assert "gpt-4o" in run.out
    assert run("use", "-", answers={"use.end": SwitchList(switches=())}) == exit_codes.OK
    assert run.client.calls[-1] == ("use.end", {})
    assert "no such switch" in run.out
    ended = SwitchList(switches=switched.switches, changed=True)
    assert run("use", "-", "--session", "s", answers={"use.end": ended}) == exit_codes.OK
    assert "no such switch" not in run.out
    assert run("use", answers={"use": switched}) == exit_codes.OK
    assert run("use", "--for", "2h") == exit_codes.USAGE


def test_each_switch_is_told_with_the_command_that_takes_it_back() -> None:
    rows = (SwitchRow(alias="a", scope="project", of="my web"), SwitchRow(alias="b"))
    web, everywhere = (block for block in render_switched(rows) if isinstance(block, Note))
    assert web.advice == "lodestarctl use - --project 'my web' takes it back."
    assert everywhere.advice == "lodestarctl use - takes it back."
    (gone,) = render_switched((SwitchRow(alias="b", gone=True),))
    assert isinstance(gone, Note)
    assert gone.text == "b (no model of that name any more) would be asked in place of others (All)."


@pytest.mark.parametrize("name", ['we"b', "a/b", "n" * 65, " "])
def test_no_file_is_written_with_a_name_that_no_project_has(run: Run, tmp_path: Path, name: str) -> None:
    words = ("project", "init", "--folder", str(tmp_path), "--name", name)
    assert run(*words, answers={"aider": FACTS}) == exit_codes.USAGE
    assert "--name" in run.err
    assert not list(tmp_path.iterdir())


def test_what_can_not_be_written_is_told(run: Run, tmp_path: Path) -> None:
    (tmp_path / FILE).mkdir()
    assert run("project", "init", "--folder", str(tmp_path), answers={"aider": FACTS}) == exit_codes.USAGE
    assert "can't write" in run.err


def test_verdicts_are_given_and_listed(run: Run) -> None:
    assert run("feedback", "9012", "bad", "--kind", "edit", answers={"feedback.give": GIVEN}) == exit_codes.OK
    assert run.client.calls == [("feedback.give", {"id": "9012", "verdict": "bad", "kind": "edit"})]
    assert "nothing was learned" not in run.out
    unlearned = msgspec.structs.replace(GIVEN, learned=False)
    assert run("feedback", "9012", "bad", "--kind", "edit", answers={"feedback.give": unlearned}) == exit_codes.OK
    assert "nothing was learned" in run.out
    assert run("feedback", "list", answers={"feedback.list": FeedbackList(feedback=(GIVEN,))}) == exit_codes.OK
    assert "the same was asked" in run.out


def test_without_a_terminal_models_are_listed_the_best_first(run: Run) -> None:
    rows = (
        PickRow(name="o/gpt-4o-mini", target="o/gpt-4o-mini"),
        PickRow(name="gpt-4o", target="o/gpt-4o", alias=True),
    )
    answers = {"models.pick": PickList(models=rows)}
    assert run("models", "pick", "4o", answers=answers) == exit_codes.OK
    assert run.out.index("o/gpt-4o ") < run.out.index("o/gpt-4o-mini")
    assert run("models", "pick", "--use", "4o", answers=answers) == exit_codes.USAGE
    assert run("models", "pick", "zzz", answers=answers) == exit_codes.FAILURE
    assert run("--json", "models", "pick", "mini", answers=answers) == exit_codes.OK
    assert "gpt-4o-mini" in run.out
