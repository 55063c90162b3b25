"""Labels on a request's way: from headers and keys to the ledger, and nowhere else."""

from collections.abc import Mapping
from pathlib import Path

import msgspec
import pytest

from lodestard.control.verbs.requests import news_row, request_row
from lodestard.domain.news import RequestEnded
from lodestard.domain.request import Caller
from tests.fakes.world import World, open_world
from tests.journeys.conftest import Log

KEY = "Bearer lodestar:alpha:review:ann"
AIDER = [{"role": "system", "content": "Act as an expert software developer.\nAlways use best practices."}]


@pytest.mark.parametrize(
    ("headers", "project", "session", "user"),
    [
        ({"x-lodestar-project": "p", "x-lodestar-session": "s", "x-lodestar-user": "u"}, "p", "s", "u"),
        ({"authorization": KEY}, "alpha", "review", "ann"),
        ({"x-api-key": "lodestar:alpha:review"}, "alpha", "review", ""),
        ({"authorization": "Bearer none", "api-key": "lodestar:alpha:s"}, "alpha", "s", ""),
        ({"x-lodestar-folder": "/home/ann/secret-place/beta", "x-lodestar-session": "s"}, "beta", "s", ""),
    ],
)
async def test_what_a_client_says_of_itself_is_in_its_row(
    world: World, headers: Mapping[str, str], project: str, session: str, user: str
) -> None:
    answer = await world.ask("gpt-4o-mini", headers=headers)
    row = (await world.explain(answer)).request
    assert (row.project, row.session, row.user, row.client, row.task) == (project, session, user, "journey", "chat")


@pytest.mark.parametrize("alias", ["gpt-4o-mini", "local-llama"])
@pytest.mark.parametrize("stream", [False, True])
async def test_a_client_s_key_and_labels_go_to_no_upstream_and_into_no_record(
    world: World, log: Log, alias: str, stream: bool
) -> None:
    headers = {
        "authorization": "Bearer sk-client-secret",
        "x-api-key": "lodestar:alpha:review",
        "api-key": "another-secret",
        "x-lodestar-folder": "/home/ann/hidden/alpha",
    }
    answer = await world.ask(alias, stream=stream, headers=headers)
    assert answer.status == 200
    await log.wait_requests(1)
    upstream = world.openai if alias == "gpt-4o-mini" else world.upstreams["ollama"]
    (seen,) = upstream.app.requests
    sent = repr((seen.headers, seen.body, seen.path))
    for word in ("sk-client-secret", "another-secret", "lodestar:", "x-lodestar", "hidden", "alpha", "review"):
        assert word not in sent
    told = msgspec.json.encode(await world.explain(answer)).decode()
    assert '"alpha"' in told
    state = b"".join(file.read_bytes() for file in (world.folder / "state").iterdir())
    for word in ("sk-client-secret", "another-secret", "lodestar:alpha", "hidden"):
        assert word not in told + log.text
        assert word.encode() not in state


async def test_a_session_is_found_without_any_set_up(world: World) -> None:
    first = await world.ask("local-llama", messages=[*AIDER, {"role": "user", "content": "one"}])
    second = await world.ask("gpt-4o-mini", messages=[*AIDER, {"role": "user", "content": "two"}])
    other = await world.ask("gpt-4o-mini", "three")
    rows = [(await world.explain(answer)).request for answer in (first, second, other)]
    assert [row.task for row in rows] == ["edit", "edit", "chat"]
    assert rows[0].session == rows[1].session
    assert rows[0].session.startswith("aider-")
    assert rows[2].session.startswith("journey-")
    assert [row.switched_from for row in rows] == ["", "t600/llama3.1:8b", ""]
    report = await world.ledger.session_reports.show(rows[0].session)
    assert report.session.figures.cost_nano_usd == sum(row.cost_nano_usd for row in rows[:2]) > 0
    assert [switch.request_id for switch in report.switches] == [rows[1].id]


async def test_a_session_that_was_asked_for_takes_what_names_none(world: World, log: Log) -> None:
    now_ms = world.house.runtime.clock.now_ms()
    world.ledger.sessions.start("refactor", Caller(project="alpha"), now_ms)
    answer = await world.ask("local-llama")
    row = (await world.explain(answer)).request
    assert (row.session, row.project) == ("refactor", "alpha")
    (record,) = await log.wait_requests(1)
    assert record["project"] == "alpha"


async def test_an_overlong_session_gets_cached_answers_and_no_others(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with open_world(tmp_path, "[sessions]\nmax_s = 0.001\n") as world:
        headers = {"x-lodestar-session": "nightly"}
        kept = await world.ask("local-llama", "the same", temperature=0, headers=headers)
        assert kept.status == 200
        for alias in ("local-llama", "gpt-4o-mini", "auto"):
            refused = await world.ask(alias, "something new", headers=headers)
            assert refused.status == 400
            assert refused.error["code"] == "budget_refused"
            assert "The session nightly has lasted" in refused.error["message"]
            assert "lodestarctl session end nightly" in refused.error["message"]
        again = await world.ask("local-llama", "the same", temperature=0, headers=headers)
        assert (again.status, again.lodestar["cache"]) == (200, "hit")
        world.ledger.sessions.end("nightly", world.house.runtime.clock.now_ms())
        assert (await world.ask("local-llama", "something new", headers=headers)).status == 200
        assert world.openai.asked == 0


async def test_a_follower_and_a_reader_are_told_the_same(world: World) -> None:
    told: list[RequestEnded] = []
    with world.house.foundation.ended.listen(told.append):
        headers = {"x-lodestar-user": "ann", "x-lodestar-task": "review"}
        for alias in ("local-llama", "gpt-4o-mini"):
            await world.ask(alias, headers=headers)
        await world.settle()
    rows = [request_row(row) for row in await world.rows()]
    news = [news_row(each, rows[at].started_ms) for at, each in enumerate(told)]
    for name in ("project", "user", "session", "client", "task", "switched_from", "target", "cost_nano_usd"):
        assert [getattr(row, name) for row in news] == [getattr(row, name) for row in rows]
    assert rows[1].switched_from == rows[0].target
    assert rows[1].task == "review"
