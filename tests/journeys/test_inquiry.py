"""A module's question: a request like any other, that saves nothing, leaves no text and keeps nothing open."""

from pathlib import Path

import msgspec
import pytest
import trio

from lodestard.domain.errors import Code, Fault
from lodestard.domain.news import RequestEnded
from lodestard.domain.question import Question
from lodestard.domain.upstream import Target
from lodestard.ledger import CostRow
from lodestard.simulator.answering.question import Answer as SimAnswer
from lodestard.simulator.answering.question import Call
from tests.fakes.world import World, eventually, open_world

STORE_TEXT = "[ledger]\nstore_text = true\n"
LOCAL = Target("t600", "llama3.1:8b")


def question(text: str = "Tell me something.", model: str = "t600/llama3.1:8b", **members: object) -> Question:
    body = {"messages": [{"role": "user", "content": text}], **members}
    return Question(
        origin="eval-idle",
        model=model,
        members={name: msgspec.Raw(msgspec.json.encode(value)) for name, value in body.items()},
        rank="idle",
        task="commit",
        session="eval-idle-2026-11-26",
    )


async def test_the_answer_comes_with_the_figures_of_its_row(world: World) -> None:
    world.ollama.say("feat: do it")
    asked = question(stream=True)
    elsewhere = {**asked.members, "model": msgspec.Raw(b'"gpt-4o"')}
    answered = await world.house.runtime.ask(msgspec.structs.replace(asked, members=elsewhere))
    assert (answered.text, answered.finish, answered.target, answered.cache) == (
        "feat: do it",
        "stop",
        LOCAL,
        "bypass",
    )
    assert answered.cost_nano_usd == 0
    assert answered.usage is not None
    assert answered.durations is not None
    row = await world.row()
    assert (row.id, row.client, row.task, row.session) == (
        answered.request_id,
        "eval-idle",
        "commit",
        "eval-idle-2026-11-26",
    )
    assert (row.completion_tokens, row.total_us) == (answered.usage.completion_tokens, answered.total_us)


async def test_tool_calls_come_back(world: World) -> None:
    world.ollama.say(SimAnswer(calls=(Call("get_weather", {"city": "Bern"}),)))
    tools = [{"type": "function", "function": {"name": "get_weather", "parameters": {"type": "object"}}}]
    answered = await world.house.runtime.ask(question("The weather, please", tools=tools))
    (call,) = answered.tool_calls
    assert (call.name, msgspec.json.decode(call.arguments)) == ("get_weather", {"city": "Bern"})


async def test_who_asks_and_how_urgently_is_known_to_the_house(world: World) -> None:
    told: list[RequestEnded] = []
    world.house.runtime.hooks.request_ended.always(told.append)
    await world.house.runtime.ask(question())
    headers = {"x-lodestar-client": "eval-idle", "x-lodestar-priority": "idle", "x-lodestar-origin": "eval-idle"}
    await world.ask("local-llama", headers=headers)
    ours, theirs = (news.caller for news in told)
    assert (ours.origin, ours.client, ours.priority) == ("eval-idle", "eval-idle", "idle")
    assert (theirs.origin, theirs.client, theirs.priority) == ("", "eval-idle", "idle")


@pytest.mark.parametrize("model", ["t600/llama3.1:8b", "gpt-4o-mini"])
async def test_what_the_house_asks_itself_saves_nothing(world: World, model: str) -> None:
    async def sums() -> CostRow:
        (row,) = await world.ledger.reports.costs("all")
        return row

    await world.ask("local-llama")
    before = await sums()
    assert before.saved_nano_usd > 0
    answered = await world.house.runtime.ask(question(model=model))
    after = await sums()
    assert (await world.explain(answered.request_id)).request.baseline_nano_usd is None
    assert after.requests == before.requests + 1
    assert after.cost_nano_usd == answered.cost_nano_usd
    levers = [name for name in CostRow.__struct_fields__ if name.startswith(("saved", "baseline"))]
    assert [getattr(after, name) for name in levers] == [getattr(before, name) for name in levers]
    assert world.ledger.totals().saved_today_nano_usd == before.saved_nano_usd


async def test_it_goes_past_the_cache_in_both_directions(world: World) -> None:
    world.ollama.say("kept", "fresh", "fresh again")
    first = await world.ask("local-llama", temperature=0)
    assert first.lodestar["cache"] == "miss"
    answered = await world.house.runtime.ask(question(temperature=0))
    assert (answered.text, answered.cache) == ("fresh", "bypass")
    assert (await world.ask("local-llama", temperature=0)).text == "kept"
    await world.house.runtime.ask(question("Something else.", temperature=0))
    assert (await world.ask("local-llama", "Something else.", temperature=0)).lodestar["cache"] == "miss"


async def test_a_question_may_share_the_cache_where_it_says_so(world: World) -> None:
    world.ollama.say("kept")
    await world.ask("local-llama", temperature=0)
    answered = await world.house.runtime.ask(msgspec.structs.replace(question(temperature=0), keep=True))
    assert (answered.text, answered.cache) == ("kept", "hit")
    assert world.ollama.asked == 1


@pytest.mark.parametrize(
    ("asked", "code"),
    [
        (question(model="nobody/knows"), Code.MODEL_NOT_FOUND),
        (question(messages="none"), Code.INVALID_REQUEST),
        (question(model="not-there"), Code.UPSTREAM_MODEL_MISSING),
    ],
)
async def test_what_goes_wrong_is_a_fault_with_its_code(world: World, asked: Question, code: Code) -> None:
    with pytest.raises(Fault) as caught:
        await world.house.runtime.ask(asked)
    assert caught.value.code is code


async def test_a_defect_is_told_as_a_client_is_told_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async with open_world(tmp_path) as world:
        monkeypatch.setattr("lodestard.pipeline.join_or_start", lambda *_: 1 / 0)
        with pytest.raises(Fault) as caught:
            await world.house.runtime.ask(question("a canary"))
        monkeypatch.undo()
    assert caught.value.code is Code.INTERNAL
    assert "ZeroDivisionError" in caplog.text
    assert "canary" not in caplog.text


async def test_cancelled_it_is_a_client_that_left(world: World) -> None:
    with trio.CancelScope() as scope, world.ollama.held():
        async with trio.open_nursery() as nursery:
            nursery.start_soon(world.house.runtime.ask, question())
            await world.ollama.wait_asked()
            scope.cancel()
    assert scope.cancelled_caught
    await world.ollama.wait_left()
    assert (await world.row()).outcome == Code.CLIENT_LEFT


async def test_work_that_gives_way_is_told_so(tmp_path: Path) -> None:
    async with open_world(tmp_path, "[residency]\nenabled = true\n") as world, trio.open_nursery() as nursery:
        with world.ollama.held(), pytest.raises(Fault) as caught:
            nursery.start_soon(ask_when_idle_work_runs, world)
            await world.house.runtime.ask(question())
        assert caught.value.code is Code.UPSTREAM_BUSY
        await world.ollama.wait_left()
    outcomes = {row.client: row.outcome for row in await world.rows()}
    assert outcomes == {"eval-idle": Code.UPSTREAM_BUSY, "journey": "ok"}


async def ask_when_idle_work_runs(world: World) -> None:
    """A real request, once the replay is being answered."""
    await world.ollama.wait_questions()
    assert (await world.ask("local-llama")).status == 200


async def test_it_does_not_keep_a_retired_generation_open(world: World) -> None:
    old = world.house.generation
    with world.ollama.held():
        async with trio.open_nursery() as nursery:
            nursery.start_soon(world.house.runtime.ask, question())
            await world.ollama.wait_asked()
            await world.house.reload()
            await eventually(lambda: old.users == 0, "no user but the question")
            nursery.cancel_scope.cancel()
        with trio.fail_after(10):
            await old.wait_closed()


async def test_text_is_kept_of_clients_alone_and_not_against_their_will(tmp_path: Path) -> None:
    async with open_world(tmp_path, STORE_TEXT) as world:
        kept = await world.ask("gpt-4o-mini", "keep this", temperature=0.5, max_tokens=50)
        private = await world.ask("gpt-4o-mini", "not this", headers={"cache-control": "no-cache, No-Store"})
        ours = await world.house.runtime.ask(question("nor this", model="openai/gpt-4o-mini"))
        ledger = world.ledger
        traces = [(await world.explain(each)).trace for each in (kept, private, ours.request_id)]
        assert ["text" in trace for trace in traces] == [True, False, False]
        (paid,) = await ledger.quotes.paid(since_ms=0)
        assert (paid.id, paid.target) == (kept.id, Target("openai", "gpt-4o-mini"))
        quoted = await ledger.quotes.text_of(kept.id)
        assert quoted is not None
        assert quoted.answer == kept.text
        assert {name: msgspec.json.decode(raw) for name, raw in quoted.members.items()} == {
            "messages": [{"role": "user", "content": "keep this"}],
            "temperature": 0.5,
            "max_tokens": 50,
        }
        assert await ledger.quotes.text_of(private.id) is None
        assert await ledger.quotes.text_of("req_unknown") is None


async def test_only_what_a_paid_model_answered_whole_is_found(tmp_path: Path) -> None:
    async with open_world(tmp_path, STORE_TEXT) as world:
        quotes = world.ledger.quotes
        await world.ask("local-llama", "free")
        first = await world.ask("gpt-4o-mini", "the first", temperature=0)
        assert (await world.ask("gpt-4o-mini", "the first", temperature=0)).lodestar["cache"] == "hit"
        world.openai.fail("status=400")
        assert (await world.ask("gpt-4o-mini", "refused")).status == 400
        world.openai.fail("status=503")
        fell_back = await world.ask("paid-first", "by another one")
        last = await world.ask("gpt-4o-mini", "the last", headers={"x-lodestar-project": "p"})
        await world.settle()
        await world.rows()
        found = await quotes.paid(since_ms=0)
        assert [paid.id for paid in found] == [last.id, fell_back.id, first.id]
        assert [paid.project for paid in found] == ["p", "", ""]
        assert str(found[1].target) == "xai/grok-beta"
        assert found[0].answer_tokens == (await world.explain(last)).request.completion_tokens
        assert [paid.id for paid in await quotes.paid(since_ms=0, limit=1)] == [last.id]
        assert [paid.id for paid in await quotes.paid(since_ms=0, before=last.id)] == [fell_back.id, first.id]
        assert await quotes.paid(since_ms=found[0].received_ms + 60_000) == []
        assert await quotes.paid(since_ms=0, before=first.id) == []


async def test_only_a_chat_in_openais_words_can_be_asked_again(tmp_path: Path) -> None:
    alias = '[models]\nembedder = { route = ["openai/text-embedding-3-small"] }\n'
    price = '[prices]\n"openai/text-embedding-3-small" = { input = 0.02, output = 0 }\n'
    said = [{"role": "user", "content": "hi"}]
    async with open_world(tmp_path, STORE_TEXT + alias + price) as world:
        others = [
            await world.request("POST", "/v1/embeddings", {"model": "embedder", "input": ["one"]}),
            await world.request("POST", "/v1/completions", {"model": "gpt-4o-mini", "prompt": ["one"]}),
            await world.request("POST", "/v1/messages", {"model": "gpt-4o-mini", "messages": said, "max_tokens": 9}),
        ]
        assert [answer.status for answer in others] == [200, 200, 200]
        chat = await world.ask("gpt-4o-mini", "hi")
        await world.rows()
        assert [paid.id for paid in await world.ledger.quotes.paid(since_ms=0)] == [chat.id]
        for answer in others:
            assert (await world.explain(answer)).trace["text"]["prompt"] in (["one"], said)
            assert await world.ledger.quotes.text_of(answer.id) is None


async def test_text_of_before_is_not_enough_to_ask_again(tmp_path: Path) -> None:
    async with open_world(tmp_path, STORE_TEXT) as world:
        asked = await world.ask("gpt-4o-mini", "of an older version")
        await world.rows()
        shortened = "UPDATE trace SET body = json_remove(body, '$.text.settings')"
        await world.ledger.reports._store.commit(lambda tx: tx.execute(shortened))
        assert await world.ledger.quotes.paid(since_ms=0) == []
        assert await world.ledger.quotes.text_of(asked.id) is None
