"""The choice among any targets: as if all of them stood in one route."""

from decimal import Decimal

import pytest

from lodestard.domain.choice import Among, Asked, Figures
from lodestard.domain.errors import CallerFault
from lodestard.domain.feedback import Cell
from lodestard.domain.routing_settings import Rule, When
from lodestard.domain.settings import Model, ModelPrice, Settings, Upstream
from lodestard.domain.task import Task
from lodestard.domain.upstream import LAN_ONLY, Candidate, Target
from lodestard.routing.among import choose_among, list_targets
from lodestard.routing.catalog import build_catalog
from lodestard.routing.choose import View, choose_route

CHEAP, STRONG, LOCAL, VECTORS = (
    Target.parse(name)
    for name in ("openai/gpt-4o-mini", "openai/gpt-4o", "t600/llama3.1:8b", "t600/nomic-embed-text")
)
TASK = Task(kind="edit", hardness=0.5)


def a_view(*rules: Rule) -> View:
    settings = Settings(
        upstreams={
            "t600": Upstream(dialect="ollama", url="http://127.0.0.1:1", free=True),
            "openai": Upstream(dialect="openai", url="https://api.example/v1"),
        },
        models={
            "auto": Model(route=(str(LOCAL), str(CHEAP)), prefer="balanced"),
            "all": Model(route=(str(LOCAL), str(CHEAP), str(STRONG)), prefer="balanced"),
            "strong": Model(route=(str(STRONG),)),
            "vectors": Model(route=(str(VECTORS),)),
        },
        prices={
            str(CHEAP): ModelPrice(input=Decimal("0.15"), output=Decimal("0.6")),
            str(STRONG): ModelPrice(input=Decimal("2.5"), output=Decimal(10)),
        },
        rules=rules,
    )
    return View(catalog=build_catalog(settings, frozenset({"ollama", "openai"})))


def test_every_chat_target_of_every_alias_is_listed_once_and_no_embedder() -> None:
    assert list_targets(a_view().catalog) == (LOCAL, CHEAP, STRONG)


def test_it_is_the_choice_that_an_alias_with_all_of_them_would_get() -> None:
    view = a_view()
    among = choose_among(Among([LOCAL, CHEAP, STRONG], "balanced"), Asked(alias="auto"), TASK, view)
    routed = choose_route(Asked(alias="all"), TASK, view)
    assert among.candidates == routed.candidates
    assert among.prefer == "balanced"


def test_among_none_nobody_is_chosen() -> None:
    with pytest.raises(CallerFault, match="No model that can chat is configured"):
        choose_among(Among((), "balanced"), Asked(alias="auto"), TASK, a_view())


def test_a_rule_that_sends_elsewhere_has_no_say_but_one_that_forbids_has() -> None:
    elsewhere = Rule(name="up", model="strong")
    never = Rule(name="not paid", when=When(alias=("auto",)), forbid=("paid",))
    plan = choose_among(Among([CHEAP, STRONG, LOCAL], "best"), Asked(alias="auto"), TASK, a_view(elsewhere, never))
    assert [each.target for each in plan.candidates] == [LOCAL]
    assert {each.target for each in plan.rejected} == {CHEAP, STRONG}
    assert plan.rules == ("up", "not paid")


def test_what_is_lan_only_stays_there_whatever_is_asked_about() -> None:
    asked = Asked(alias="auto", labels=frozenset((LAN_ONLY,)))
    assert [
        each.target for each in choose_among(Among([STRONG, LOCAL], "best"), asked, TASK, a_view()).candidates
    ] == [LOCAL]
    with pytest.raises(CallerFault, match="lan-only"):
        choose_among(Among([STRONG, CHEAP], "best"), asked, TASK, a_view())


def test_what_was_seen_moves_the_choice() -> None:
    cells = (Cell(TASK.kind, 0.5, 200.0, 0.0),)

    def seen(candidate: Candidate) -> Figures:
        return Figures(cells=cells, first_s=0.5, tokens_per_s=50.0) if candidate.target == LOCAL else Figures()

    view = a_view()
    without = choose_among(Among([LOCAL, CHEAP], "balanced"), Asked(alias="auto"), TASK, view)
    told = View(catalog=view.catalog, figures_of=seen)
    plan = choose_among(Among([LOCAL, CHEAP], "balanced"), Asked(alias="auto"), TASK, told)
    assert (without.candidates[0].target, plan.candidates[0].target) == (CHEAP, LOCAL)
