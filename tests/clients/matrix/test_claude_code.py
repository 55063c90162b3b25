"""The real Claude Code, over every paid dialect of upstreams: what it says first is more than a small card holds."""

from functools import partial
from typing import Any

from tests.clients.matrix import asked, cells
from tests.clients.matrix.conftest import Ports, latest, say
from tests.clients.test_claude_code import AFTER, FILE, NEEDED, call, run, work
from tests.fakes.process import Daemon

__all__ = ["work"]

PAID = [name for name in cells.UPSTREAMS if name != "ollama"]
EDITS = ("--allowedTools", "Read,Edit", "--permission-mode", "acceptEdits")

proves = partial(cells.proves, "anthropic", "Claude Code", upstreams=PAID)
pytestmark = NEEDED


@proves("stream")
def test_an_answer(everything: Daemon, ports: Ports, work: Any, upstream: str) -> None:
    before = latest(everything)
    say(ports, upstream, "Hello, Claude Code.")
    code, told = run(everything, work, upstream, asked.HELLO)
    assert (code, told["result"]) == (0, "Hello, Claude Code."), told
    everything.wait_idle()
    (row,) = [row for name, row in latest(everything).items() if name not in before]
    assert (row["client"], row["outcome"], row["alias"]) == ("claude-code", "ok", upstream)
    assert row["cost_nano_usd"] > 0


@proves("tools-stream")
def test_a_file_is_read_and_written(everything: Daemon, ports: Ports, work: Any, upstream: str) -> None:
    file = str(work / FILE)
    edit = call("Edit", file_path=file, old_string="Hello", new_string="Good evening")
    say(ports, upstream, call("Read", file_path=file), edit, "It is done.")
    code, told = run(everything, work, upstream, "Change the greeting.", *EDITS)
    assert (code, told["result"], told["num_turns"]) == (0, "It is done.", 3), told
    assert (work / FILE).read_text() == AFTER


@proves("parallel")
def test_two_files_at_once(everything: Daemon, ports: Ports, work: Any, upstream: str) -> None:
    (work / "other.py").write_text("pass\n")
    both = [call("Read", file_path=str(work / name))["calls"][0] for name in (FILE, "other.py")]
    say(ports, upstream, {"calls": both}, "Both are read.")
    code, told = run(everything, work, upstream, "Read both.", "--allowedTools", "Read")
    assert (code, told["result"]) == (0, "Both are read."), told


@proves("error")
def test_a_model_that_is_not_there(everything: Daemon, work: Any, upstream: str) -> None:
    code, told = run(everything, work, f"{upstream}-none", "hello")
    assert (code, told["is_error"], told["api_error_status"]) == (1, True, 404), told
