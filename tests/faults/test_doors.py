"""F18 at the doors of every dialect: nobody gets in without a key, gets what is another's, or says too much."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from lodestard.endpoints import ROUTES
from tests.fakes.canaries import search
from tests.fakes.world import World, open_world
from tests.faults.dialects import OVERLAY
from tests.faults.doors import (
    PROMPTED,
    SECRET,
    WEATHER,
    drop_secrets,
    enter_everywhere,
    knock_everywhere,
    send_headers,
    steal_kept_answers,
    steal_responses,
    steal_thoughts,
)
from tests.faults.doses import Figure, Tell
from tests.faults.isolation import write_clients

PROMPTS = (SECRET, WEATHER, "Go on.")
VECTORS = """
[models.vectors]
route = ["openai/text-embedding-3-small"]

[prices."openai/text-embedding-3-small"]
input = 0.02
output = 0
"""


def configure() -> str:
    """Ann and Bob have keys, and nobody gets in without one."""
    return f"{write_clients(['ann', 'bob'], keyless=False)}{OVERLAY}{VECTORS}"


@pytest.fixture
async def house(ram_path: Path) -> AsyncIterator[World]:
    async with open_world(ram_path, configure()) as world:
        yield world


def test_every_endpoint_that_asks_a_model_is_tried_with_a_body() -> None:
    asking = {path for path, route in ROUTES.items() if "POST" in route.methods}
    refusing = {"/api/pull", "/api/create", "/api/copy", "/api/push", "/api/blobs/*"}
    judging = {"/lodestar/feedback"}
    assert asking - refusing - judging == set(PROMPTED)


async def test_no_door_opens_without_a_key(house: World, tell: Tell) -> None:
    refused = await knock_everywhere(house)
    entered = await enter_everywhere(house)
    tell(Figure("F18 every dialect's doors", f"{refused} knocks, {entered} with a key", "401 in its own words"))


async def test_responses_are_of_one_principal(house: World, tell: Tell) -> None:
    await steal_responses(house)
    tell(Figure("F18 another's response", "5 ways", "not found"))


async def test_conversations_and_thoughts_are_in_memory_alone(ram_path: Path, tell: Tell) -> None:
    async with open_world(ram_path, configure()) as world:
        await steal_responses(world)
        await steal_thoughts(world)
        await world.settle()
        assert world.house.runtime.thoughts._kept
        search(ram_path, PROMPTS)
    search(ram_path, PROMPTS)
    tell(Figure("F18 conversations and thoughts on disk", "2", "none"))


async def test_thoughts_are_of_one_principal(house: World, tell: Tell) -> None:
    await steal_thoughts(house)
    tell(Figure("F18 another's thoughts", "1", "not put back"))


async def test_kept_answers_are_of_one_principal_in_every_dialect(house: World, tell: Tell) -> None:
    await steal_kept_answers(house)
    tell(Figure("F18 same prompt, every dialect", "7 endpoints", "no answer to two"))


async def test_of_a_client_s_headers_two_go_to_anthropic_alone(house: World, tell: Tell) -> None:
    looked_at = await send_headers(house)
    tell(Figure("F18 a client's headers on their way", str(looked_at), "anthropic-version, anthropic-beta"))


async def test_no_word_of_a_prompt_is_told_as_dropped(house: World, tell: Tell) -> None:
    dropped = await drop_secrets(house)
    assert dropped > 20
    tell(Figure("F18 what is told as dropped", str(dropped), "no word of the client's"))
