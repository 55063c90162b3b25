"""The house at rest: what has to be back at its baseline when nobody asks anything any more."""

from tests.fakes.world import World, eventually


async def come_to_rest(world: World) -> None:
    """Wait until no request is under way, and check that none has left anything behind."""
    await world.settle()
    totals = world.ledger.totals()
    assert totals.held_nano_usd == 0, f"held at rest: {totals}"
    await eventually(lambda: not unrest(world), f"rest, but {unrest(world)}")


def unrest(world: World) -> str:
    """What is still under way in the pools, or an empty string."""
    runtime = world.house.runtime
    sender = runtime.sender
    busy = {
        name: status
        for name, status in sender.status.items()  # type: ignore[attr-defined]
        if status.leased or status.waiting or status.open != status.idle
    }
    if runtime.flights.under_way:
        busy["flights"] = runtime.flights.under_way
    if world.proxy.exchanges:
        busy["exchanges"] = world.proxy.exchanges
    return str(busy or "")
