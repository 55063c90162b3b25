"""The commands that ask the router: what they ask of the daemon, what they show, and how they end."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec
import pytest
from msgspec.structs import replace

from lodestarctl import exit_codes
from lodestard.control.client import ControlClient
from lodestard.control.messages import CandidateRow, ConfigProblem, Explanation, MeritRow, RequestRow, ShadowRow
from lodestard.control.messages.advice import (
    BacktestItem,
    BacktestReport,
    Move,
    PolicyFigures,
    Recommendation,
    RouteAdvice,
    RouteCandidate,
    RouteRejection,
    ShadowReport,
    TaskFound,
)
from tests.fakes.command_line import Run
from tests.fakes.control_client import FakeClient, refusal

LOCAL = RouteCandidate(
    target="t600/llama3.1:8b", free=True, quality=0.91, prior=0.77, seen=42.0, cost_nano_usd=0, wait_s=6.5,
    value_nano_usd=53_900_000,
)  # fmt: skip
PAID = RouteCandidate(
    target="openai/gpt-4o", quality=0.95, prior=0.95, cost_nano_usd=2_542_500, wait_s=5.2, value_nano_usd=-1_000_000,
    up=False, note="no budget has room for it", cached_tokens=12_000,
)  # fmt: skip
ADVICE = RouteAdvice(
    alias="auto",
    reason="auto: easy edit; t600/llama3.1:8b likely good",
    task=TaskFound(kind="edit", hardness=0.2, why="one file"),
    prefer="balanced",
    rules=("mine",),
    labels=("lan-only",),
    prompt_tokens=1_200,
    answer_tokens=350,
    candidates=(LOCAL, PAID),
    rejected=(RouteRejection(target="xai/grok-beta", reason="it takes no images"),),
)
RECOMMENDED = Recommendation(
    route=ADVICE, target="t600/llama3.1:8b", alias="local-llama", enough=0.9, good_enough=True, why="It is good.",
    runner_up="openai/gpt-4o: 95 %.", evidence="42 answers were judged.",
)  # fmt: skip
REPORT = BacktestReport(
    name="new.toml",
    since_ms=0,
    until_ms=86_400_000,
    requests=10,
    kept=2,
    failed=1,
    changed=4,
    refused=1,
    recorded=PolicyFigures(requests=10, cost_nano_usd=7_000_000, wait_s=61.0, quality=0.95, swaps={"t600": 2}),
    candidate=PolicyFigures(requests=10, cost_nano_usd=420_000, wait_s=30.0, quality=0.88, free_requests=3),
    moves=(
        Move(source="openai/gpt-4o", target="openai/gpt-4o-mini", requests=3, cost_nano_usd=6, new_cost_nano_usd=1,
             quality=0.95, new_quality=0.88),
        Move(source="openai/gpt-4o", target="", requests=1, cost_nano_usd=1, new_cost_nano_usd=0),
    ),
    notes=("Tags are not kept.",),
)  # fmt: skip


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Run:
    (tmp_path / "shop").mkdir()
    monkeypatch.chdir(tmp_path / "shop")
    return Run(monkeypatch, capsys)


def test_a_route_is_explained_with_all_that_speaks_for_and_against(run: Run) -> None:
    assert run("route", "explain", "Fix", "this", answers={"route.explain": ADVICE}) == exit_codes.OK
    assert run.called == ("route.explain", {"text": "Fix this", "dialect": "openai", "folder": str(Path.cwd())})
    for words in (
        "easy edit (0.20); one file",
        "91 %",
        "42",
        "free",
        "-$0.0010",
        "down",
        "no budget has room",
        "mine",
    ):
        assert words in run.out
    assert "it takes no images" in run.out
    assert "nothing was sent" in run.out


def test_every_option_is_told(run: Run) -> None:
    Path("a.py").write_text("print('```')\n")
    words = ["-m", "gpt-4o", "--file", "a.py", "--file", "a.py", "--prefer", "cheap", "--tag", "x", "--tag", "y"]
    more = ["--client", "aider", "--task", "edit", "--tokens", "9", "--images", "--tools", "--project", "p"]
    assert run("route", "explain", "-", *words, *more, answers={"route.explain": ADVICE}, stdin="Why?") == 0
    _, arguments = run.called
    text = str(arguments["text"])
    assert text.startswith("Why?\n\na.py\n````\nprint('```')")
    assert text.count("a.py") == 2
    assert {name: arguments[name] for name in ("model", "prefer", "tags", "client", "task", "tokens", "project")} == {
        "model": "gpt-4o", "prefer": "cheap", "tags": "x,y", "client": "aider", "task": "edit", "tokens": 9,
        "project": "p",
    }  # fmt: skip
    assert arguments["images"] is arguments["tools"] is True


def test_a_whole_body_is_sent_as_it_is(run: Run) -> None:
    Path("body.json").write_text('{"model": "auto"}')
    words = ["--body", "body.json", "--dialect", "anthropic"]
    assert run("route", "explain", *words, answers={"route.explain": ADVICE}) == exit_codes.OK
    _, arguments = run.called
    assert arguments == {"body": '{"model": "auto"}', "dialect": "anthropic", "folder": str(Path.cwd())}


def test_a_size_alone_is_enough(run: Run) -> None:
    assert run("route", "explain", "--tokens", "90000", answers={"route.explain": ADVICE}) == exit_codes.OK
    assert run.called[1] == {"dialect": "openai", "tokens": 90_000, "folder": str(Path.cwd())}


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["route", "explain", "x", "--body", "b"], "not both"),
        (["route", "explain", "--file", "gone.py"], "can't read gone.py"),
        (["route", "backtest"], "--config FILE"),
        (["route", "backtest", "--config", "gone.toml"], "can't read gone.toml"),
        (["models", "compare", "a", "b", "x", "--blind", "--json"], "nobody to ask"),
    ],
)
def test_what_can_not_be_meant_is_a_usage_error(run: Run, words: list[str], said: str) -> None:
    assert run(*words, answers={}) == exit_codes.USAGE
    assert said in run.err
    assert run.client.calls == []


class NotUtf8(FakeClient):
    """As the client is: what it is given becomes JSON."""

    def call(self, verb: str, arguments: Mapping[str, Any] | None = None) -> msgspec.Raw:
        return ControlClient.call(self, verb, arguments)

    stream = ControlClient.stream


@pytest.mark.parametrize("words", [["route", "explain"], ["ask"], ["models", "compare", "a", "b"]])
def test_what_is_no_text_is_a_usage_error_that_does_not_quote_it(
    run: Run, words: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tests.fakes.command_line.FakeClient", NotUtf8)
    assert run(*words, "caf\udce9 secret", answers={}) == exit_codes.USAGE
    assert run.err.endswith("lodestarctl: what was given is no UTF-8 text\n")
    assert "secret" not in run.err


def test_a_prompt_that_is_too_long_is_refused_not_cut(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lodestarctl.question.MOST_BYTES", 10)
    for words in (["route", "explain", "-"], ["models", "compare", "a", "b"], ["ask", "-"]):
        assert run(*words, answers={}, stdin="0123456789a") == exit_codes.USAGE
        assert "larger than 10 bytes" in run.err
        assert run.client.calls == []


def test_a_request_that_nobody_may_answer_fails(run: Run) -> None:
    refused = RouteAdvice(alias="auto", refusal="The model 'auto' can't be used: nobody is left.")
    assert run("route", "explain", "x", answers={"route.explain": refused}) == exit_codes.FAILURE
    assert "nobody is left" in run.out
    nobody = Recommendation(route=refused)
    assert run("recommend", "x", answers={"recommend": nobody}) == exit_codes.FAILURE
    assert "nobody is left" in run.out


def test_a_recommendation_names_one_model_why_and_the_runner_up(run: Run) -> None:
    assert run("recommend", "x", answers={"recommend": RECOMMENDED}) == exit_codes.OK
    for words in ("Take", "t600/llama3.1:8b", "It is good.", "openai/gpt-4o: 95 %.", "42 answers", "local-llama"):
        assert words in run.out
    assert "best bet" not in run.out
    for enough, bet in ((0.99, True), (1.0, False)):  # where the best is asked for, nothing is enough
        below = replace(RECOMMENDED, enough=enough, good_enough=False)
        assert run("recommend", "x", answers={"recommend": below}) == exit_codes.OK
        assert ("best bet" in run.out) is bet


def test_nothing_seen_is_said_plainly(run: Run) -> None:
    unseen = replace(ADVICE, candidates=(replace(LOCAL, seen=0.0), PAID), prefer="", ordered=True)
    assert run("route", "explain", "x", answers={"route.explain": unseen}) == exit_codes.OK
    assert "Nothing was seen yet" in run.out
    assert "stands in its order" in run.out


def backtest(run: Run, *items: Any) -> int:
    Path("new.toml").write_text("[routing]\n")
    return run("route", "backtest", "--config", "new.toml", "--since", "7d", answers={"route.backtest": items})


def test_a_backtest_shows_both_policies_and_who_would_have_gone_where(run: Run) -> None:
    assert backtest(run, BacktestItem(done=5, total=10), BacktestItem(done=10, total=10, report=REPORT)) == 0
    assert run.called == ("route.backtest", {"config": "[routing]\n", "name": "new.toml", "since": "7d"})
    for words in ("4 (40.0 %)", "$0.007", "$0.00042", "swaps on t600", "95.0 %", "gpt-4o-mini", "nobody", "Tags are"):
        assert words in run.out
    assert "50.0 %" in run.err  # how far it is
    assert backtest(run, BacktestItem(report=BacktestReport(name="new.toml", since_ms=0, until_ms=1))) == 0
    assert "0.0 %" not in run.out  # nobody has answered


def test_a_wrong_policy_is_told_with_its_place(run: Run) -> None:
    wrong = ConfigProblem(message="unknown key", key="modls", file="new.toml", line=1)
    assert backtest(run, BacktestItem(faults=(wrong,))) == exit_codes.FAILURE
    assert "new.toml:1: modls: unknown key" in run.out


def test_a_backtest_that_breaks_off_says_so(run: Run) -> None:
    assert backtest(run, BacktestItem(done=5, total=10), refusal("store_unavailable", "It broke.")) == 1
    assert "It broke." in run.err
    assert backtest(run, BacktestItem(done=5, total=10)) == exit_codes.FAILURE
    assert "without a report" in run.err


def test_the_shadow_says_how_often_and_for_how_much(run: Run) -> None:
    report = ShadowReport(
        file="new.toml", looked_at=10, differs=3, cost_nano_usd=3_000_000, shadow_cost_nano_usd=180_000,
        moves=(Move(source="a/x", target="b/y", requests=3, cost_nano_usd=3_000_000, new_cost_nano_usd=180_000),),
    )  # fmt: skip
    assert run("route", "shadow", answers={"route.shadow": report}) == exit_codes.OK
    assert run.called == ("route.shadow", {"since": "30d"})
    for words in ("3 (30.0 %)", "$0.00282 less", "b/y"):
        assert words in run.out
    assert run("route", "shadow", answers={"route.shadow": ShadowReport()}) == exit_codes.OK
    assert "turns it on" in run.out


def test_a_past_request_tells_what_was_weighed_and_what_the_shadow_would_have_done(run: Run) -> None:
    merit = MeritRow(quality=0.91, cost_nano_usd=0, wait_s=6.5, value_nano_usd=53_900_000, seen=42.0)
    dear = MeritRow(quality=0.95, cost_nano_usd=2_542_500, wait_s=5.2, value_nano_usd=40_000_000, note="no room")
    told = Explanation(
        request=RequestRow(request_id="req_1", started_ms=0, alias="auto", outcome="ok"),
        task=TaskFound(kind="edit", hardness=0.8, why="two files"),
        prefer="balanced",
        rules=("mine",),
        labels=("lan-only",),
        candidates=(
            CandidateRow(target="t600/a", chosen=True, reason="free", merit=merit),
            CandidateRow(target="openai/b", chosen=True, reason="its breaker is open", up=False, merit=dear),
            CandidateRow(target="xai/c", chosen=False, reason="no images"),
        ),
        shadow=ShadowRow(target="openai/b", differs=True, cost_nano_usd=9),
    )
    assert run("explain", "req_1", answers={"explain": told}) == exit_codes.OK
    for words in ("hard edit (0.80); two files", "balanced", "mine", "lan-only", "91 %", "$0.0539", "no room"):
        assert words in run.out
    assert "would have asked openai/b, for $0.000000009" in run.out
    same = replace(told, shadow=ShadowRow(target="t600/a"))
    assert run("explain", "req_1", answers={"explain": same}) == exit_codes.OK
    assert "would have asked the same" in run.out
