"""``lodestarctl eval idle``: its words, its screens, and what it says where the module is off."""

import msgspec
import pytest

from lodestarctl import exit_codes
from lodestarctl.render.blocks import Block
from lodestarctl.render.eval_idle import render_eval_report, render_eval_status
from lodestarctl.render.plain import paint_plain
from lodestarctl.render.terminal import paint_terminal
from lodestarctl.render.words import columns_of
from lodestard.control.messages import ConfigProblem, ReloadReport
from lodestard.control.messages.eval_idle import EvalIdleStatus, EvalReport, EvalRow, Replaying
from tests.fakes.command_line import Run
from tests.fakes.control_client import refusal

WIDTH = 80
LLAMA = "t600/llama3.1:8b"
REPORT = EvalReport(
    rows=(
        EvalRow(
            task="commit",
            model=LLAMA,
            paid="openai/gpt-4o-mini",
            count=20,
            good=18,
            total=25,
            quality=0.871,
            low=0.75,
            high=0.94,
            weak_share=1.0,
            seconds=2.26,
            tokens_per_s=9.96,
            at_ms=1,
        ),
        EvalRow(
            task="edit",
            model=LLAMA,
            paid="anthropic/claude-sonnet-4-5",
            count=4,
            good=1,
            total=4,
            quality=0.25,
            low=0.09,
            high=0.53,
            seconds=31.0,
            unfit=3,
            failed=1,
        ),
        EvalRow(task="", model="t600/deepseek-coder:6.7b", unfit=2),
    )
)
STATUS = EvalIdleStatus(
    store_text=True,
    doing="it has been quiet for 12 of 120 s",
    today=3,
    per_day=200,
    models=(LLAMA, "t600/deepseek-coder:6.7b"),
    judged=140,
)
UNKNOWN = refusal("not_found", "There is no verb 'eval.idle.status'.", param="verb")


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], utc: None) -> Run:
    return Run(monkeypatch, capsys)


def plain(blocks: list[Block]) -> str:
    """As a pipe gets it; no line of either form is too wide."""
    told = paint_plain(blocks, width=WIDTH)
    for text in (told, paint_terminal(blocks, width=WIDTH, colour=False)):
        assert all(columns_of(line) <= WIDTH for line in text.splitlines())
    return told


def test_a_report_is_a_table_and_says_it_in_words(run: Run) -> None:
    assert run("eval", "idle", "report", answers={"eval.idle.report": REPORT}) == exit_codes.OK
    assert run.called == ("eval.idle.report", {})
    assert "18 of 20" in run.out
    assert "87 %" in run.out
    assert "75-94 %" in run.out
    words = " ".join(run.out.split())
    assert "llama3.1:8b did 18 of 20 commit messages as well as gpt-4o-mini, by their form and words alone." in words
    assert "llama3.1:8b did 1 of 4 edits as well as claude-sonnet-4-5." in words
    assert words.count(" did ") == 2
    assert "llama3.1:8b could not take 3 of the edits: too long, or something it can't do." in words
    assert "llama3.1:8b gave no answer to 1 of the edits." in words
    assert "deepseek-coder:6.7b could not take 2 of the requests" in words
    assert run.out == plain(render_eval_report(REPORT))
    assert "Nothing was learned yet." in plain(render_eval_report(EvalReport()))


@pytest.mark.parametrize("words", ["eval idle", "eval", "eval idle status"])
def test_the_status_says_why_nothing_happens(run: Run, words: str) -> None:
    assert run(*words.split(), answers={"eval.idle.status": STATUS}) == exit_codes.OK
    assert run.called == ("eval.idle.status", {})
    assert "it has been quiet for 12 of 120 s" in run.out
    assert "3 of 200 replays" in run.out
    assert "store_text" not in run.out


def test_the_status_says_what_is_replayed_and_what_is_missing() -> None:
    replaying = Replaying(request_id="req_1", task="commit", model=LLAMA)
    busy = msgspec.structs.replace(STATUS, replaying=replaying, hours="22:00-07:00", unfit=2, failed=1)
    text = plain(render_eval_status(busy))
    assert "replaying with t600/llama3.1:8b (commit)" in text
    assert "22:00-07:00" in text
    assert "2 too much for a model, 1 failed" in text
    text = plain(render_eval_status(msgspec.structs.replace(STATUS, store_text=False)))
    assert "lodestarctl config set ledger.store_text true" in text


def test_a_module_that_is_off_is_a_status_too(run: Run) -> None:
    assert run("eval", "idle", answers={"eval.idle.status": UNKNOWN}) == exit_codes.OK
    assert "it is off" in run.out
    assert "lodestarctl eval idle on" in run.out
    assert run("eval", "idle", "--json", answers={"eval.idle.status": UNKNOWN}) == exit_codes.OK
    envelope = msgspec.json.decode(run.out)
    assert (envelope["verb"], envelope["data"]["enabled"]) == ("eval.idle.status", False)
    assert run("eval", "idle", answers={"eval.idle.status": refusal("not_permitted")}) == exit_codes.NOT_PERMITTED


def test_a_report_of_a_module_that_is_off_says_which(run: Run) -> None:
    assert run("eval", "idle", "report", answers={"eval.idle.report": UNKNOWN}) == exit_codes.FAILURE
    assert "[modules.eval_idle] enabled = true turns it on" in run.err


@pytest.mark.parametrize(("word", "value"), [("on", "true"), ("off", "false")])
def test_it_is_switched_in_the_configuration(run: Run, word: str, value: str) -> None:
    key = "modules.eval_idle.enabled"
    taken = ReloadReport(ok=True, changed=(key,))
    status = UNKNOWN if word == "off" else msgspec.structs.replace(STATUS, store_text=False)
    assert run("eval", "idle", word, answers={"config.set": taken, "eval.idle.status": status}) == exit_codes.OK
    assert run.client.calls[0] == ("config.set", {"key": key, "value": value})
    assert f"Taken in: {key}." in run.out
    assert ("ledger.store_text" if word == "on" else "it is off") in run.out


def test_a_switch_for_programs_is_one_envelope(run: Run) -> None:
    answers = {"config.set": ReloadReport(ok=True)}
    assert run("eval", "idle", "on", "--json", answers=answers) == exit_codes.OK
    assert msgspec.json.decode(run.out)["verb"] == "config.set"


def test_a_switch_that_is_not_taken_in_is_a_failure(run: Run) -> None:
    refused = ReloadReport(ok=False, faults=(ConfigProblem(message="no such key"),))
    answers = {"config.set": refused, "eval.idle.status": UNKNOWN}
    assert run("eval", "idle", "on", answers=answers) == exit_codes.FAILURE
    assert "no such key" in run.out + run.err


def test_other_words_are_none(run: Run) -> None:
    assert run("eval", "idle", "perhaps", answers={}) == exit_codes.USAGE
    assert run("eval", "busy", answers={}) == exit_codes.USAGE
