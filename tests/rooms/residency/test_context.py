"""The context guard and the reload guard: what a server is asked, whatever a client says."""

import json
import random
from typing import Any

import msgspec
import pytest
import trio

from lodestard.domain.errors import CallerFault
from lodestard.domain.request import Request
from lodestard.domain.residency import Ask
from lodestard.domain.settings import LocalModel
from lodestard.domain.upstream import Target
from lodestard.protocols.openai.chat import read_request
from tests.fakes.card_house import (
    CODER,
    LARGE,
    LLAMA,
    MOONDREAM,
    QWEN,
    CardHouse,
    Told,
    make_ask,
    make_settings,
    make_upstream,
    open_card_house,
)

WORDS_OF_3000_TOKENS = "plain words of prose go on " * 430
TOO_LONG = "plain words of prose go on " * 700


def client_request(**members: Any) -> Request:
    """What a client sends, as the endpoint reads it."""
    body = {"model": "llama", "messages": [{"role": "user", "content": "3 words"}], **members}
    return read_request(json.dumps(body).encode(), depth=64)


def begin(house: CardHouse, model: str, request: Request, **caller: Any) -> Told:
    ask = make_ask(model, **caller)
    return house.begin(Ask(target=Target("t600", model), request=request, caller=ask.caller))


async def test_a_prompt_that_is_too_long_is_refused_before_anything_is_loaded(autojump_clock: object) -> None:
    async with open_card_house() as house:
        told = await house.ask(LLAMA, TOO_LONG)
        assert (told.code, told.ended_s) == ("context_length_exceeded", 0.0)
        assert isinstance(told.fault, CallerFault)
        assert "maximum context length is 4096 tokens" in told.fault.message
        assert house.server.loads == []
        assert house.server.questions == []


async def test_the_room_that_is_left_bounds_the_answer(autojump_clock: object) -> None:
    async with open_card_house() as house:
        told = await house.ask(LLAMA, WORDS_OF_3000_TOKENS)
        assert told.ok
        (question,) = house.server.questions
        limit = question["options"]["num_predict"]
        assert 256 <= limit < 4096 - 2_000
        assert question["truncate"] is False
        assert "shift" not in question
        assert "shift" not in question["options"]


async def test_a_clients_own_lower_limit_stays(autojump_clock: object) -> None:
    async with open_card_house() as house:
        assert (await house.ask(LLAMA, most_tokens=17)).ok
        assert (await house.ask(LLAMA, most_tokens=100_000)).ok
        limits = [question["options"]["num_predict"] for question in house.server.questions]
        assert limits[0] == 17
        assert 3_500 < limits[1] < 4_096


async def test_a_prompt_is_judged_again_by_the_context_that_its_model_got(autojump_clock: object) -> None:
    """Moondream has 2,048 tokens at most, whatever is asked for."""
    async with open_card_house() as house:
        prompt = "plain words of prose go on " * 400
        first = await house.ask(MOONDREAM, prompt)
        assert first.code == "context_length_exceeded"
        assert first.fault is not None
        assert "2048 tokens" in first.fault.message
        assert house.server.questions == []
        assert house.server.loads == [MOONDREAM]
        second = await house.ask(MOONDREAM, prompt)
        assert (second.code, second.ended_s) == ("context_length_exceeded", second.asked_s)
        assert (await house.ask(MOONDREAM)).ok
        assert house.server.questions[0]["options"]["num_predict"] < 2_048


async def test_a_context_that_somebody_else_loaded_is_not_what_a_request_gets(autojump_clock: object) -> None:
    """Our requests carry the configuration's context: the server loads the model anew for them."""
    async with open_card_house(machine=LARGE) as house:
        await house.server.other_loads(LLAMA, options={"num_ctx": 8192})
        await trio.sleep(16)
        told = await house.ask(LLAMA, TOO_LONG)
        assert told.code == "context_length_exceeded"
        assert house.server.loads == [LLAMA]
        assert house.server.reloads == 0
        assert house.model(LLAMA).context_tokens == 4_096
        await trio.sleep(60)
        assert [body["options"]["num_ctx"] for body in house.server.app.bodies if body.get("options")][-1] == 4_096


async def test_without_a_pinned_context_the_servers_own_counts(autojump_clock: object) -> None:
    settings = make_settings({"t600": make_upstream(options={})})
    async with open_card_house(settings) as house:
        told = await house.ask(LLAMA, TOO_LONG)
        assert told.code == "context_length_exceeded"  # known once it is loaded
        assert house.server.loads == [LLAMA]
        assert "num_ctx" not in house.server.app.bodies[-1].get("options", {})


async def test_tokens_are_learned_from_what_the_server_counts(autojump_clock: object) -> None:
    async with open_card_house() as house:
        for _ in range(5):
            await house.ask(LLAMA, WORDS_OF_3000_TOKENS)
        assert house.model(LLAMA).rates.tokens_per_byte.count >= 1


SAID: list[dict[str, Any]] = [
    {},
    {"options": {"num_ctx": 8192}},
    {"options": {"num_gpu": 1, "num_thread": 3, "use_mmap": False}},
    {"num_ctx": 2048},
    {"keep_alive": 0},
    {"keep_alive": "5s"},
    {"extra_body": {"options": {"num_ctx": 16384}, "keep_alive": -1}},
    {"options": {"shift": False, "num_keep": 5}},
    {"truncate": True},
    {"temperature": 0.2, "top_p": 0.5, "seed": 7},
    {"max_tokens": 50},
]


@pytest.mark.parametrize("seed", [1, 2])
async def test_whatever_clients_say_no_model_is_loaded_anew(autojump_clock: object, seed: int) -> None:
    luck = random.Random(seed)
    settings = make_settings(models={CODER: LocalModel(options={"num_ctx": 2048}, keep_alive="1h")})
    async with open_card_house(settings) as house:
        for _ in range(60):
            begin(
                house, luck.choice([LLAMA, CODER]), client_request(**luck.choice(SAID)), principal=luck.choice("ab")
            )
            await trio.sleep(luck.choice([0.0, 0.3, 2.0, 9.0]))
        for told in house.told:
            assert (await told.wait()).ok
        assert house.server.reloads == 0
        assert house.state().counts.unplanned == 0
        for body in house.server.app.bodies:
            if body.get("keep_alive") == 0:
                continue  # an unload
            assert body["options"]["num_ctx"] == (2048 if body["model"] == CODER else 4096)
            assert body["keep_alive"] == ("1h" if body["model"] == CODER else "30m")
            assert not {"num_gpu", "num_thread", "use_mmap", "num_keep", "shift"} & body["options"].keys()
            assert body.get("truncate", False) is False
            assert "shift" not in body


async def test_what_a_client_said_in_vain_is_noted(autojump_clock: object) -> None:
    async with open_card_house() as house:
        told = begin(house, LLAMA, client_request(options={"num_ctx": 8192}, keep_alive="5m"))
        assert (await told.wait()).ok
        assert any(note.startswith("num_ctx 8192 of the client ignored: 4096") for note in told.notes)
        assert any(note.startswith("keep_alive of the client ignored: 30m") for note in told.notes)


async def test_models_of_different_options_keep_their_own(autojump_clock: object) -> None:
    models = {QWEN: LocalModel(options={"num_ctx": 8192})}
    settings = make_settings({"t600": make_upstream(resident_models=2, models=models)})
    async with open_card_house(settings, LARGE) as house:
        for model in (QWEN, LLAMA, QWEN, LLAMA):
            assert (await house.ask(model)).ok
        assert house.server.reloads == 0
        assert house.server.loads == [QWEN, LLAMA]
        assert house.model(QWEN).context_tokens == 8_192
        assert msgspec.json.encode(house.state())
