"""What leaves in a log record, and that no log stops its caller."""

import fcntl
import logging
import os
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from lodestard.log import GATHERED_IN_VAIN, JournalOutlet, StderrOutlet, configure_logging, format_line, set_level

SECRET = "sk-do-not-tell"


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    reading, writing = os.pipe()
    os.set_blocking(reading, False)
    yield reading, writing
    for fd in (reading, writing):
        try:
            os.close(fd)
        except OSError:
            continue


@pytest.fixture
def restored_logging(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for switch in GATHERED_IN_VAIN:
        monkeypatch.setattr(logging, switch, True, raising=False)
    root, ours, main = (logging.getLogger(name) for name in ("", "lodestard", "__main__"))
    handlers, levels = list(root.handlers), (root.level, ours.level, main.level)
    yield
    root.handlers[:] = handlers
    for logger, level in zip((root, ours, main), levels, strict=True):
        logger.setLevel(level)


def a_record(text: str, *args: object, figures: object = None, **more: Any) -> logging.LogRecord:
    record = logging.LogRecord("lodestard.pipeline", logging.INFO, "pipeline.py", 7, text, args, None)
    record.created = 1795229407.123
    if figures is not None:
        record.lodestar = figures
    record.__dict__.update(more)
    return record


def failed_record() -> logging.LogRecord:
    try:
        int("line one\nline two")
    except ValueError:
        return a_record("it failed", exc_info=sys.exc_info())
    raise AssertionError("int() took it")


def test_a_line_has_time_severity_place_text_and_figures() -> None:
    line = format_line(a_record("request %s ended", "r1", figures={"status": 200, "reason": "it is free"}))
    assert line == (
        '2026-11-21T02:50:07.123Z info lodestard.pipeline: request r1 ended status=200 reason="it is free"\n'
    )


def test_control_bytes_can_not_make_a_second_line() -> None:
    line = format_line(a_record("a\nb\r\x1b[2J\u2028\x9b", figures={"key": 'say "no"\n'}))
    assert line.count("\n") == 1
    assert "a\\nb\\r\\x1b[2J\\u2028\\x9b" in line
    assert 'key="say \\"no\\"\\n"' in line


def test_a_traceback_stays_on_the_line() -> None:
    line = format_line(failed_record())
    assert line.count("\n") == 1
    assert "line one\\\\nline two" in line


def test_figures_that_are_no_mapping_are_left_out() -> None:
    assert format_line(a_record("text", figures="no mapping")).endswith(": text\n")


def test_a_line_is_written_whole(pipe: tuple[int, int]) -> None:
    reading, writing = pipe
    StderrOutlet(writing).handle(a_record("x" * 10_000))
    assert os.read(reading, 65536).endswith(b"x" * 10_000 + b"\n")


def test_a_reader_that_stopped_costs_records_not_time(pipe: tuple[int, int]) -> None:
    reading, writing = pipe
    fcntl.fcntl(writing, fcntl.F_SETPIPE_SZ, 4096)
    outlet = StderrOutlet(writing)
    for _ in range(50):
        outlet.handle(a_record("y" * 1000))
    os.read(reading, 65536)
    outlet.handle(a_record("here again"))
    told = os.read(reading, 65536).decode()
    assert "here again" in told
    assert "log records before this one were lost" in told


def test_a_long_line_is_given_up_half_way(pipe: tuple[int, int]) -> None:
    reading, writing = pipe
    fcntl.fcntl(writing, fcntl.F_SETPIPE_SZ, 4096)
    outlet = StderrOutlet(writing)
    outlet.handle(a_record("z" * 6000))
    os.read(reading, 65536)
    outlet.handle(a_record("next"))
    assert b": 1 log records before" in os.read(reading, 65536)


def test_a_closed_stderr_raises_nothing(pipe: tuple[int, int]) -> None:
    os.close(pipe[1])
    StderrOutlet(pipe[1]).handle(a_record("nobody hears it"))


def test_wrong_arguments_raise_nothing(pipe: tuple[int, int]) -> None:
    reading, writing = pipe
    outlet = StderrOutlet(writing)
    outlet.handle(a_record("%d records", "many"))
    outlet.handle(a_record("fine"))
    assert b": fine\n" in os.read(reading, 65536)


def test_the_journal_gets_only_what_is_on_the_list() -> None:
    sent: list[dict[str, object]] = []
    record = a_record("told %d", 1, figures={"request_id": "r1", "cost nano": None}, other=SECRET)
    JournalOutlet(lambda **fields: sent.append(fields)).handle(record)
    assert sent == [
        {
            "MESSAGE": "told 1",
            "PRIORITY": "6",
            "SYSLOG_IDENTIFIER": "lodestard",
            "LOGGER": "lodestard.pipeline",
            "CODE_FILE": "pipeline.py",
            "CODE_LINE": 7,
            "CODE_FUNC": "",
            "LODESTAR_REQUEST_ID": "r1",
            "LODESTAR_COST_NANO": "",
        }
    ]


@pytest.mark.parametrize(
    ("level", "priority"),
    [
        (logging.CRITICAL, "2"),
        (logging.ERROR, "3"),
        (logging.WARNING, "4"),
        (logging.INFO, "6"),
        (logging.DEBUG, "7"),
    ],
)
def test_severities_become_syslogs_priorities(level: int, priority: str) -> None:
    sent: list[dict[str, object]] = []
    JournalOutlet(lambda **fields: sent.append(fields)).handle(a_record("text", levelno=level))
    assert sent[0]["PRIORITY"] == priority


def test_the_journal_gets_the_traceback_in_a_field() -> None:
    sent: list[dict[str, object]] = []
    JournalOutlet(lambda **fields: sent.append(fields)).handle(failed_record())
    assert str(sent[0]["LODESTAR_TRACEBACK"]).endswith("line one\\nline two'")


def test_lone_surrogates_reach_the_journal_escaped() -> None:
    sent: list[dict[str, object]] = []
    JournalOutlet(lambda **fields: sent.append(fields)).handle(a_record("\ud800", figures={"a": "\udfff"}))
    assert (sent[0]["MESSAGE"], sent[0]["LODESTAR_A"]) == ("\\ud800", "\\udfff")


def test_a_journal_that_fails_raises_nothing() -> None:
    def refuse(**fields: object) -> None:
        raise OSError(2, "no journald")

    JournalOutlet(refuse).handle(a_record("nobody hears it"))


@pytest.mark.usefixtures("restored_logging")
def test_ours_leave_from_the_level_up_and_others_from_warnings_up(capfd: pytest.CaptureFixture[str]) -> None:
    configure_logging("info", journal=False)
    configure_logging("info", journal=False)
    logging.getLogger("lodestard.http").info("ours")
    logging.getLogger("lodestard.http").debug("too fine")
    logging.getLogger("httpx").info("theirs")
    logging.getLogger("httpx").warning("their warning")
    lines = capfd.readouterr().err.splitlines()
    assert [line.partition(": ")[2] for line in lines] == ["ours", "their warning"]


@pytest.mark.usefixtures("restored_logging")
def test_the_level_changes_while_running(capfd: pytest.CaptureFixture[str]) -> None:
    configure_logging("error", journal=False)
    logger = logging.getLogger("lodestard.http")
    logger.warning("one")
    set_level("debug")
    logger.debug("two")
    assert capfd.readouterr().err.endswith(" debug lodestard.http: two\n")


@pytest.mark.usefixtures("restored_logging")
def test_the_journal_is_reached_through_systemd_python(monkeypatch: pytest.MonkeyPatch) -> None:
    journal = pytest.importorskip("systemd.journal")
    sent: list[dict[str, object]] = []
    monkeypatch.setattr(journal, "send", lambda **fields: sent.append(fields))
    configure_logging("info", journal=True)
    logging.getLogger("lodestard").info("hello")
    assert sent[0]["MESSAGE"] == "hello"
