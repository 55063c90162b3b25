"""Past requests under another policy: what is alike stays to the cent, what differs is estimated and told."""

from decimal import Decimal
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from lodestard.advice.past import Pace, Past, past_of
from lodestard.advice.replay import Known, Replay
from lodestard.advice.unknowns import say_unknowns
from lodestard.control.messages.advice import Move
from lodestard.domain.feedback import Cell
from lodestard.domain.routing_settings import Rule, When
from lodestard.domain.settings import Model, ModelPrice, Settings, Upstream
from lodestard.routing.catalog import Catalog, build_catalog

DAY_MS = 86_400_000
MONDAY_MS = 1_763_942_400_000  # 2025-11-24, midnight UTC
LOCAL, CODER, MINI, BIG = "t600/llama3.1:8b", "t600/deepseek-coder:6.7b", "openai/gpt-4o-mini", "openai/gpt-4o"
MODELS = {
    "auto": Model(route=(LOCAL, MINI, BIG), prefer="balanced"),
    "big": Model(route=(BIG,)),
    "chain": Model(route=(MINI, BIG)),
    "code": Model(route=(CODER,)),
    "local": Model(route=(LOCAL,)),
}
SETTINGS = Settings(
    upstreams={
        "t600": Upstream(dialect="ollama", url="http://127.0.0.1:1", free=True),
        "openai": Upstream(dialect="openai", url="https://api.example/v1"),
    },
    models=MODELS,
    prices={
        MINI: ModelPrice(input=Decimal("0.15"), output=Decimal("0.6"), cache_read=Decimal("0.075")),
        BIG: ModelPrice(input=Decimal("2.5"), output=Decimal(10)),
    },
)


def catalog(**changes: Any) -> Catalog:
    return build_catalog(replace(SETTINGS, **changes), frozenset({"ollama", "openai"}))


def a_past(**members: Any) -> Past:
    usual: dict[str, Any] = {
        "received_ms": MONDAY_MS,
        "alias": "big",
        "principal": "local",
        "project": "",
        "user": "",
        "session": "",
        "client": "",
        "task": "chat",
        "target": BIG,
        "cache": "bypass",
        "outcome": "ok",
        "attempts": 1,
        "prompt_tokens": 1_000,
        "completion_tokens": 100,
        "cost_nano_usd": 3_500_000,
        "total_us": 4_000_000,
    }
    return Past(**{**usual, **members})


def replayed(candidate: Catalog, *past: Past, known: Known | None = None) -> Replay:
    replay = Replay(catalog(), candidate, known or Known())
    for one in past:
        replay.add(one)
    return replay


PASTS = st.builds(
    a_past,
    received_ms=st.integers(MONDAY_MS, MONDAY_MS + 7 * DAY_MS),
    alias=st.sampled_from([*MODELS, "gone", "openai/gpt-4o"]),
    target=st.sampled_from([LOCAL, CODER, MINI, BIG, "old/model", ""]),
    task=st.sampled_from(["chat", "edit", "tools", "json", "architect", ""]),
    kind=st.sampled_from(["", "edit", "chat"]),
    hardness=st.none() | st.floats(0, 1),
    session=st.sampled_from(["", "a", "b"]),
    cache=st.sampled_from(["hit", "miss", "shared", "bypass"]),
    outcome=st.sampled_from(["ok", "ok", "upstream_error"]),
    attempts=st.integers(0, 3),
    prompt_tokens=st.integers(0, 200_000),
    completion_tokens=st.integers(0, 5_000),
    cost_nano_usd=st.integers(0, 10**9),
    labels=st.sampled_from([(), ("lan-only",)]),
)


@settings(max_examples=60, deadline=None)
@given(st.lists(PASTS, max_size=25))
def test_a_policy_against_itself_changes_nothing_to_the_cent(past: list[Past]) -> None:
    tally = replayed(catalog(), *past).tally
    assert (tally.changed, tally.refused, tally.moves()) == (0, 0, [])
    assert tally.candidate.figures() == tally.recorded.figures()
    assert tally.recorded.cost_nano_usd == sum(one.cost_nano_usd for one in past)
    assert tally.recorded.requests == len(past)


@settings(max_examples=60, deadline=None)
@given(st.lists(PASTS, max_size=25), st.sampled_from([("cheap",), ("best",), (None,)]))
def test_every_request_is_in_both_sums_once_whatever_the_candidate(past: list[Past], prefer: tuple[Any]) -> None:
    models = {"auto": Model(route=(BIG, CODER), prefer=prefer[0]), "big": Model(route=(MINI,))}
    rules = (Rule(when=When(days=("tue",), task=("edit",)), forbid=("openai/*",)),)
    tally = replayed(catalog(models=models, rules=rules), *past).tally
    assert tally.recorded.requests == tally.candidate.requests == tally.requests == len(past)
    assert tally.recorded.cost_nano_usd == sum(one.cost_nano_usd for one in past)
    moves = tally.moves()
    assert sum(move.requests for move in moves) == tally.changed
    assert sum(move.requests for move in moves if not move.target) == tally.refused
    less = sum(move.cost_nano_usd - move.new_cost_nano_usd for move in moves)
    assert tally.recorded.cost_nano_usd - tally.candidate.cost_nano_usd == less
    asked_on_t600_only = [one for one in past if "lan-only" in one.labels]
    alone = replayed(catalog(models=models, rules=rules), *asked_on_t600_only).tally
    assert all(not move.target or move.target.startswith("t600/") for move in alone.moves())


def test_what_goes_elsewhere_costs_its_recorded_tokens_there() -> None:
    tally = replayed(catalog(models={**MODELS, "big": Model(route=(MINI,))}), a_past(), a_past()).tally
    (move,) = tally.moves()
    assert move == Move(
        source=BIG, target=MINI, requests=2, cost_nano_usd=7_000_000, new_cost_nano_usd=2 * 210_000,
        quality=move.quality, new_quality=move.new_quality,
    )  # fmt: skip
    assert move.quality > move.new_quality > 0.5
    assert tally.candidate.cost_nano_usd == 420_000


def test_what_a_session_has_read_before_costs_its_cached_rate() -> None:
    candidate = catalog(models={**MODELS, "big": Model(route=(MINI,))})
    turns = [a_past(session="s", received_ms=MONDAY_MS + turn * 60_000) for turn in range(2)]
    warm = replayed(candidate, *turns).tally.candidate.cost_nano_usd
    assert warm == 210_000 + 210_000 - 1_000 * 75  # 75 pico-USD less for each of a thousand tokens
    late = [turns[0], replace(turns[1], received_ms=MONDAY_MS + DAY_MS)]
    assert replayed(candidate, *late).tally.candidate.cost_nano_usd == 420_000


def test_cache_hits_stay_hits_and_failures_stay_failures() -> None:
    candidate = catalog(models={**MODELS, "big": Model(route=(LOCAL,))})
    hit = a_past(cache="hit", attempts=0, cost_nano_usd=0)
    failed = a_past(outcome="upstream_error", target="", cost_nano_usd=9)
    refused = a_past(alias="gone", outcome="model_not_found", target="", attempts=0, cost_nano_usd=0)
    tally = replayed(candidate, hit, failed, refused).tally
    assert (tally.kept, tally.failed, tally.changed) == (1, 2, 0)
    assert tally.candidate.cost_nano_usd == tally.recorded.cost_nano_usd == 9


def test_an_alias_that_is_gone_is_a_refusal() -> None:
    models = {name: model for name, model in MODELS.items() if name != "big"}
    tally = replayed(catalog(models=models), a_past()).tally
    assert (tally.refused, tally.changed, tally.candidate.cost_nano_usd) == (1, 1, 0)
    assert [(move.source, move.target) for move in tally.moves()] == [(BIG, "")]


def test_swaps_are_counted_as_if_one_model_fitted() -> None:
    def here(target: str, alias: str) -> Past:
        return a_past(alias=alias, target=target, cost_nano_usd=0)

    past = [here(LOCAL, "local"), here(CODER, "code"), here(CODER, "code"), here(LOCAL, "local"), a_past()]
    one_model = catalog(models={**MODELS, "code": Model(route=(LOCAL,))})
    tally = replayed(one_model, *past).tally
    assert tally.recorded.figures().swaps == {"t600": 2}
    assert tally.candidate.figures().swaps == {"t600": 0}
    assert tally.recorded.figures().free_requests == 4


def test_waits_are_the_recorded_pace_of_the_other_model() -> None:
    known = Known(paces={MINI: Pace(first_s=2.0, tokens_per_s=50.0)})
    tally = replayed(catalog(models={**MODELS, "big": Model(route=(MINI,))}), a_past(), known=known).tally
    assert tally.recorded.figures().wait_s == 4.0
    assert tally.candidate.figures().wait_s == 2.0 + 100 / 50.0


def test_hours_and_days_are_of_the_ledgers_time_zone() -> None:
    night = catalog(rules=(Rule(when=When(hours="00:00-06:00", days=("mon",)), model="local"),))
    at_midnight = a_past(received_ms=MONDAY_MS)
    assert replayed(night, at_midnight).tally.changed == 1
    assert replayed(night, at_midnight, known=Known(timezone="America/New_York")).tally.changed == 0


def test_what_was_judged_moves_the_choice() -> None:
    auto = a_past(alias="auto", kind="edit", hardness=0.5, target=MINI)
    known = Known(judged={LOCAL: (Cell("edit", 0.5, 300.0, 0.0),)}, paces={LOCAL: Pace(0.5, 60.0)})
    replay = replayed(catalog(), auto, known=known)
    assert replay.tally.drifted == 1  # the running policy itself would choose the local one by now
    assert replay.tally.changed == 0


def test_an_unknown_hardness_is_that_kinds_usual_one() -> None:
    easy, hard = (
        replayed(catalog(), a_past(task="edit"), known=Known(hardness={"edit": hardness})).tally.recorded.figures()
        for hardness in (0.1, 0.9)
    )
    assert easy.quality > hard.quality


def test_what_can_not_be_known_is_said() -> None:
    rules = (Rule(name="secret", when=When(tag=("private",)), model="local"), Rule(when=When(images=True)))
    kept = a_past(hardness=0.3, cache="hit")
    replay = replayed(catalog(rules=rules), a_past(), a_past(hardness=0.3, kind="edit", target=MINI), kept)
    told = " ".join(say_unknowns(replay.tally, catalog(rules=rules).rules))
    assert "How hard 1 requests" in told
    assert "secret, rule 2" in told
    assert "1 requests were answered by another model" in told
    assert list(say_unknowns(replayed(catalog()).tally, catalog().rules)) == []


def test_rows_become_past_requests_with_what_their_trace_kept() -> None:
    row = (1, "auto", "local", "p", "u", "s", "aider", "edit", LOCAL, "miss", "ok", 1, 10, 20, 30, 40)
    found = past_of((*row, '[{"kind":"edit","hardness":0.25,"sure":1,"why":""},["lan-only"]]'))
    assert (found.kind, found.hardness, found.labels, found.total_us) == ("edit", 0.25, ("lan-only",), 40)
    bare = past_of((*row, "[]"))
    assert (bare.kind, bare.hardness, bare.labels) == ("", None, ())
    assert past_of((*row, "[null,null]")) == bare
