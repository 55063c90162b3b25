"""The weighed choice over many worlds: total, deterministic, never one that was ruled out, always with a reason."""

import random
from collections.abc import Callable
from decimal import Decimal
from typing import Any, get_args

import pytest

from lodestard.domain.choice import Asked, Figures
from lodestard.domain.errors import CallerFault, Code
from lodestard.domain.feedback import Cell
from lodestard.domain.request import Caller
from lodestard.domain.routing_settings import Day, Prefer, Routing, Rule, Traits, When
from lodestard.domain.settings import Model, ModelPrice, Settings, Upstream
from lodestard.domain.task import KINDS, Task
from lodestard.domain.upstream import LAN_ONLY, Candidate, Plan
from lodestard.routing.catalog import build_catalog
from lodestard.routing.choose import UNKNOWN_TASK, View, choose_route
from lodestard.routing.filters import find_hindrance

SPOKEN = frozenset({"ollama", "openai", "anthropic"})
UPSTREAMS = {
    "t600": Upstream(dialect="ollama", url="http://127.0.0.1:1", free=True),
    "nas": Upstream(dialect="ollama", url="http://ollama.example.com", free=True),
    "openai": Upstream(dialect="openai", url="https://api.example/v1"),
    "relay": Upstream(dialect="openai", url="http://127.0.0.1:3/v1", lan=False),
    "inhouse": Upstream(dialect="openai", url="http://10.0.0.3/v1"),
    "odd": Upstream(dialect="gemini", url="https://g.example"),
}
TARGETS = (
    "t600/llama3.1:8b", "t600/deepseek-coder:6.7b", "t600/gpt-oss:120b-cloud", "nas/qwen2.5:7b", "openai/gpt-4o",
    "openai/gpt-4o-mini", "openai/unpriced", "relay/claude-sonnet-4-5", "inhouse/mistral-large", "odd/gemini-pro",
)  # fmt: skip
PRICED = ("openai/gpt-4o", "openai/gpt-4o-mini", "relay/claude-sonnet-4-5", "inhouse/mistral-large")
INSIDE = {"t600/llama3.1:8b", "t600/deepseek-coder:6.7b", "inhouse/mistral-large"}
SORTS = ("free", "paid", "lan", "openai/*", "t600/*", "*mini", "nobody/*")


def a_rule(luck: random.Random) -> Rule:
    maybe: Callable[[Any, Any], Any] = lambda value, none: value if luck.random() < 0.25 else none  # noqa: E731
    when = When(
        alias=maybe(("a*",), ()),
        tag=maybe(("private",), ()),
        client=maybe(("aider", "c*"), ()),
        task=maybe(tuple(luck.sample(KINDS, 3)), ()),
        min_prompt_tokens=maybe(luck.randrange(1, 50_000), None),
        max_hardness=maybe(luck.random(), None),
        images=maybe(luck.random() < 0.5, None),
        hours=maybe("22:00-06:00", ""),
        days=maybe(("sat", "sun"), ()),
        matches=maybe(r"fix|bug", ""),
    )
    return Rule(
        priority=luck.randrange(-2, 3),
        when=when,
        model=maybe(luck.choice(("a", "b", "openai/gpt-4o")), ""),
        prefer=maybe(luck.choice(get_args(Prefer)), None),
        require=maybe(tuple(luck.sample(SORTS, 2)), ()),
        forbid=maybe((luck.choice(SORTS),), ()),
        labels=maybe((LAN_ONLY,), ()),
        last=luck.random() < 0.1,
    )


def a_world(luck: random.Random) -> View:
    def routes() -> Model:
        prefer = luck.choice((None, *get_args(Prefer)))
        return Model(route=tuple(luck.sample(TARGETS, luck.randrange(1, 7))), prefer=prefer)

    traits = {name: Traits(images=luck.random() < 0.5, tools=luck.random() < 0.7) for name in luck.sample(TARGETS, 2)}
    settings = Settings(
        upstreams=UPSTREAMS,
        models={"a": routes(), "b": routes()},
        prices={
            name: ModelPrice(
                input=Decimal(luck.randrange(1, 900)) / 100,
                output=Decimal(luck.randrange(1, 3_000)) / 100,
                context_tokens=luck.choice((None, 8_000, 128_000)),
            )
            for name in PRICED
        },
        rules=tuple([a_rule(luck) for _ in range(luck.randrange(6))]),
        routing=Routing(match=luck.choice(("all", "first"))),
        traits=traits,
    )
    down = frozenset(name for name in UPSTREAMS if luck.random() < 0.2)
    seed = luck.random()

    def figures_of(candidate: Candidate) -> Figures:
        own = random.Random(f"{seed}{candidate.target}")
        return Figures(
            wait_s=own.choice((None, own.uniform(0, 300))),
            first_s=own.choice((None, own.uniform(0, 9))),
            tokens_per_s=own.choice((None, own.uniform(1, 200))),
            cells=(Cell(own.choice(KINDS), own.random(), own.uniform(0, 50), own.uniform(0, 50)),),
            cached_tokens=own.choice((0, own.randrange(200_000))),
            last=own.random() < 0.2,
            no_room=own.choice(("", "", "no budget has room for it")),
        )

    return View(catalog=build_catalog(settings, SPOKEN), down=down, figures_of=figures_of)


def a_request(luck: random.Random) -> Asked:
    return Asked(
        alias=luck.choice(("a", "b", "openai/gpt-4o")),
        caller=Caller(
            client=luck.choice(("", "aider", "cline")),
            tags=luck.choice(((), ("private",))),
            prefer=luck.choice(("", "", "fast", "nonsense")),
        ),
        prompt_tokens=luck.choice((0, 500, 20_000, 150_000)),
        output_tokens=luck.choice((None, 1, 4_000)),
        images=luck.random() < 0.2,
        tools=luck.random() < 0.3,
        text=luck.choice(("", "please fix the bug", "hello")),
        minute=luck.randrange(1_440),
        day=luck.choice(get_args(Day)),
        labels=luck.choice((frozenset(), frozenset({LAN_ONLY}))),
    )


def look(plan: Plan, asked: Asked, view: View) -> None:
    chosen = [str(candidate.target) for candidate in plan.candidates]
    refused = {str(rejection.target) for rejection in plan.rejected}
    assert chosen
    assert not refused & set(chosen)
    assert plan.reason
    assert plan.reason.isprintable()
    assert all(rejection.reason for rejection in plan.rejected)
    ups = [candidate.up for candidate in plan.candidates]
    assert ups == sorted(ups, reverse=True)
    if plan.prefer:
        assert all(candidate.merit is not None for candidate in plan.candidates)
    if plan.lan_only or LAN_ONLY in asked.labels:
        assert plan.lan_only
        assert set(chosen) <= INSIDE
    for candidate in plan.candidates:
        offer = view.catalog.offer(candidate.target)
        assert offer is not None
        assert not find_hindrance(offer, view.catalog)
        if len(chosen) + len(refused) > 1:
            assert not (asked.images and offer.takes_images is False)
            assert not (asked.tools and not offer.takes_tools)
            assert offer.context_tokens is None or asked.prompt_tokens <= offer.context_tokens


@pytest.mark.repeats
def test_ten_thousand_choices() -> None:
    luck, refusals, preferred, fenced = random.Random(20_261_126), 0, 0, 0
    for _ in range(500):
        view = a_world(luck)
        for _ in range(20):
            asked = a_request(luck)
            task = Task(kind=luck.choice(KINDS), hardness=luck.random())
            try:
                plan = choose_route(asked, task, view)
            except CallerFault as fault:
                refusals += 1
                assert fault.code in (Code.NOT_SUPPORTED, Code.PRICE_UNKNOWN)
                assert fault.message
                continue
            assert choose_route(asked, task, view) == plan
            look(plan, asked, view)
            preferred += bool(plan.prefer)
            fenced += plan.lan_only
    assert refusals < 6_000
    assert preferred > 1_000
    assert fenced > 500


def settle(asked: Asked, task: Task = UNKNOWN_TASK, **figures: Figures) -> Plan:
    settings = Settings(
        upstreams=UPSTREAMS,
        models={"auto": Model(route=("t600/llama3.1:8b", "openai/gpt-4o-mini", "openai/gpt-4o"), prefer="cheap")},
        prices={
            "openai/gpt-4o": ModelPrice(input=Decimal("2.5"), output=Decimal(10), cache_read=Decimal("0.25")),
            "openai/gpt-4o-mini": ModelPrice(input=Decimal("0.15"), output=Decimal("0.6")),
        },
    )
    view = View(
        catalog=build_catalog(settings, SPOKEN),
        figures_of=lambda candidate: figures.get(candidate.target.upstream, Figures()),
    )
    return choose_route(asked, task, view)


def first(plan: Plan) -> str:
    return str(plan.candidates[0].target)


def test_easy_work_is_done_for_nothing_and_hard_work_where_it_is_worth_it() -> None:
    asked = Asked(alias="auto", prompt_tokens=500)
    assert first(settle(asked, Task(kind="commit", hardness=0.2))) == "t600/llama3.1:8b"
    best = Asked(alias="auto", prompt_tokens=500, caller=Caller(prefer="best"))
    assert first(settle(best, Task(kind="debug", hardness=0.8))) == "openai/gpt-4o"


def test_the_reason_tells_the_task_and_the_figures() -> None:
    plan = settle(Asked(alias="auto", prompt_tokens=500), Task(kind="commit", hardness=0.2))
    assert plan.reason.startswith("auto: easy commit; t600/llama3.1:8b likely good (0.95")
    assert "free" in plan.reason
    assert "rather than openai/gpt-4o (" in plan.reason


def test_a_busy_card_sends_who_is_in_a_hurry_elsewhere() -> None:
    asked = Asked(alias="auto", prompt_tokens=500, caller=Caller(prefer="fast"))
    easy = Task(kind="chat", hardness=0.2)
    assert first(settle(asked, easy, t600=Figures(wait_s=90.0))) == "openai/gpt-4o-mini"
    assert first(settle(Asked(alias="auto"), easy, t600=Figures(wait_s=5.0))) == "t600/llama3.1:8b"


def test_a_budget_without_room_puts_paid_ones_last() -> None:
    hard = Task(kind="debug", hardness=0.95)
    asked = Asked(alias="auto", caller=Caller(prefer="best"))
    plan = settle(asked, hard, openai=Figures(no_room="no budget has room for it"))
    assert first(plan) == "t600/llama3.1:8b"
    assert plan.candidates[-1].merit is not None
    assert plan.candidates[-1].merit.note == "no budget has room for it"


@pytest.mark.parametrize("alias", ["auto", "openai/gpt-4o"])
def test_a_lan_only_request_that_nobody_inside_may_answer_is_refused(alias: str) -> None:
    settings = Settings(upstreams=UPSTREAMS, models={"auto": Model(route=("openai/gpt-4o", "nas/qwen2.5:7b"))})
    view = View(catalog=build_catalog(settings, SPOKEN))
    with pytest.raises(CallerFault) as caught:
        choose_route(Asked(alias=alias, labels=frozenset({LAN_ONLY})), UNKNOWN_TASK, view)
    assert caught.value.code is Code.NOT_SUPPORTED
    assert "lan-only" in caught.value.message
