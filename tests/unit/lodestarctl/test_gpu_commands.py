"""The commands about cards, from their words to their exit status, and the line that says how far something is."""

import io
import os
import pty
import select
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest

from lodestarctl import exit_codes
from lodestarctl.output import Output
from lodestarctl.progress import CLEAR, Progress
from lodestarctl.render.gpu_progress import load_bar, pull_line, unload_line, warm_line
from lodestarctl.render.waits import about_seconds, brief, estimate, seconds, speed, until
from lodestard.control.client import ControlError
from lodestard.control.messages import ModelRow, ModelsReport
from lodestard.control.messages.gpu import (
    Estimate,
    GpuReport,
    Learned,
    Lent,
    Pinned,
    PullItem,
    UnloadItem,
    WarmItem,
)
from tests.fakes import gpu_samples as samples
from tests.fakes.command_line import Run
from tests.fakes.control_client import refusal
from tests.fakes.control_samples import NOON_MS

MODEL = "deepseek-coder:6.7b"


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], utc: None) -> Run:
    return Run(monkeypatch, capsys)


@pytest.mark.parametrize(
    ("words", "verb", "arguments", "data", "shows"),
    [
        ("gpu", "gpu", {}, samples.REPORT, "answering with llama3.1:8b"),
        ("gpu t600", "gpu", {"host": "t600"}, samples.REPORT, "off by 0.8 s at the median"),
        ("gpu --json", "gpu", {}, samples.REPORT, '"within_percent": 82'),
        ("gpu queue", "gpu.queue", {}, samples.QUEUE, "aider architect"),
        ("gpu queue t600", "gpu.queue", {"host": "t600"}, samples.QUEUE, "interactive"),
        (
            f"gpu pin {MODEL}",
            "gpu.pin",
            {"model": MODEL, "exclusive": False},
            Pinned(host="t600", model=MODEL, pinned="kept"),
            "is pinned to t600",
        ),
        (
            f"gpu pin {MODEL} --exclusive",
            "gpu.pin",
            {"model": MODEL, "exclusive": True},
            Pinned(host="t600", model=MODEL, pinned="exclusive"),
            "nothing displaces it",
        ),
        (f"gpu unpin {MODEL}", "gpu.unpin", {"model": MODEL}, Pinned(host="t600", model=MODEL), "pinned no more"),
        (
            f"gpu unpin {MODEL}",
            "gpu.unpin",
            {"model": MODEL},
            Pinned(host="t600", model=MODEL, changed=False),
            "was not pinned",
        ),
        ("gpu pause", "gpu.pause", {}, Lent(host="t600", lent=True), "lodestarctl gpu resume t600 takes it back"),
        (
            "gpu pause t600 --for 2h",
            "gpu.pause",
            {"host": "t600", "for": "2h"},
            Lent(host="t600", lent=True, until_ms=NOON_MS),
            "is lent until 2025-11-21 12:00",
        ),
        ("gpu resume", "gpu.resume", {}, Lent(host="t600", lent=False), "is ours again"),
        (
            "gpu resume t600",
            "gpu.resume",
            {"host": "t600"},
            Lent(host="t600", lent=False, changed=False),
            "t600 was not lent",
        ),
    ],
)
def test_a_command_asks_its_verb_and_shows_the_answer(
    run: Run, words: str, verb: str, arguments: dict[str, Any], data: object, shows: str
) -> None:
    assert run(*words.split(), answers={verb: data}) == exit_codes.OK
    assert run.called == (verb, arguments)
    assert shows in run.out
    assert run.err == ""


def no_host(message: str = "There is no host 'x'.") -> ControlError:
    return refusal("invalid_request", message, param="host")


def test_a_word_after_gpu_may_have_been_meant_as_a_command(run: Run) -> None:
    assert run("gpu", "quue", answers={"gpu": no_host()}) == exit_codes.USAGE
    assert "Or was the command meant: gpu 'queue'?" in run.err
    assert run("gpu", "xyz", answers={"gpu": no_host()}) == exit_codes.USAGE
    assert run.err == "lodestarctl: There is no host 'x'.\n"
    assert run("gpu", answers={"gpu": refusal("not_found", "Nobody.")}) == exit_codes.FAILURE
    assert run("gpu", "pause", "--for", answers={}) == exit_codes.USAGE
    assert run("warm", answers={}) == exit_codes.USAGE


# warm

WAITS = WarmItem(host="t600", model=MODEL, state="waiting", ahead=2, left_s=12.4)
LOADS = WarmItem(host="t600", model=MODEL, state="loading", for_s=1.0, left_s=4.2)
READY = WarmItem(host="t600", model=MODEL, state="ready", took_s=5.24)


def test_a_load_is_told_line_by_line_where_nobody_watches(run: Run) -> None:
    more = [msgspec.structs.replace(LOADS, for_s=3.0, left_s=2.2)] * 5
    assert run("warm", MODEL, answers={"warm": [WAITS, WAITS, LOADS, *more, READY]}) == exit_codes.OK
    assert run.called == ("warm", {"model": MODEL})
    assert run.out == f"✓ {MODEL} is ready (5.2 s).\n"
    first, second = run.err.splitlines()
    assert first == "waiting behind 2 requests, about 12 s"
    assert second.endswith(f"loading {MODEL}, about 4 s left")


def test_a_model_that_is_loaded_already(run: Run) -> None:
    there = msgspec.structs.replace(READY, was_loaded=True)
    assert run("warm", MODEL, answers={"warm": [there]}) == exit_codes.OK
    assert (run.out, run.err) == (f"✓ {MODEL} is loaded already.\n", "")


@pytest.mark.parametrize(
    ("items", "says"),
    [
        ([WAITS, LOADS], f"{MODEL} goes on loading; lodestarctl gpu shows it."),
        ([WAITS], f"{MODEL} had not begun to load; it is not waited for any more."),
        ([], f"{MODEL} had not begun to load; it is not waited for any more."),
    ],
)
def test_whoever_leaves_is_told_what_becomes_of_it(run: Run, items: list[WarmItem], says: str) -> None:
    answers = {"warm": [*items, KeyboardInterrupt()]}
    assert run("warm", MODEL, answers=answers) == exit_codes.INTERRUPTED
    assert run.err.splitlines()[-1] == says
    assert run("warm", MODEL, "--json", answers=answers) == exit_codes.INTERRUPTED
    assert run.err == ""


def test_each_step_is_a_line_of_json_for_a_program(run: Run) -> None:
    assert run("warm", MODEL, "--json", answers={"warm": [WAITS, READY]}) == exit_codes.OK
    told = [msgspec.json.decode(line)["data"]["state"] for line in run.out.splitlines()]
    assert (told, run.err) == (["waiting", "ready"], "")


def test_a_load_that_fails_says_why(run: Run) -> None:
    missing = refusal("upstream_model_missing", f"t600 does not have {MODEL}.")
    assert run("warm", MODEL, answers={"warm": [WAITS, missing]}) == exit_codes.UNAVAILABLE
    assert run.err.endswith(f"lodestarctl: t600 does not have {MODEL}.\n")
    assert run.out == ""


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        ({"ahead": 0, "left_s": None}, "waiting for the card"),
        ({"ahead": 1, "left_s": 0.2}, "waiting behind 1 request, less than a second"),
        ({"state": "draining", "other": "llama"}, "waiting until llama has finished, about 12 s"),
        ({"state": "unloading", "other": "llama", "left_s": None}, "unloading llama to make room"),
        ({"state": "loading", "left_s": None, "for_s": 9.4}, f"loading {MODEL}, for 9 s"),
        ({"state": "loading", "left_s": 0.0, "for_s": 9.4}, f"███████████████████░  loading {MODEL}, for 9 s"),
        ({"state": "loading", "left_s": 5.0, "for_s": 5.0}, f"██████████░░░░░░░░░░  loading {MODEL}, about 5 s left"),
    ],
)
def test_how_far_a_load_is_in_words(changes: dict[str, Any], line: str) -> None:
    assert warm_line(msgspec.structs.replace(WAITS, **changes)) == line


def test_a_bar_is_full_only_when_it_is_over() -> None:
    assert load_bar(9, 0.001, 4) == load_bar(9, None, 4) == "███░"
    assert load_bar(0, 4, 4) == load_bar(0, None, 4) == "░░░░"


# unload


def test_an_unload_says_what_it_waits_for(run: Run) -> None:
    waits = UnloadItem(host="t600", model=MODEL, state="waiting", running=1)
    goes = UnloadItem(host="t600", model=MODEL, state="unloading")
    done = UnloadItem(host="t600", model=MODEL, state="done", was_loaded=True)
    assert run("unload", MODEL, answers={"unload": [waits, waits, goes, done]}) == exit_codes.OK
    assert run.err == f"waiting for 1 request of {MODEL} to end\nunloading {MODEL}\n"
    assert run.out == f"✓ {MODEL} has left the card of t600.\n"
    none = msgspec.structs.replace(done, was_loaded=False)
    assert run("unload", MODEL, answers={"unload": [none]}) == exit_codes.OK
    assert run.out == f"· {MODEL} was not loaded.\n"
    assert run("unload", MODEL, "--json", answers={"unload": [done]}) == exit_codes.OK
    assert run("unload", MODEL, answers={"unload": [waits, KeyboardInterrupt()]}) == exit_codes.INTERRUPTED
    assert unload_line(goes) == f"unloading {MODEL}"


# models pull

HALF = PullItem(
    host="t600",
    model=MODEL,
    status="downloading",
    done_bytes=1_900_000_000,
    total_bytes=3_800_000_000,
    bytes_per_s=11_200_000.4,
    left_s=169.6,
)
WHOLE = PullItem(
    host="t600", model=MODEL, status="done", done_bytes=3_800_000_000, total_bytes=3_800_000_000, finished=True
)


def test_a_download_is_told_by_tenths_where_nobody_watches(run: Run) -> None:
    begun = PullItem(host="t600", model=MODEL, status="pulling manifest")
    nearly = msgspec.structs.replace(HALF, done_bytes=2_000_000_000)
    assert run("models", "pull", MODEL, answers={"models.pull": [begun, HALF, nearly, WHOLE]}) == exit_codes.OK
    assert run.called == ("models.pull", {"model": MODEL})
    assert run.err.splitlines() == [f"{MODEL}: pulling manifest", pull_line(HALF)]
    assert pull_line(HALF) == f"██████████░░░░░░░░░░  {MODEL}  1.9 GB of 3.8 GB  11.2 MB/s  2 min 50 s left"
    assert run.out == f"✓ {MODEL} is on t600 (3.8 GB).\n"
    assert run("models", "pull", MODEL, "--json", answers={"models.pull": [HALF, WHOLE]}) == exit_codes.OK
    assert len(run.out.splitlines()) == 2


def test_a_download_that_is_stopped_can_be_gone_on_with(run: Run) -> None:
    assert (
        run("models", "pull", MODEL, answers={"models.pull": [HALF, KeyboardInterrupt()]}) == exit_codes.INTERRUPTED
    )
    assert f"lodestarctl models pull {MODEL} goes on from there" in run.err
    answers = {"models.pull": [KeyboardInterrupt()]}
    assert run("models", "pull", MODEL, "--json", answers=answers) == exit_codes.INTERRUPTED
    assert run.err == ""
    fault = refusal("upstream_error", "no space left on device")
    assert run("models", "pull", MODEL, answers={"models.pull": [HALF, fault]}) == exit_codes.UNAVAILABLE
    assert "no space left" in run.err


# the line


@pytest.fixture
def terminal() -> Iterator[tuple[Output, int]]:
    """An output whose standard error is a terminal of 40 columns, and the descriptor to read what comes there."""
    master, slave = pty.openpty()
    os.system(f"stty cols 40 rows 5 < {os.ttyname(slave)}")
    with open(slave, "w", encoding="utf-8") as stderr:
        yield Output(io.StringIO(), stderr), master
    os.close(master)


def read_all(master: int) -> str:
    """Everything that has come to the terminal."""
    found = b""
    while select.select([master], [], [], 0.3)[0]:
        found += os.read(master, 4_096)
    return found.decode()


def test_on_a_terminal_the_line_is_written_over_itself(
    terminal: tuple[Output, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TERM", "xterm")
    output, master = terminal
    progress = Progress(output)
    progress.tell("one", "same")
    progress.tell("two\x1b[2J " + "x" * 60, "same")
    progress.end()
    progress.end()
    told = read_all(master)
    assert told == f"{CLEAR}one{CLEAR}two�[2J {'x' * 30}…{CLEAR}"
    assert len(told.split(CLEAR)[2]) == 39


def test_a_dumb_terminal_gets_lines(terminal: tuple[Output, int], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "dumb")
    output, master = terminal
    progress = Progress(output)
    for text, about in (("one", "a"), ("two", "a"), ("three", "b")):
        progress.tell(text, about)
    progress.end()
    assert read_all(master) == "one\r\nthree\r\n"


def test_letters_that_are_not_there_are_replaced() -> None:
    stderr = io.TextIOWrapper(io.BytesIO(), encoding="ascii", errors="replace")
    Progress(Output(io.StringIO(), stderr)).tell("██░ x", "x")
    assert stderr.buffer.getvalue() == b"##. x\n"


# words


def test_guesses_have_no_more_digits_than_they_are_worth() -> None:
    told = [seconds(value) for value in (None, 0.0, 0.04, 0.44, 9.94, 9.96, 59.4, 59.6, 185)]
    assert told == ["-", "<0.1 s", "<0.1 s", "0.4 s", "9.9 s", "10 s", "59 s", "1 min", "3 min 5 s"]
    assert [brief(value) for value in (None, 9.94, 59.4, 74.2, 3_700)] == ["-", "9.9 s", "59 s", "1 min", "1 h 2 min"]
    assert [about_seconds(value) for value in (0.2, 0.6, 4.4, 75)] == [
        "less than a second",
        "about 1 s",
        "about 4 s",
        "about 1 min 15 s",
    ]
    assert estimate(Estimate(likely_s=2.9, low_s=1.8, high_s=4.4)) == "2.9 s (1.8 s to 4.4 s)"
    assert estimate(Estimate(likely_s=0.01, low_s=0.0, high_s=0.02)) == "<0.1 s"
    told = [speed(Learned(value=value, low=0, high=0)) for value in (13.37, 312.4, 12_345.0)]
    assert (told, speed(None)) == (["13.4", "312", "12.3 k"], "-")
    assert [until(NOON_MS + left_ms, NOON_MS) for left_ms in (0, 9_000, 90_000, 10**13)] == [
        "over",
        "9 s",
        "1 min",
        "for ever",
    ]


# completions


ALIASES = ModelsReport(models=(ModelRow(alias="my-alias", targets=()), ModelRow(alias="$(rm)", targets=())))


def test_completions_know_the_daemon_s_names(run: Run) -> None:
    assert run("completion", "bash", answers={"models": ALIASES, "gpu": samples.REPORT}) == exit_codes.OK
    assert MODEL in run.out
    assert "t600" in run.out
    assert "my-alias" in run.out
    with_names = run.out
    assert run("completion", "bash") == exit_codes.OK
    assert MODEL not in run.out
    assert run("completion", "bash", answers={"models": ALIASES, "gpu": refusal("not_found")}) == exit_codes.OK
    assert "my-alias" in run.out
    harm = msgspec.structs.replace(samples.BUSY, host="$(rm)", models=(samples.BUSY.models[0],) * 2)
    assert run("completion", "bash", answers={"models": ALIASES, "gpu": GpuReport(hosts=(harm,))}) == exit_codes.OK
    assert "$(rm)" not in run.out
    assert with_names.count(MODEL) == 5
