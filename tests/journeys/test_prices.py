"""Whose price is charged: the list's, the ceiling, that of the service tier which the provider names."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from lodestard.domain.price import Price
from lodestard.prices import refresh
from lodestard.prices.child import ListFailed
from lodestard.simulator.paid.chat_writer import ChatWriter
from lodestard.simulator.paid.providers import PROVIDERS, usd_per_million
from tests.fakes.world import eventually, open_world

LISTED = '[upstreams.openai]\nprice_provider = "openai"\n'
CEILING = "[price_book.ceiling]\ninput = 1.10\noutput = 4.40\n"
PRIORITY = '[prices."openai/gpt-4o".service_tiers.priority]\ninput = 5.00\noutput = 20\n'


async def price_of(world: Any, answer: Any) -> Price:
    """The one that the ledger kept for an answer."""
    explained = await world.explain(answer)
    (attempt,) = explained.attempts
    price: Price = explained.prices[attempt.price]
    return price


async def test_a_model_without_a_price_of_its_own_is_charged_what_the_list_says(tmp_path: Path) -> None:
    async with open_world(tmp_path, LISTED) as world:
        answers = [await world.ask("unpriced", max_completion_tokens=200, stream=stream) for stream in (False, True)]

        assert [answer.status for answer in answers] == [200, 200]
        await world.settle()
        assert world.openai.bill_nano_usd > 0
        price = await price_of(world, answers[0])
        assert price.source == "genai-prices openai/o4-mini"
        assert (tmp_path / "state" / refresh.FILE).stat().st_mode & 0o777 == 0o600


async def test_an_embedding_model_of_the_list_embeds_and_answers_nothing(tmp_path: Path) -> None:
    alias = '[models]\nembedder = { route = ["openai/text-embedding-3-small"] }\n'
    async with open_world(tmp_path, LISTED + alias) as world:
        vectors = await world.request("POST", "/v1/embeddings", {"model": "embedder", "input": ["one", "two three"]})
        chat = await world.ask("embedder")

        assert (vectors.status, len(vectors.json["data"])) == (200, 2)
        assert (chat.status, chat.error["code"]) == (400, "price_unknown")
        assert world.openai.asked == 1
        await world.settle()
        (attempt,) = (await world.explain(vectors)).attempts
        assert attempt.cost_nano_usd == world.openai.bill_nano_usd > 0


async def test_without_a_list_it_is_refused_and_a_later_list_is_taken_live(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fail(*_arguments: object) -> None:
        raise ListFailed("it is broken")

    with monkeypatch.context() as broken:
        broken.setattr(refresh, "run_extract", fail)
        async with open_world(tmp_path, LISTED) as world:
            refused = await world.ask("unpriced")
            assert (refused.status, refused.error["code"]) == (400, "price_unknown")
            assert world.openai.asked == 0
            assert world.prices.problem == "it is broken"

            broken.undo()
            await world.prices.refresh()
            assert (await world.ask("unpriced", max_completion_tokens=200)).status == 200


async def test_a_reload_brings_the_prices_of_what_is_new(tmp_path: Path) -> None:
    async with open_world(tmp_path, "# nothing\n") as world:
        assert (await world.ask("unpriced")).error["code"] == "price_unknown"
        (tmp_path / "conf.d" / "journey.toml").write_text(LISTED)
        await world.house.reload()
        await eventually(lambda: world.prices.covered, "the prices of the new configuration")
        assert (await world.ask("unpriced", max_completion_tokens=200)).status == 200


async def test_a_ceiling_charges_what_nobody_knows(tmp_path: Path) -> None:
    async with open_world(tmp_path, CEILING) as world:
        answer = await world.ask("unpriced", max_completion_tokens=200)

        assert answer.status == 200
        assert (await price_of(world, answer)).source == "ceiling"
        assert world.openai.bill_nano_usd > 0


@pytest.fixture
def serve_as(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Has the simulated OpenAI say how it served."""
    begin = ChatWriter.__init__

    def serve(tier: str) -> None:
        def said(self: ChatWriter, *arguments: Any) -> None:
            begin(self, *arguments)
            self._head["service_tier"] = tier

        monkeypatch.setattr(ChatWriter, "__init__", said)

    return serve


@pytest.mark.parametrize("stream", [False, True])
async def test_what_was_served_dearer_is_charged_dearer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, serve_as: Callable[[str], None], stream: bool
) -> None:
    openai = PROVIDERS["openai"]
    dear = [msgspec.structs.replace(m, price=usd_per_million("5.00", "20.00", "2.50")) for m in openai.models]
    monkeypatch.setitem(PROVIDERS, "openai", msgspec.structs.replace(openai, models=tuple(dear)))
    serve_as("priority")

    async with open_world(tmp_path, PRIORITY) as world:
        answer = await world.ask("gpt-4o", service_tier="priority", stream=stream, max_tokens=50)
        assert answer.status == 200
        await world.settle()
        (attempt,) = (await world.explain(answer)).attempts
        assert attempt.state == "captured"
        assert attempt.cost_nano_usd == world.openai.bill_nano_usd <= attempt.held_nano_usd
        assert msgspec.json.decode(attempt.details) == {"service_tier": "priority"}


async def test_a_service_tier_that_no_price_knows_is_charged_at_the_hold(
    tmp_path: Path, serve_as: Callable[[str], None]
) -> None:
    serve_as("scale")
    async with open_world(tmp_path) as world:
        answer = await world.ask("gpt-4o", max_tokens=50)
        assert answer.status == 200
        await world.settle()
        (attempt,) = (await world.explain(answer)).attempts
        assert (attempt.state, attempt.cost_nano_usd) == ("unknown", attempt.held_nano_usd)
        assert attempt.reason == "its price does not say what it used as scale"
        assert attempt.prompt_tokens == answer.usage["prompt_tokens"], "what is known of it stays known"


async def test_a_dearer_service_is_refused_where_no_price_knows_it(tmp_path: Path) -> None:
    async with open_world(tmp_path, PRIORITY) as world:
        refused = await world.ask("gpt-4o-mini", service_tier="priority")
        assert (refused.status, refused.error["param"]) == (400, "service_tier")
        assert world.openai.asked == 0
