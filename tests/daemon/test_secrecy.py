"""Keys go to their upstream and nowhere else; prompts and answers are kept only where that was asked for."""

from pathlib import Path

import pytest

from tests.fakes.process import KEY, Daemon, World

pytestmark = pytest.mark.daemon

PROMPT = "canary-of-a-prompt-8d21f0"
SAID = "canary-of-an-answer-77ab13"


def bytes_of(folder: Path, pattern: str = "*") -> bytes:
    """All files below ``folder`` whose name matches."""
    return b"".join(file.read_bytes() for file in sorted(folder.rglob(pattern)) if file.is_file())


def everything_told(house: Daemon) -> str:
    """What the daemon says over its doors."""
    words = (
        ("status",), ("costs",), ("requests",), ("models",), ("config", "show", "--origin"), ("doctor",),
        ("version",), ("cache", "stats"), ("ledger", "verify"),
    )  # fmt: skip
    told = [house.ctl("--json", *each).stdout for each in words]
    pages = [house.get(path).body.decode() for path in ("/metrics", "/v1/models", "/health/ready")]
    return "\n".join(told + pages)


def test_a_key_is_nowhere(house: Daemon) -> None:
    answers = [house.ask(model, "hello") for model in ("paid", "busy", "broken", "cut", "auto", "nobody")]
    answers.append(house.stream("paid").rest())
    house.ctl("log-level", "debug")
    answers.append(house.ask("paid", "hello again", temperature=0))
    house.ctl("log-level", "info")
    assert not any(KEY in answer.body.decode() or KEY in str(answer.headers) for answer in answers)
    assert KEY not in everything_told(house)
    assert KEY not in house.log
    assert KEY.encode() not in bytes_of(house.folder)


def test_a_crash_leaves_no_core(house: Daemon) -> None:
    assert house.process is not None
    limits = Path(f"/proc/{house.process.pid}/limits").read_text()
    (core,) = [line.split()[4] for line in limits.splitlines() if line.startswith("Max core file size")]
    assert core == "0"


def test_prompts_are_kept_nowhere_by_default(house: Daemon, world: World) -> None:
    world.answer_next(SAID, SAID, SAID)
    house.ctl("log-level", "debug")
    assert house.ask("paid", PROMPT).text == SAID
    assert house.stream("paid", PROMPT).rest().text == SAID
    assert house.ask("paid", PROMPT, temperature=0).text == SAID  # its answer is cached
    house.ask("broken", PROMPT)
    house.ctl("ask", "--model", "auto", PROMPT)
    house.ctl("log-level", "info")
    house.wait_idle()
    for canary in (PROMPT, SAID):
        assert canary not in house.log
        assert canary.encode() not in bytes_of(house.state_dir, "ledger.db*")
        assert canary not in everything_told(house)
    assert PROMPT.encode() not in bytes_of(house.state_dir)


def test_text_is_kept_in_the_ledger_where_that_was_asked_for(house: Daemon, world: World) -> None:
    house.write({"ledger": {"store_text": True}})
    house.end()
    house.start()
    world.answer_next(SAID)
    house.ask("paid", PROMPT)
    house.wait_idle()
    kept = bytes_of(house.state_dir, "ledger.db*")
    assert PROMPT.encode() in kept
    assert SAID.encode() in kept
    assert PROMPT not in house.log
    assert KEY.encode() not in kept
