"""The facts that Aider's files are made from."""

from dataclasses import replace
from decimal import Decimal
from typing import Any

import msgspec

from lodestard.control.messages import Listener
from lodestard.control.messages.aider import AiderFacts, AiderModel
from lodestard.control.verbs import core_verbs
from lodestard.control.verbs.desk import HouseState
from lodestard.domain.errors import CallerFault, Code
from lodestard.domain.settings import Model, ModelPrice, Settings, Upstream
from lodestard.routing.catalog import build_catalog
from lodestard.routing.routes import Routes
from tests.fakes.control_desk import LISTENERS, FakeDesk, FakeRoutes, make_runtime

SETTINGS = Settings(
    upstreams={
        "t600": Upstream(dialect="ollama", url="http://127.0.0.1:1", free=True, options={"num_ctx": 4096}),
        "bare": Upstream(dialect="ollama", url="http://127.0.0.1:1", free=True, options={"num_ctx": True}),
        "openai": Upstream(dialect="openai", url="http://127.0.0.1:1/v1"),
    },
    models={
        "auto": Model(route=("t600/llama", "openai/gpt-4o")),
        "gpt-4o": Model(route=("openai/gpt-4o", "t600/llama")),
        "bare": Model(route=("bare/llama",)),
        "unpriced": Model(route=("openai/o9",)),
    },
    prices={"openai/gpt-4o": ModelPrice(input=Decimal("2.5"), output=Decimal(10), max_output_tokens=16_384)},
)


async def ask(desk: FakeDesk) -> AiderFacts:
    answer = core_verbs(desk)["aider"].answer
    assert answer is not None
    return msgspec.convert(await answer({}), AiderFacts, from_attributes=True)


def desk_with(is_up: Any = lambda _name: True) -> FakeDesk:
    runtime = make_runtime(SETTINGS)
    routes = Routes(build_catalog(SETTINGS, frozenset({"openai", "ollama"})), is_up)
    return FakeDesk(replace(runtime, routes=routes), house=HouseState(state="ready", listeners=LISTENERS))


async def test_each_alias_with_its_first_target() -> None:
    facts = await ask(desk_with())
    assert facts.base_url == "http://127.0.0.1:4000/v1"
    models = {model.alias: model for model in facts.models}
    assert models["auto"] == AiderModel(
        alias="auto",
        target="t600/llama",
        free=True,
        input_pico_usd=0,
        output_pico_usd=0,
        context_tokens=4096,
        fallbacks=("openai/gpt-4o",),
    )
    assert models["gpt-4o"] == AiderModel(
        alias="gpt-4o",
        target="openai/gpt-4o",
        input_pico_usd=2_500_000,
        output_pico_usd=10_000_000,
        max_output_tokens=16_384,
        fallbacks=("t600/llama",),
    )
    assert models["bare"].context_tokens is None


async def test_one_that_is_down_now_is_still_the_first() -> None:
    facts = await ask(desk_with(lambda name: name != "t600"))
    assert facts.models[0].target == "t600/llama"


async def test_one_that_can_not_be_asked_says_why() -> None:
    desk = desk_with()

    class Refusing(FakeRoutes):
        def choose(self, alias: str) -> Any:
            raise CallerFault(Code.PRICE_UNKNOWN, f"{alias} can't be used.")

    desk.runtime = replace(desk.runtime, routes=Refusing(SETTINGS, {}))
    desk.house = HouseState(state="ready", listeners=(Listener(address="/x.sock", kind="control"),))
    facts = await ask(desk)
    assert facts.base_url == ""
    assert facts.models[0].note == "auto can't be used."
