"""News that the house passes on: to the modules of the generation that serves, and to no other."""

from pathlib import Path

from lodestard.domain.news import AttemptEnded, BudgetAlert
from tests.fakes.world import open_world

ALERT = BudgetAlert(
    budget="all",
    scope="global",
    value="",
    unit="usd",
    level=80,
    used=8,
    limit=10,
    window_start_ms=0,
    window_end_ms=None,
    hard=True,
    text="80 % of all",
)


async def test_a_budget_alert_reaches_the_serving_generation_alone(tmp_path: Path) -> None:
    async with open_world(tmp_path) as world:
        heard: list[tuple[str, BudgetAlert]] = []
        retired: list[None] = []
        first = world.house.generation
        first.runtime.hooks.budget_alert.always(lambda alert: heard.append(("first", alert)))
        first.runtime.hooks.retired.always(retired.append)
        world.house.foundation.budget_alert.tell(ALERT)
        assert heard == [("first", ALERT)]
        with first:  # a request keeps it open
            await world.house.reload()
            assert retired == [None]
            assert not first.closed
            world.house.runtime.hooks.budget_alert.always(lambda alert: heard.append(("second", alert)))
            world.house.foundation.budget_alert.tell(ALERT)
        assert heard == [("first", ALERT), ("second", ALERT)]


async def test_an_attempt_is_told_with_its_state_and_number(tmp_path: Path) -> None:
    async with open_world(tmp_path) as world:
        told: list[AttemptEnded] = []
        world.house.runtime.hooks.attempt_ended.always(told.append)
        world.openai.fail("status=503", "cut=10")
        await world.ask("gpt-4o-mini")
        await world.ask("gpt-4o-mini")
        await world.ask("gpt-4o-mini")
        await world.settle()
        rows = await world.rows()
    assert [(one.state, one.ordinal) for one in told] == [("released", 1), ("unknown", 1), ("captured", 1)]
    assert [one.request_id for one in told] == [row.id for row in rows]
    assert [one.cost_nano_usd for one in told] == [row.cost_nano_usd for row in rows]
