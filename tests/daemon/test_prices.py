"""A real daemon takes prices from the installed list, and never has the list's package in its own memory."""

from pathlib import Path

import msgspec
import pytest

from lodestard.prices.book import PriceList
from tests.fakes.process import PAID_MODEL, Daemon, MakeDaemon

pytestmark = pytest.mark.daemon

LISTED = {
    "upstreams": {"paid": {"price_provider": "openai"}},
    "models": {"listed": {"route": ["paid/gpt-4o"]}, "retired": {"route": ["paid/grok-beta"]}},
}


@pytest.fixture
def daemon(make_daemon: MakeDaemon) -> Daemon:
    return make_daemon(LISTED).start()


def test_a_listed_price_is_charged_shown_and_explained(daemon: Daemon) -> None:
    answer = daemon.ask("listed", "what does it cost", max_tokens=20)
    assert answer.status == 200
    daemon.wait_idle()

    report = daemon.ctl_json("prices", "listed")
    (row,) = report["prices"]
    assert (row["kind"], row["listed_as"], report["list_version"]) == ("list", "openai/gpt-4o", "0.2.3")
    explained = daemon.ctl_json("costs", "explain", answer.request_id)
    (attempt,) = explained["attempts"]
    pico_usd = sum(line["tokens"] * line["rate_pico_usd"] for line in attempt["lines"])
    assert -(-pico_usd // 1_000) == attempt["cost_nano_usd"] == explained["cost_nano_usd"] > 0
    assert attempt["price_version"] == row["now"]["version"]
    assert "genai-prices openai/gpt-4o" in daemon.ctl("costs", "explain", answer.request_id[-8:]).stdout
    assert f"paid/{PAID_MODEL}" in daemon.ctl("prices").stdout


def test_what_is_unpriced_is_refused_and_named(daemon: Daemon) -> None:
    assert daemon.ask("retired").json["error"]["code"] == "price_unknown"

    checked = daemon.ctl("prices", "check")
    assert checked.returncode == 1
    assert "paid/grok-beta has no price" in " ".join(checked.stdout.split())
    codes = {finding["code"] for finding in daemon.ctl_json("doctor")["findings"]}
    assert "price_unpriced" in codes


def test_the_list_s_package_is_never_in_the_daemon(daemon: Daemon) -> None:
    kept = msgspec.json.decode((daemon.state_dir / "prices.json").read_bytes(), type=PriceList)
    assert kept.quotes["paid/gpt-4o"].prices
    assert daemon.process is not None
    maps = Path(f"/proc/{daemon.process.pid}/maps").read_text()
    assert "msgspec" in maps, "this is how one sees what is loaded"
    assert "pydantic_core" not in maps


def test_the_next_start_takes_the_kept_list(daemon: Daemon) -> None:
    kept = (daemon.state_dir / "prices.json").stat().st_mtime_ns
    daemon.stop()
    daemon.start()
    assert daemon.ask("listed", max_tokens=20).status == 200
    assert (daemon.state_dir / "prices.json").stat().st_mtime_ns == kept
