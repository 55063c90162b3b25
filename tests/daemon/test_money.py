"""The ledger and the provider's own meter, after a mixed load: never less, and equal wherever usage was delivered."""

import threading
from collections.abc import Iterator
from typing import Any

import pytest

from tests.fakes.process import QUIET, Daemon, World, overlay, wait_for

pytestmark = pytest.mark.daemon


@pytest.fixture(scope="module")
def house(world: World, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    """One that soon gives up an answer whose client has left."""
    settings = overlay(overlay(world.settings(), QUIET), {"server": {"leave_drain_s": 1.5}})
    daemon = Daemon(tmp_path_factory.mktemp("d"), settings)
    try:
        yield daemon.start()
    finally:
        daemon.end()


def spent(house: Daemon) -> int:
    house.wait_idle()
    return int(house.verify()["cost_nano_usd"])


def attempt_of(house: Daemon, request_id: str) -> dict[str, Any]:
    (attempt,) = house.ctl_json("explain", request_id)["attempts"]
    return dict(attempt)


def test_usage_that_was_delivered_costs_to_the_nano(house: Daemon, world: World) -> None:
    billed, charged = world.billed_nano_usd(), spent(house)

    def ask(number: int) -> None:
        house.ask("paid", f"plain number {number}")
        house.stream("paid", f"streamed number {number}", stream_options={"include_usage": True}).rest()
        house.ask("auto", f"free number {number}")
        house.ask("busy", f"refused number {number}")
        house.ask("paid", "the same for all", temperature=0)

    clients = [threading.Thread(target=ask, args=(number,)) for number in range(8)]
    for client in clients:
        client.start()
    for client in clients:
        client.join()
    left = house.stream("slow", "somebody who leaves in the midst", max_tokens=30)
    left.wait_text()
    left.leave()

    more_charged = spent(house) - charged
    assert more_charged == world.billed_nano_usd() - billed > 0
    attempt = attempt_of(house, left.answer.request_id)
    assert (attempt["state"], attempt["completion_tokens"]) == ("captured", 30)


def test_what_nobody_knows_is_charged_at_its_hold(house: Daemon, world: World) -> None:
    billed, charged, bills = world.billed_nano_usd(), spent(house), world.bills()
    plain_cut = house.ask("cut", "a long answer please")
    streamed_cut = house.stream("cut", "another long answer please").rest()
    broken = house.ask("broken")
    gone = house.stream("stuck", "one that never ends")
    gone.wait_text()
    gone.leave()
    assert plain_cut.status in (200, 502)
    assert streamed_cut.status == 200
    assert not streamed_cut.done
    assert broken.status == 502
    assert attempt_of(house, streamed_cut.request_id)["state"] == "unknown"
    assert attempt_of(house, broken.request_id)["state"] in ("released", "unknown")

    more_charged = spent(house) - charged
    wait_for(lambda: world.bills() == bills + 3, "the provider has billed all that were cut")
    assert more_charged >= world.billed_nano_usd() - billed > 0
    assert attempt_of(house, gone.answer.request_id)["state"] == "unknown"


def test_refusals_cost_nothing(house: Daemon, world: World) -> None:
    billed, charged = world.billed_nano_usd(), spent(house)
    answer = house.ask("busy")
    attempts = house.ctl_json("explain", answer.request_id)["attempts"]  # none where an earlier refusal is heeded
    assert all(attempt["state"] == "released" for attempt in attempts)
    assert (world.billed_nano_usd() - billed, spent(house) - charged) == (0, 0)


def test_every_view_says_the_same(house: Daemon) -> None:
    whole = spent(house)
    for by in ("model", "alias", "day", "client"):
        report = house.ctl_json("costs", "--by", by)
        assert report["total"]["cost_nano_usd"] == whole
        assert sum(row["cost_nano_usd"] for row in report["rows"]) == whole
    assert sum(row["cost_nano_usd"] for row in house.rows(1000)) == whole
    status = house.ctl_json("status")
    assert status["today"]["cost_nano_usd"] == whole
    assert status["today"]["held_nano_usd"] == 0
    page = house.get("/metrics").body.decode()
    counted = [line for line in page.splitlines() if line.startswith("lodestar_cost_nano_usd_total")]
    assert sum(float(line.rsplit(" ", 1)[1]) for line in counted) == whole
