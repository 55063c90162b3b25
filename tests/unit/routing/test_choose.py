"""The choice: total, deterministic, with a reason for each target that is ruled out."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lodestard.domain.choice import Asked
from lodestard.domain.errors import CallerFault, Code
from lodestard.domain.settings import Ledger, Model, ModelPrice, Settings, Upstream
from lodestard.routing.catalog import baseline_price, build_catalog
from lodestard.routing.choose import UNKNOWN_TASK, View, choose_route
from lodestard.routing.routes import Routes

SPOKEN = frozenset({"ollama", "openai"})
SETTINGS = Settings(
    upstreams={
        "t600": Upstream(dialect="ollama", url="http://127.0.0.1:1", free=True),
        "openai": Upstream(dialect="openai", url="http://127.0.0.1:2/v1"),
        "anthropic": Upstream(dialect="anthropic", url="http://127.0.0.1:3"),
    },
    models={
        "local": Model(route=("t600/llama3.1:8b",)),
        "auto": Model(route=("t600/llama3.1:8b", "openai/gpt-4o")),
        "claude": Model(route=("anthropic/claude",)),
        "unpriced": Model(route=("openai/new",)),
        "gpt-4o": Model(route=("openai/gpt-4o",)),
    },
    prices={
        "openai/gpt-4o": ModelPrice(input=Decimal("2.5"), output=Decimal(10), max_output_tokens=16384),
        "anthropic/claude": ModelPrice(input=Decimal(3), output=Decimal(15)),
    },
    ledger=Ledger(baseline="openai/gpt-4o"),
)
CATALOG = build_catalog(SETTINGS, SPOKEN)


def route(alias: str, *down: str) -> list[str]:
    plan = choose_route(Asked(alias=alias), UNKNOWN_TASK, View(catalog=CATALOG, down=frozenset(down)))
    return [str(candidate.target) for candidate in plan.candidates]


def refusal(alias: str) -> CallerFault:
    with pytest.raises(CallerFault) as caught:
        route(alias)
    return caught.value


def test_candidates_come_in_the_order_of_the_route() -> None:
    assert route("auto") == ["t600/llama3.1:8b", "openai/gpt-4o"]


def test_one_that_is_down_is_asked_last_and_the_reason_says_so() -> None:
    plan = choose_route(Asked(alias="auto"), UNKNOWN_TASK, View(catalog=CATALOG, down=frozenset({"t600"})))
    assert [candidate.up for candidate in plan.candidates] == [True, False]
    assert plan.candidates[0].target.upstream == "openai"
    assert plan.reason == "alias auto; t600 down"


def test_a_lone_candidate_that_is_down_is_asked_all_the_same() -> None:
    assert route("local", "t600") == ["t600/llama3.1:8b"]


def test_free_upstreams_need_no_price_and_paid_ones_do() -> None:
    plan = choose_route(Asked(alias="local"), UNKNOWN_TASK, View(catalog=CATALOG))
    assert plan.candidates[0].price is not None
    assert plan.candidates[0].price.free
    fault = refusal("unpriced")
    assert fault.code is Code.PRICE_UNKNOWN
    assert '[prices."openai/new"]' in fault.message


def test_a_dialect_without_a_codec_is_a_400_and_says_why() -> None:
    fault = refusal("claude")
    assert fault.code is Code.NOT_SUPPORTED
    assert "anthropic dialect" in fault.message


def test_an_unknown_alias_names_the_nearest() -> None:
    fault = refusal("gpt4o")
    assert fault.code is Code.MODEL_NOT_FOUND
    assert "gpt-4o" in fault.message
    assert fault.param == "model"


def test_a_target_can_be_named_outright() -> None:
    assert route("openai/gpt-4o") == ["openai/gpt-4o"]
    assert route("t600/some/model:1b") == ["t600/some/model:1b"]
    assert refusal("nowhere/gpt-4o").code is Code.MODEL_NOT_FOUND
    assert refusal("openai/").code is Code.MODEL_NOT_FOUND
    assert refusal("openai/never-priced").code is Code.PRICE_UNKNOWN


def test_prices_become_integers() -> None:
    price = CATALOG.prices.own["openai/gpt-4o"]
    assert (price.input_pico_usd, price.output_pico_usd) == (2_500_000, 10_000_000)
    assert baseline_price(SETTINGS) == price


def test_the_view_is_taken_at_the_moment_of_the_choice() -> None:
    down: set[str] = set()
    routes = Routes(CATALOG, lambda name: name not in down)
    assert routes.choose("auto").candidates[0].target.upstream == "t600"
    down.add("t600")
    assert routes.choose("auto").candidates[0].target.upstream == "openai"
    assert set(routes.aliases) == set(SETTINGS.models)


@given(alias=st.one_of(st.sampled_from(sorted(SETTINGS.models)), st.text(max_size=20)), down=st.sets(st.text()))
def test_total_and_deterministic(alias: str, down: set[str]) -> None:
    view = View(catalog=CATALOG, down=frozenset(down))
    try:
        first = choose_route(Asked(alias=alias), UNKNOWN_TASK, view)
    except CallerFault as fault:
        assert fault.message
        return
    assert first == choose_route(Asked(alias=alias), UNKNOWN_TASK, view)
    assert first.candidates
    assert first.reason
    chosen = {candidate.target for candidate in first.candidates}
    assert chosen.isdisjoint(rejection.target for rejection in first.rejected)
    assert all(candidate.price is not None for candidate in first.candidates)


@given(
    st.lists(st.tuples(st.sampled_from(["local", "auto", "gpt-4o"]), st.sets(st.sampled_from(["t600", "openai"]))))
)
def test_a_plan_that_was_kept_is_the_one_that_would_be_chosen_now(asked: list[tuple[str, set[str]]]) -> None:
    down: set[str] = set()
    routes = Routes(CATALOG, lambda name: name not in down)
    for alias, now_down in asked:
        down.clear()
        down |= now_down
        assert routes.choose(alias) == choose_route(
            Asked(alias=alias), UNKNOWN_TASK, View(catalog=CATALOG, down=frozenset(down))
        )


def test_only_upstreams_of_the_alias_are_asked_after_once_its_plan_is_made() -> None:
    looked: list[str] = []
    routes = Routes(CATALOG, lambda name: not looked.append(name))  # type: ignore[func-returns-value]
    plan = routes.choose("local")
    looked.clear()
    assert routes.choose("local") is plan
    assert looked == ["t600"]
