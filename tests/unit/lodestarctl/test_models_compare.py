"""Two models asked the same: side by side, with what each cost; blind until a vote."""

import io
import random
from typing import Any

import pytest
from msgspec.structs import replace

from lodestarctl import exit_codes
from lodestarctl.render.compare import progress_line, side_by_side
from lodestarctl.render.words import columns_of
from lodestard.control.messages import AskItem, Explanation, RequestRow, VerbInfo
from lodestard.control.messages.advice import ComparedAnswer
from tests.fakes.command_line import Run
from tests.fakes.control_client import refusal

TEXT = AskItem(text="It is the third one.")
ENDED = AskItem(request_id="req_1", target="t600/llama3.1:8b", cost_nano_usd=5, cache="miss")
ROW = RequestRow(
    request_id="req_1", started_ms=0, total_ms=3_000, first_piece_ms=1_000, completion_tokens=100, cache="miss",
    cost_nano_usd=7,
)  # fmt: skip
ANSWERS = {"ask": [TEXT, ENDED], "explain": Explanation(request=ROW)}


class Terminal(io.StringIO):
    """A standard input at which somebody sits."""

    def isatty(self) -> bool:
        return True


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    return Run(monkeypatch, capsys)


def test_both_are_asked_and_shown_with_price_and_speed(run: Run) -> None:
    assert run("models", "compare", "local-llama", "gpt-4o", "which", "one?", answers=ANSWERS) == exit_codes.OK
    asked = [arguments for verb, arguments in run.client.calls if verb == "ask"]
    assert sorted(str(each["model"]) for each in asked) == ["gpt-4o", "local-llama"]
    assert {each["question"] for each in asked} == {"which one?"}
    assert run.out.count("It is the third one.") == 2
    for words in ("50.0", "3.0 s", "1.0 s", "$0.000000007", "t600/llama3.1:8b"):
        assert words in run.out


def test_one_that_is_refused_is_shown_beside_the_other(run: Run) -> None:
    class Refusing(dict[str, Any]):
        def __getitem__(self, verb: str) -> Any:
            asked = [arguments["model"] for name, arguments in run.client.calls if name == "ask"]
            if verb == "ask" and asked[-1] == "gpt-4o":
                return refusal("budget_refused", "The budget month has no room.")
            return super().__getitem__(verb)

    status = run("models", "compare", "local-llama", "gpt-4o", "x", answers=Refusing(ANSWERS))
    assert status == exit_codes.BUDGET_REFUSED
    assert "(budget_refused)" in run.out
    assert "no room" in run.out
    assert "It is the third one." in run.out


def test_a_blind_comparison_with_one_that_is_refused_has_nothing_to_vote_on(run: Run) -> None:
    answers = {**ANSWERS, "ask": [TEXT, refusal("upstream_error", "It broke off.")]}
    words = ["models", "compare", "local-llama", "gpt-4o", "x", "--blind"]
    assert run(*words, answers=answers, stdin=Terminal("a\n")) == exit_codes.exit_code_of("upstream_error")
    assert "Which is better?" not in run.err
    assert run.out.count("It is the third one.") == 2  # what had come of each
    assert run.out.count("It broke off.") == 2


def test_answers_are_shown_where_the_ledger_tells_nothing_of_them(run: Run) -> None:
    answers = {**ANSWERS, "explain": refusal("store_unavailable", "The ledger is away.")}
    assert run("models", "compare", "local-llama", "gpt-4o", "x", answers=answers) == exit_codes.OK
    assert run.out.count("It is the third one.") == 2
    assert "$0.000000005" in run.out  # as the answer itself said


def test_nobody_there_is_no_comparison(run: Run) -> None:
    assert run("models", "compare", "a", "b", "x") == exit_codes.NOT_RUNNING


@pytest.mark.parametrize(("line", "verdicts"), [("a\n", ["good", "bad"]), ("B\n", ["bad", "good"]), ("tie\n", [])])
def test_a_blind_vote_hides_who_is_who_and_becomes_feedback(
    run: Run, line: str, verdicts: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(random, "random", lambda: 0.9)
    verb = VerbInfo(name="feedback.give", summary="")
    answers = {**ANSWERS, "feedback.give": {}}
    words = ["models", "compare", "local-llama", "gpt-4o", "x", "--blind"]
    assert run(*words, answers=answers, verbs=[verb], stdin=Terminal(f"what?\n{line}")) == exit_codes.OK
    before = run.out[: run.out.index("answered by")]
    assert "It is the third one." in before
    given = [arguments["verdict"] for name, arguments in run.client.calls if name == "feedback.give"]
    assert given == verdicts
    assert "You found" in run.out
    assert "A was gpt-4o, B was local-llama." in run.out
    assert run.out.count("It is the third one.") == 2
    assert run.err.count("Which is better?") == 2


def test_without_the_verb_a_vote_is_only_shown(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(random, "random", lambda: 0.1)
    words = ["models", "compare", "local-llama", "gpt-4o", "x", "--blind"]
    assert run(*words, answers=ANSWERS, stdin=Terminal("a\n")) == exit_codes.OK
    assert "You found local-llama better." in run.out


def test_nobody_s_answer_takes_more_than_its_half() -> None:
    left = ComparedAnswer(model="left", text="def f():\n    return 1\n" + "long " * 40)
    right = ComparedAnswer(model="right", text="日本語" * 60 + "\n\x1b[2Jharm")
    for width in (40, 61, 80, 200):
        lines = list(side_by_side(left, right, width))
        assert all(columns_of(line) <= width for line in lines), width
        assert not any("\x1b" in line for line in lines)
        assert any("    return 1" in line for line in lines)


def test_what_has_come_so_far_is_told() -> None:
    assert progress_line([("a", 420), ("b", 1_204)]) == "a 420, b 1,204 characters"
    empty = replace(ComparedAnswer(model="m"), outcome="upstream_error")
    assert list(side_by_side(empty, empty, 80))[2].startswith("(upstream_error)")
