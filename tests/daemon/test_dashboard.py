"""``lodestarctl dashboard`` on a terminal, in front of the real daemon: it shows what the ledger has, and leaves the
terminal as it found it, however it ends.
"""

import json
import os
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from lodestarctl.dashboard.words import money
from lodestarctl.render.words import about
from tests.fakes.process import Daemon, MakeDaemon, environ
from tests.fakes.pseudo_terminal import PseudoTerminal

pytestmark = pytest.mark.daemon

Open = Callable[..., PseudoTerminal]


@pytest.fixture
def open_screen() -> Iterator[Open]:
    """Opens dashboards of a daemon, and ends them all."""
    opened: list[PseudoTerminal] = []

    def open_one(
        daemon: Daemon, *words: str, size: tuple[int, int] = (100, 30), command: str = "dashboard", **env: str
    ) -> PseudoTerminal:
        given = {name: value for name, value in environ(daemon.folder).items() if name not in ("TERM", "LANG")}
        line = [sys.executable, "-m", "lodestarctl", "--socket", str(daemon.socket), command, *words]
        opened.append(PseudoTerminal(line, {**given, **env}, size))
        return opened[-1]

    yield open_one
    for terminal in opened:
        terminal.close()


def test_each_screen_shows_what_the_ledger_has(house: Daemon, open_screen: Open) -> None:
    house.ask("paid", "before", project="p")
    screen = open_screen(house)
    screen.wait_text("Lodestar", "Money", "q quit")
    for text in ("one", "two"):
        assert house.ask("paid", text).status == 200
    assert house.ask("auto").status == 200
    house.wait_idle()
    total = house.ctl_json("costs", "--since", "today")["total"]
    screen.wait_text(money(total["cost_nano_usd"]), "0 requests under way")
    rows = {row["name"]: row for row in house.ctl_json("costs", "--since", "today")["rows"]}
    screen.press("2")
    text = screen.wait_text("Today by model", "gpu/llama3.1:8b")
    (line,) = [line for line in text.splitlines() if "paid/gpt-4o-mini" in line]
    row = rows["paid/gpt-4o-mini"]
    assert money(row["cost_nano_usd"]) in line
    assert about(row["prompt_tokens"] + row["completion_tokens"]) in line
    screen.press("3")
    screen.wait_text("Today by project", "no project")
    screen.press("4")
    screen.wait_text("Today by session")
    screen.press("5")
    screen.wait_text("Today by provider", "paid", "gpu")
    screen.press("t")
    screen.wait_text("This month by provider")
    screen.press("6")
    screen.wait_text("Requests as they end", "ok")
    asked = house.ask("paid", "the newest").request_id
    screen.press("\r")
    screen.wait_text("Attempts", "captured")
    screen.press("\x1b")
    screen.wait_text("Requests as they end")
    screen.press("/" + asked[-8:] + "\r")
    screen.wait_text("1 of ")
    screen.press("\r")
    screen.wait_text(asked, "Answered by  paid/gpt-4o-mini")
    screen.press("qq")
    assert screen.ended() == 0
    assert screen.restored
    assert screen.screen.unknown == []


def test_a_request_appears_by_itself_soon_after_it_ends(house: Daemon, open_screen: Open) -> None:
    screen = open_screen(house, "--screen", "requests")
    screen.wait_text("Requests as they end")
    asked = house.ask("auto", "who appears").request_id
    rows = len(house.rows(1000))
    screen.wait_text(f"  {rows}, newest first", patience_s=5)
    screen.press("\r")
    screen.wait_text(asked)


def test_filter_help_and_sizes(house: Daemon, open_screen: Open) -> None:
    house.ask("paid")
    house.ask("auto")
    screen = open_screen(house, "--screen", "models", size=(80, 24))
    screen.wait_text("paid/gpt-4o-mini", "gpu/llama3.1:8b")
    screen.press("/llama")
    screen.wait(lambda: "paid/gpt" not in screen.text and "gpu/llama3.1:8b" in screen.text, "the filtered rows")
    screen.press("\x1b")
    screen.wait_text("paid/gpt-4o-mini")
    screen.press("?")
    screen.wait_text("the next screen, the one before")
    screen.press("x")
    screen.wait_text("Today by model")
    screen.resize(160, 50)
    screen.wait_text("share", "failed")
    assert len(screen.screen.text()[2]) == 160
    screen.resize(40, 10)
    screen.wait_text("The dashboard needs 60 x 15.")
    screen.resize(80, 24)
    screen.wait_text("Today by model")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_signal_leaves_the_terminal_as_it_was(house: Daemon, open_screen: Open, number: signal.Signals) -> None:
    screen = open_screen(house)
    screen.wait_text("Money")
    assert screen.modes() != screen.before
    assert {"1049", "2004"} <= screen.screen.modes
    screen.process.send_signal(number)
    assert screen.ended() == 128 + number
    assert screen.restored


@pytest.mark.parametrize("keys", ["q", "\x03"])
def test_leaving_by_key_leaves_the_terminal_as_it_was(house: Daemon, open_screen: Open, keys: str) -> None:
    screen = open_screen(house)
    screen.wait_text("Money")
    screen.press(keys)
    assert screen.ended() == 0
    assert screen.restored


def test_it_can_be_stopped_and_brought_back(house: Daemon, open_screen: Open) -> None:
    screen = open_screen(house)
    screen.wait_text("Money")
    screen.press("\x1a")
    stat = Path(f"/proc/{screen.process.pid}/stat")
    screen.wait(lambda: stat.read_text().rpartition(")")[2].split()[0] == "T", "it is stopped")
    screen.wait(lambda: screen.restored, "the terminal is the shell's")
    screen.process.send_signal(signal.SIGCONT)
    screen.wait(lambda: "1049" in screen.screen.modes, "it is back")
    screen.wait_text("Money", "q quit")
    screen.press("q")
    assert screen.ended() == 0
    assert screen.restored


def test_a_defect_leaves_the_terminal_as_it_was_and_says_what_it_was(house: Daemon, open_screen: Open) -> None:
    """The planted one: a frame that can't be drawn."""
    plant = house.folder / "sitecustomize.py"
    plant.write_text(
        "import sys, threading, time\n"
        "def spoil():\n"
        "    while 'lodestarctl.dashboard.loop' not in sys.modules: time.sleep(0.01)\n"
        "    time.sleep(1.5)\n"
        "    loop = sys.modules['lodestarctl.dashboard.loop']\n"
        "    loop.draw = lambda state: 1 // 0\n"
        "threading.Thread(target=spoil, daemon=True).start()\n"
    )
    path = os.pathsep.join([str(house.folder), *filter(None, [os.environ.get("PYTHONPATH")]), os.getcwd()])
    try:
        screen = open_screen(house, PYTHONPATH=path)
        screen.wait_text("Money")

        def press_until_it_ends() -> bool:
            screen.press("2")
            return screen.process.poll() is not None

        screen.wait(press_until_it_ends, "its end")
    finally:
        plant.unlink()
    assert screen.ended() == 1
    assert screen.restored
    assert "ZeroDivisionError" in "".join(screen.screen.normal)


def test_a_terminal_that_is_gone_ends_it(house: Daemon, open_screen: Open) -> None:
    screen = open_screen(house)
    screen.wait_text("Money")
    os.close(screen.slave)
    os.close(screen.master)
    assert screen.process.wait(10) in (128 + signal.SIGHUP, -signal.SIGHUP)


def test_it_comes_back_by_itself_after_the_daemon_has(make_daemon: MakeDaemon, open_screen: Open) -> None:
    daemon = make_daemon().start()
    daemon.ask("paid")
    daemon.wait_idle()
    cost = money(daemon.ctl_json("costs")["total"]["cost_nano_usd"])
    screen = open_screen(daemon)
    screen.wait_text(cost)
    daemon.stop()
    screen.wait_text("trying again", cost)
    daemon.start()
    screen.wait(lambda: "trying again" not in screen.text, "the daemon is there again")
    daemon.ask("paid", "once more")
    daemon.wait_idle()
    screen.wait_text(money(daemon.ctl_json("costs")["total"]["cost_nano_usd"]))
    daemon.kill()
    screen.wait_text("trying again")
    screen.press("q")
    assert screen.ended() == 0
    assert screen.restored


def test_once_and_json_are_for_pipes(house: Daemon) -> None:
    house.ask("paid")
    house.wait_idle()
    done = house.ctl("dashboard", "--once", "--screen", "models")
    assert done.returncode == 0
    assert "paid/gpt-4o-mini" in done.stdout
    assert all(len(line) <= 80 for line in done.stdout.splitlines())
    assert "\x1b" not in done.stdout
    envelope = json.loads(house.ctl("--json", "dashboard", "--once").stdout)
    assert (envelope["verb"], envelope["data"]["kind"]) == ("dashboard", "snapshot")
    total = house.ctl_json("costs", "--since", "today")["total"]
    assert envelope["data"]["today"]["cost_nano_usd"] == total["cost_nano_usd"]


def test_where_there_can_be_no_screen_it_says_what_to_do(house: Daemon, open_screen: Open) -> None:
    done = house.ctl("dashboard")
    assert (done.returncode, "--once" in done.stderr) == (2, True)
    screen = open_screen(house, TERM="dumb")
    screen.wait(lambda: screen.process.poll() is not None, "its end")
    assert screen.ended() == 2
    assert "--once" in screen.text
    stopped = house.ctl("--socket", str(house.folder / "nobody.sock"), "dashboard", "--once")
    assert stopped.returncode == 3


def test_a_terminal_without_utf8_gets_ascii(house: Daemon, open_screen: Open) -> None:
    screen = open_screen(house, LANG="", LC_ALL="C")
    text = screen.wait_text("Money")
    assert text.isascii()


def test_costs_opens_the_same_at_its_grouping(house: Daemon, open_screen: Open) -> None:
    screen = open_screen(house, "--dashboard", "--by", "project", command="costs")
    screen.wait_text("This month by project")
