"""Each command, from its words to its exit status, with a client that answers from a table."""

import io
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec
import pytest

from lodestarctl import exit_codes
from lodestarctl.folder import work_folder
from lodestard.control.messages import Argument, AskItem, CacheWarmed, Draining, LogLevel, ReloadReport, VerbInfo
from tests.fakes import control_samples as samples
from tests.fakes import price_samples, session_samples
from tests.fakes.command_line import Run
from tests.fakes.control_client import refusal

FAN = VerbInfo(
    name="fan.limit",
    summary="limit the power",
    arguments=(
        Argument(name="watts", kind="integer", required=True),
        Argument(name="card", default="T600", choices=("T600", "T400")),
        Argument(name="dry_run", kind="flag"),
        Argument(name="tags", kind="list"),
    ),
)
WATCH = VerbInfo(name="fan", summary="watch the fan", streams=True)


class Terminal(io.StringIO):
    """Standard input with a person before it."""

    def isatty(self) -> bool:
        return True


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], utc: None) -> Run:
    return Run(monkeypatch, capsys)


@pytest.mark.parametrize(
    ("words", "verb", "arguments", "data", "shows"),
    [
        ("status", "status", {}, samples.STATUS, "● degraded"),
        ("alerts", "alerts", {"last": 50}, samples.ALERTS, "not yet by email"),
        ("alerts list -n 2", "alerts", {"last": 2}, samples.ALERTS, "never by webhook"),
        ("reconcile show -n 2", "reconcile.show", {"last": 2}, samples.RECONCILED, "not final"),
        ("version", "version", {}, {"version": "0.1.0"}, "lodestard    0.1.0"),
        (
            "costs",
            "costs",
            {"by": "model", "since": "month", "until": None, "top": 0, "trend": "14d"},
            samples.COURSE,
            "Likely        $6.03",
        ),
        (
            "costs --by user --since 7d --until 2025-11-30 --top 3",
            "costs",
            {"by": "user", "since": "7d", "until": "2025-11-30", "top": 3},
            samples.COSTS,
            "all",
        ),
        (
            "costs --by week --graph",
            "costs",
            {"by": "week", "since": "month", "until": None, "top": 0, "trend": "30d"},
            samples.COURSE,
            "Fri 2025-11-21",
        ),
        (
            "costs --since 90d",
            "costs",
            {"by": "model", "since": "90d", "until": None, "top": 0, "trend": "90d"},
            samples.COURSE,
            "By day",
        ),
        (
            "costs --by user --json",
            "costs",
            {"by": "user", "since": "month", "until": None, "top": 0, "trend": "30d"},
            samples.COURSE,
            '"likely_nano_usd"',
        ),
        ("cache", "cache.stats", {}, samples.CACHE, "Hit rate"),
        ("cache stats", "cache.stats", {}, samples.CACHE, "312 answers"),
        (
            "cache clear --model local-llama --older-than 7d",
            "cache.clear",
            {"model": "local-llama", "older_than": "7d"},
            {"entries": 1},
            "Forgot 1 answer.",
        ),
        ("models", "models", {}, samples.MODELS, "claude-opus"),
        ("models list", "models", {}, samples.MODELS, "$25.00"),
        ("requests -n 3", "requests", {"last": 3}, {"requests": [samples.REQUEST]}, "0opg1a2c"),
        ("explain abcd", "explain", {"id": "abcd"}, samples.EXPLANATION, "Candidates"),
        ("prices", "prices", {}, price_samples.PRICES, "price list 0.2.3"),
        ("prices gpt-4o --no-color", "prices", {"model": "gpt-4o"}, price_samples.PRICES, "aa11bb22cc33"),
        ("prices check", "prices.check", {}, price_samples.GOOD_CHECK, "each has its price"),
        ("costs explain abcd", "costs.explain", {"id": "abcd"}, price_samples.COST, "rounded up"),
        ("config check", "config.check", {}, samples.CONFIG_GOOD, "is good"),
        ("config", "config.show", {}, samples.CONFIG_VALUES, "server.listen"),
        ("config show --origin", "config.show", {}, samples.CONFIG_VALUES, "a.toml:3"),
        ("config reload", "config.reload", {}, ReloadReport(ok=True), "Nothing has changed"),
        ("ledger verify", "ledger.verify", {}, samples.VERIFIED, "adds up"),
        ("log-level debug", "log-level", {"level": "debug"}, LogLevel(level="debug", was="info"), "it was info"),
        ("drain", "drain", {}, Draining(exchanges=2, drain_s=120), "2 requests under way, at most 2 min"),
        ("doctor", "doctor", {}, samples.HEALTHY, "Nothing is wrong"),
        ("session", "session.list", {"last": 20}, session_samples.LIST, "aider-20251121-1130-k3f"),
        ("session list -n 3", "session.list", {"last": 3}, session_samples.LIST, "nightly"),
        ("session show", "session.show", {"id": None}, session_samples.REPORT, "Model switches"),
        ("session show x", "session.show", {"id": "x"}, session_samples.REPORT, "$0.042345678"),
        ("session end", "session.end", {"id": None}, session_samples.STOPPED, "ended after 1 h 1 min"),
        (
            "session start refactor --project lodestar --client aider",
            "session.start",
            {"name": "refactor", "project": "lodestar", "user": None, "client": "aider"},
            session_samples.STARTED,
            "Session refactor has begun",
        ),
    ],
)
def test_a_command_asks_its_verb_and_shows_the_answer(
    run: Run, words: str, verb: str, arguments: Mapping[str, Any], data: object, shows: str
) -> None:
    assert run(*words.split(), answers={verb: data}) == exit_codes.OK
    assert run.called == (verb, arguments)
    assert shows in run.out
    assert run.err == ""


def test_a_check_that_finds_something_fails(run: Run) -> None:
    assert run("prices", "check", answers={"prices.check": price_samples.CHECK}) == exit_codes.FAILURE
    assert run.out.index("grok-beta") < run.out.index("differ"), "what is to be mended comes first"


@pytest.mark.parametrize("words", ["status --json", "--json status"])
def test_json_is_the_envelope_with_the_data_as_it_came(run: Run, words: str) -> None:
    data = {**msgspec.json.decode(msgspec.json.encode(samples.STATUS)), "new_member": [1.5]}
    assert run(*words.split(), answers={"status": data}) == exit_codes.OK
    assert msgspec.json.decode(run.out) == {"version": 1, "verb": "status", "data": data}


@pytest.mark.parametrize(
    ("words", "verb", "data"),
    [
        ("config check", "config.check", samples.CONFIG_BAD),
        ("config reload", "config.reload", ReloadReport(ok=False, faults=samples.CONFIG_BAD.faults)),
        ("ledger verify", "ledger.verify", samples.BROKEN_LEDGER),
        ("doctor", "doctor", samples.DOCTOR),
    ],
)
@pytest.mark.parametrize("form", [[], ["--json"]])
def test_what_is_found_wrong_is_a_failure(run: Run, words: str, verb: str, data: object, form: list[str]) -> None:
    assert run(*words.split(), *form, answers={verb: data}) == exit_codes.FAILURE
    assert run.out


def test_a_daemon_that_is_not_there(run: Run) -> None:
    assert run("status") == exit_codes.NOT_RUNNING
    assert run.out == ""
    assert "not running" in run.err
    assert "Start it with: lodestard" in run.err
    assert run("status", "--json") == exit_codes.NOT_RUNNING
    assert msgspec.json.decode(run.err)["error"]["code"] == "not_running"


@pytest.mark.parametrize(("code", "status"), [("not_permitted", 4), ("budget_refused", 5), ("upstream_timeout", 6)])
def test_a_refusal_has_its_status_and_its_words(run: Run, code: str, status: int) -> None:
    assert run("drain", answers={"drain": refusal(code, "Not now.", retry_after_s=3.0)}) == status
    assert run.err == "lodestarctl: Not now.\nTry again in 3 s.\n"
    assert run("drain", "--json", answers={"drain": refusal(code)}) == status
    assert msgspec.json.decode(run.err)["error"]["code"] == code


def test_an_answer_of_another_version_is_said_so(run: Run) -> None:
    assert run("status", answers={"status": {}}) == exit_codes.FAILURE
    assert "another version of Status" in run.err


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["statsu"], "Did you mean 'status'"),
        (["cache", "clera"], "Did you mean 'cache clear'"),
        (["xyzzy"], "lodestarctl --help"),
        (["xyzzy", "--flag"], "'xyzzy'"),
        (["costs", "--by", "weather"], "invalid choice"),
        (["requests", "-n", "many"], "invalid int"),
        (["requests", "-n", "-1"], "must not be negative"),
        (["costs", "--top", "-1"], "must not be negative"),
        (["costs", "report", "--top", "-1"], "must not be negative"),
        (["costs", "repotr"], "Did you mean 'costs report'"),
        (["costs", "report", "--format", "pdf"], "invalid choice"),
        (["costs", "export", "--csv", "--json"], "one of --csv, --json and --jsonl"),
        (["explain"], "required"),
        (["status", "--jsno"], "unrecognized"),
        (["--jsno", "status"], ""),
        (["cache", "warm", "/no/such/file"], "No such file"),
    ],
)
def test_what_can_not_be_understood(run: Run, words: list[str], says: str) -> None:
    assert run(*words, answers={}) == exit_codes.USAGE
    assert says in run.err
    assert run.out == ""


def test_nothing_said_is_told_what_can_be_said(run: Run) -> None:
    assert run() == exit_codes.USAGE
    assert "ledger verify" in run.err


def test_help_and_version_need_no_daemon(run: Run) -> None:
    assert run("--help") == exit_codes.OK
    assert "exit status" in run.out
    assert run("cache", "--help") == exit_codes.OK
    assert "cache clear" in run.out
    assert run("costs", "--help") == exit_codes.OK
    assert "--graph" in run.out
    assert "costs report" in run.out
    assert run("cache", "clear", "--help") == exit_codes.OK
    assert "--older-than" in run.out
    assert run("--version") == exit_codes.OK
    assert run.out.startswith("lodestarctl ")


def test_where_the_socket_is(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LODESTAR_SOCKET", "/env.sock")
    run("status", answers={"status": samples.STATUS})
    assert run.paths == ("/env.sock",)
    run("status", "--socket", "/given.sock", answers={"status": samples.STATUS})
    assert run.paths == ("/given.sock",)


# streams


def test_ask_writes_the_answer_to_stdout_and_the_rest_to_stderr(run: Run) -> None:
    items = [
        AskItem(reasoning="hm"),
        AskItem(text="Hel"),
        AskItem(text="lo"),
        AskItem(request_id="req_1", target="t/m", cost_nano_usd=1_000, cache="hit"),
    ]
    assert run("ask", "what", "is", "it?", "-m", "local-llama", answers={"ask": items}) == exit_codes.OK
    assert run.called == ("ask", {"question": "what is it?", "model": "local-llama", "folder": work_folder()})
    assert run.out == "Hello\n"
    assert run.err == "t/m from the cache, $0.000001, req_1\n"


@pytest.mark.parametrize("words", [["ask"], ["ask", "-"]])
def test_ask_reads_standard_input(run: Run, words: list[str]) -> None:
    assert run(*words, answers={"ask": [AskItem(text="yes\n")]}, stdin="why?\n") == exit_codes.OK
    assert run.called[1]["question"] == "why?\n"
    assert run.out == "yes\n"


def test_ask_of_a_terminal_with_nothing_to_say(run: Run) -> None:
    assert run("ask", answers={}, stdin=Terminal()) == exit_codes.USAGE
    assert "what is the question?" in run.err


def test_an_answer_that_breaks_off_keeps_what_came_and_fails(run: Run) -> None:
    items = [AskItem(text="Hel"), refusal("upstream_cut", "Cut.")]
    assert run("ask", "x", answers={"ask": items}) == exit_codes.UNAVAILABLE
    assert run.out == "Hel\n"
    assert run.err == "lodestarctl: Cut.\n"


def test_json_of_a_stream_is_an_envelope_a_line(run: Run) -> None:
    assert run("ask", "x", "--json", answers={"ask": [AskItem(text="a"), AskItem(text="b")]}) == exit_codes.OK
    lines = [msgspec.json.decode(line) for line in run.out.splitlines()]
    assert [line["data"]["text"] for line in lines] == ["a", "b"]


def test_requests_are_followed_line_by_line(run: Run) -> None:
    rows = [samples.REQUEST, samples.FAILED]
    assert run("requests", "-f", "-n", "2", answers={"requests.follow": rows}) == exit_codes.OK
    assert run.called == ("requests.follow", {"last": 2})
    assert [line[:8] for line in run.out.splitlines()] == ["12:00:00", "12:00:14"]


def test_following_ends_with_control_c(run: Run) -> None:
    assert run("requests", "-f", answers={"requests.follow": [KeyboardInterrupt()]}) == exit_codes.INTERRUPTED


def test_a_reader_that_has_enough_is_no_failure(run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with (tmp_path / "out").open("w") as out:
        monkeypatch.setattr(sys, "stdout", out)
        assert run("status", answers={"status": BrokenPipeError()}) == exit_codes.OK


def test_warming_reads_the_file_and_tells_each_line(run: Run, tmp_path: Path) -> None:
    file = tmp_path / "lines"
    file.write_text("{}\n\n{}\n")
    items = [CacheWarmed(line=1, outcome="kept"), CacheWarmed(line=3, outcome="hit")]
    assert run("cache", "warm", str(file), answers={"cache.warm": items}) == exit_codes.OK
    assert run.called == ("cache.warm", {"lines": ["{}", "", "{}"], "folder": work_folder()})
    assert run.out == "line 1: kept\nline 3: hit\n"
    bad = [CacheWarmed(line=1, outcome="invalid_json")]
    assert run("cache", "warm", "-", answers={"cache.warm": bad}, stdin="x") == exit_codes.FAILURE
    file.write_bytes(b"\xff")
    assert run("cache", "warm", str(file), answers={}) == exit_codes.USAGE
    assert "not UTF-8" in run.err


def test_the_cache_is_exported_line_by_line(run: Run) -> None:
    assert run("cache", "export", answers={"cache.export": [{"key": "a"}, {"key": "b"}]}) == exit_codes.OK
    assert run.out == '{"key":"a"}\n{"key":"b"}\n'


# models test


def test_testing_says_the_price_and_wants_a_yes(run: Run) -> None:
    answers = {"models.plan": samples.PLANS, "models.test": [samples.RESULT_OK]}
    assert run("models", "test", answers=answers) == exit_codes.USAGE
    assert "$0.00012" in run.out
    assert "--yes" in run.err
    assert [verb for verb, _ in run.client.calls] == ["models.plan"]


def test_testing_with_a_yes(run: Run) -> None:
    answers = {"models.plan": samples.PLANS, "models.test": [samples.RESULT_OK, samples.RESULT_BAD]}
    assert run("models", "test", "gpt-4o", "--yes", answers=answers) == exit_codes.UNAVAILABLE
    assert run.client.calls[-1] == ("models.test", {"aliases": ["gpt-4o"]})
    assert "The key is refused." in run.out
    assert "grok: upstream_auth" in run.err


@pytest.mark.parametrize(("reply", "calls"), [("y\n", 2), ("YES\n", 2), ("n\n", 1), ("\n", 1), ("", 1)])
def test_testing_asks_a_person(run: Run, reply: str, calls: int) -> None:
    answers = {"models.plan": samples.PLANS, "models.test": [samples.RESULT_OK]}
    assert run("models", "test", answers=answers, stdin=Terminal(reply)) == exit_codes.OK
    assert len(run.client.calls) == calls
    assert "Make them? [y/N]" in run.err


def test_testing_what_is_free_needs_no_yes(run: Run) -> None:
    plans = {"calls": [{"alias": "local", "target": "t/m", "max_cost_nano_usd": 0}]}
    answers = {"models.plan": plans, "models.test": [samples.RESULT_OK]}
    assert run("models", "test", answers=answers) == exit_codes.OK
    assert run("models", "test", "--json", answers=answers) == exit_codes.OK
    assert msgspec.json.decode(run.out)["data"]["outcome"] == "ok"


def test_nothing_to_test(run: Run) -> None:
    assert run("models", "test", answers={"models.plan": {"calls": []}}) == exit_codes.OK
    assert "nothing to call" in run.out


# verbs that only the daemon knows


def test_a_verb_of_the_daemons_own(run: Run) -> None:
    words = ["fan", "limit", "30", "--card", "T400", "--dry-run", "--tags", "a", "b"]
    assert run(*words, answers={"fan.limit": {"power_w": 30}}, verbs=[WATCH, FAN]) == exit_codes.OK
    assert run.called == ("fan.limit", {"watts": 30, "card": "T400", "dry_run": True, "tags": ["a", "b"]})
    assert run.out == "  power w  30\n"


def test_a_verb_of_the_daemons_own_as_json(run: Run) -> None:
    assert run("fan", "limit", "30", "--json", answers={"fan.limit": {"power_w": 30}}, verbs=[FAN]) == exit_codes.OK
    assert msgspec.json.decode(run.out)["data"] == {"power_w": 30}
    assert run.called == ("fan.limit", {"watts": 30, "card": "T600", "dry_run": False})


def test_a_streaming_verb_of_the_daemons_own(run: Run) -> None:
    assert run("fan", answers={"fan": [{"t": 1}, {"t": 2}]}, verbs=[WATCH, FAN]) == exit_codes.OK
    assert run.out == "  t  1\n  t  2\n"


@pytest.mark.parametrize("words", [["fan", "limit"], ["fan", "limit", "hot"], ["fan", "limit", "3", "--card", "x"]])
def test_a_verb_of_the_daemons_own_with_wrong_words(run: Run, words: list[str]) -> None:
    assert run(*words, answers={}, verbs=[FAN]) == exit_codes.USAGE


def test_a_word_after_a_command_that_has_others_is_none_of_its_own(run: Run) -> None:
    listed = [VerbInfo(name="costs", summary="what was spent"), VerbInfo(name="costs.report", summary="a month")]
    assert run("costs", "repotr", answers={}, verbs=listed) == exit_codes.USAGE
    assert "Did you mean 'costs report'" in run.err


def test_near_names_include_the_daemons_verbs(run: Run) -> None:
    assert run("fan", "limti", answers={}, verbs=[FAN]) == exit_codes.USAGE
    assert "Did you mean 'fan limit'?" in run.err
    assert run("statsu") == exit_codes.USAGE
    assert "'status'" in run.err


def test_alerts_are_tested_by_every_way(run: Run) -> None:
    log = {"channel": "log", "outcome": "ok"}
    good = {"channel": "webhook", "outcome": "ok", "total_ms": 41}
    bad = {"channel": "email", "outcome": "failed", "detail": "it answers 550"}
    assert run("alerts", "test", answers={"alerts.test": [log, good]}) == exit_codes.OK
    assert run.out == "log: ok\nwebhook: ok (41 ms)\n"
    assert run("alerts", "test", answers={"alerts.test": [log, bad]}) == exit_codes.FAILURE
    assert "email: failed: it answers 550" in run.out
    assert run("alerts", "test", answers={"alerts.test": [log]}) == exit_codes.OK
    assert "Only the log" in run.out + run.err
    assert run("alerts", "-n", "-1") == exit_codes.USAGE


def test_bills_that_can_t_be_seen_are_a_failure(run: Run) -> None:
    words = ("reconcile", "--day", "2025-11-18")
    assert run(*words, answers={"reconcile.run": samples.RECONCILED}) == exit_codes.UNAVAILABLE
    assert run.called == ("reconcile.run", {"day": "2025-11-18"})
    assert "it refuses the key" in run.out
    assert run("reconcile", answers={"reconcile.run": {"looks": []}}) == exit_codes.OK
    assert run("reconcile", "show", "-n", "-1") == exit_codes.USAGE


def test_a_command_whose_module_is_off_says_so(run: Run) -> None:
    unknown = refusal("not_found", "There is no verb 'reconcile.run'.", param="verb")
    assert run("reconcile", answers={"reconcile.run": unknown}) == exit_codes.FAILURE
    assert "[modules.reconcile] enabled = true turns it on" in run.err
