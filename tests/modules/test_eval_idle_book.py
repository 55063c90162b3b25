"""What the module eval_idle remembers and decides: verdicts, bounds, and when it may work on what."""

from collections.abc import Sequence
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lodestard.domain.quotes import PaidRequest
from lodestard.domain.residency import HostState, ModelState, PlaceState, Step
from lodestard.domain.upstream import Candidate, Target
from lodestard.modules.eval_idle import book as room
from lodestard.modules.eval_idle.book import Book, Result, Saved, interval, read_book, weigh, write_book
from lodestard.modules.eval_idle.plan import (
    Moment,
    choose_replay,
    is_fit,
    is_within,
    local_models,
    order_models,
    why_not,
)
from lodestard.modules.eval_idle.settings import EvalIdleSettings, read_hours

LLAMA, CODER = Target("t600", "llama3.1:8b"), Target("t600", "deepseek-coder:6.7b")
PAID = Target("openai", "gpt-4o-mini")
SETTINGS = EvalIdleSettings(enabled=True)


def result(score: float = 1.0, kind: str = "edit", **members: float) -> Result:
    return Result(int(members.pop("at_ms", 1)), kind, score, str(PAID), **members)  # type: ignore[arg-type]


def request(number: int, task: str = "edit", **members: Any) -> PaidRequest:
    return msgspec.convert(
        {"id": f"req_{number:04}", "received_ms": number, "target": PAID, "task": task, **members}, PaidRequest
    )


def host(
    step: Step = "idle", resident: Sequence[str] = (), *, places: int = 0, missing: Sequence[str] = ()
) -> HostState:
    models = [ModelState(model=name, resident=True) for name in resident]
    models += [ModelState(model=name, missing=True) for name in missing]
    place = PlaceState(request_id="r", model="m", state="running", rank="interactive", for_s=0)
    return HostState(host="t600", step=step, models=tuple(models), places=(place,) * places)


# -- what verdicts come to -------------------------------------------------------------------------------------------


def test_verdicts_are_weighed_by_what_they_can_say() -> None:
    evidence = weigh(
        [result(1.0, seconds=1), result(0.0, "text", seconds=3), result(0.5, "text", at_ms=9, seconds=9)]
    )
    assert evidence is not None
    assert evidence.quality == pytest.approx((1 + 0.25 * 0.5) / 1.5)
    assert (evidence.count, evidence.good) == (3, 1)
    assert evidence.weak_share == pytest.approx(2 / 3)
    assert (evidence.seconds, evidence.at_ms) == (3, 9)
    assert weigh([]) is None


def test_weak_evidence_is_wider_than_strong() -> None:
    strong, weak = weigh([result()] * 10), weigh([result(1.0, "text")] * 10)
    assert strong is not None
    assert weak is not None
    assert weak.low < strong.low < strong.quality == strong.high == 1
    assert strong.low > 0.85


@given(st.floats(0, 1), st.floats(0.25, 1000))
def test_an_interval_holds_its_mean_and_narrows(mean: float, count: float) -> None:
    low, high = interval(mean, count)
    assert 0 <= low <= mean <= high <= 1
    narrower = interval(mean, count * 2)
    assert narrower[1] - narrower[0] < high - low


def test_an_interval_is_wilson_s() -> None:
    assert list(interval(0.9, 20, z=1.959964)) == pytest.approx([0.698966, 0.972134], abs=1e-6)


def contents(book: Book) -> Saved:
    """What is in it, whatever its order."""
    saved = book.snapshot()
    return msgspec.structs.replace(saved, done={name: tuple(sorted(ids)) for name, ids in saved.done.items()})


# -- what is remembered ----------------------------------------------------------------------------------------------


def test_a_book_is_read_as_it_was_saved() -> None:
    book = Book()
    book.turn("2026-11-26")
    book.add("req_1", ("edit", LLAMA), result(0.8, seconds=2.5))
    book.add("req_2", ("edit", LLAMA), result(0.2))
    book.add_unfit("req_3", ("", CODER))
    book.add_failed("req_4", ("", CODER))
    book.skip("req_5", CODER)
    again = read_book(write_book(book.snapshot()))
    assert contents(again) == contents(book)
    assert (again.day, again.today, again.pairs) == ("2026-11-26", 4, book.pairs)
    assert [again.is_done(f"req_{number}", LLAMA) for number in range(1, 6)] == [True, True, False, False, False]
    assert [again.is_done(f"req_{number}", CODER) for number in range(1, 6)] == [False, False, True, True, True]
    assert again.evidence("edit", LLAMA) == book.evidence("edit", LLAMA) != None  # noqa: E711
    assert again.evidence("", CODER) is None
    assert (again.judged("edit", LLAMA), again.judged_in_all(LLAMA), again.judged_in_all(CODER)) == (2, 2, 0)
    again.turn("2026-11-27")
    assert again.today == 0


@pytest.mark.parametrize(
    "data", [b"", b"{", b"[]", b'{"form":2}', b'{"pairs":[{"task":1}]}', b'{"pairs":[{"task":"t","model":"m"}]}']
)
def test_what_is_no_book_is_a_value_error(data: bytes) -> None:
    with pytest.raises(ValueError):
        read_book(data)


@given(st.lists(st.integers(0, 60), max_size=80))
def test_what_is_done_stays_done_and_the_book_stays_small(numbers: list[int]) -> None:
    with pytest.MonkeyPatch.context() as patch:
        for name, most in (("MOST_DONE", 6), ("MOST_PAIRS", 3), ("RECENT", 4)):
            patch.setattr(room, name, most)
        book = Book()
        for number in numbers:
            task = f"task {number % 5}"
            book.add(f"req_{number:04}", (task, LLAMA), result())
            assert book.is_done(f"req_{number:04}", LLAMA)
        book = read_book(write_book(book.snapshot()))
        assert all(book.is_done(f"req_{number:04}", LLAMA) for number in numbers)
        assert not book.is_done("req_9999", LLAMA)
        saved = book.snapshot()
        assert len(saved.done.get(str(LLAMA), ())) <= 6
        assert len(saved.pairs) <= 3
        assert all(len(pair.results) <= 4 for pair in saved.pairs)


def test_the_last_hundred_verdicts_speak() -> None:
    book = Book()
    for number in range(150):
        book.add(f"req_{number:04}", ("", LLAMA), result(float(number >= 50)))
    evidence = book.evidence("", LLAMA)
    assert evidence is not None
    assert (evidence.count, evidence.quality, book.judged("", LLAMA)) == (100, 1.0, 150)


def test_the_pair_that_was_seen_last_stays() -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(room, "MOST_PAIRS", 2)
        book = Book()
        for number, task in enumerate(("a", "b", "a", "c")):
            book.add(f"req_{number}", (task, LLAMA), result())
        assert [pair.task for pair in book.pairs] == ["a", "c"]
        assert book.evidence("b", LLAMA) is None


# -- when and what ---------------------------------------------------------------------------------------------------

READY = Moment(store_text=True, looked_after=True, minute=0, quiet_for_s=500, models=(LLAMA,), hosts={"t600": host()})


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({}, ""),
        ({"store_text": False}, "ledger.store_text is off"),
        ({"looked_after": False}, "residency.enabled is off"),
        ({"models": ()}, "there is no free model on a card"),
        ({"today": 200}, "today's 200 replays are done"),
        ({"open_requests": 1}, "requests are under way"),
        ({"quiet_for_s": 119.6}, "quiet for 120 of 120 s"),
        ({"pause_s": 12.0}, "again in 12 s"),
        ({"pause_s": -1.0}, ""),
        ({"hosts": {"t600": host("loading")}}, "t600 is loading"),
        ({"hosts": {"t600": host(places=1)}}, "t600 is asked for something"),
        ({"hosts": {"t600": host("paused"), "other": host()}}, ""),
    ],
)
def test_nothing_is_replayed_without_a_good_reason_not_to(change: dict[str, object], reason: str) -> None:
    said = why_not(msgspec.structs.replace(READY, **change), SETTINGS)
    assert said == reason or (reason and reason in said)


def test_only_some_hours_may_be_used() -> None:
    night = EvalIdleSettings(hours="22:00-07:00")
    assert why_not(msgspec.structs.replace(READY, minute=6 * 60 + 59), night) == ""
    assert why_not(msgspec.structs.replace(READY, minute=7 * 60), night) == "it is not within 22:00-07:00"
    assert is_within(23 * 60, (22 * 60, 7 * 60))
    assert not is_within(12 * 60, (22 * 60, 7 * 60))
    assert is_within(12 * 60, (9 * 60, 17 * 60))
    assert not is_within(17 * 60, (9 * 60, 17 * 60))
    assert is_within(0, None)


@pytest.mark.parametrize("text", ["22-07", "24:00-01:00", "9:00-10:00", "10:60-11:00", "always"])
def test_hours_that_are_none_are_refused(text: str) -> None:
    assert read_hours(text) is None
    with pytest.raises(ValueError, match="hours"):
        EvalIdleSettings(hours=text)


def test_models_are_targets() -> None:
    with pytest.raises(ValueError, match="models"):
        EvalIdleSettings(models=("llama3.1:8b",))


def candidate(target: Target, *, free: bool = True, up: bool = True) -> Candidate:
    return Candidate(target=target, dialect="ollama", price=None, free=free, up=up)


def test_local_models_are_free_up_on_a_card_there_and_wanted() -> None:
    elsewhere = Target("other", "m")
    free = [candidate(LLAMA), candidate(CODER), candidate(elsewhere)]
    assert local_models(free, {"t600": host()}, SETTINGS) == (LLAMA, CODER)
    assert local_models(free, {"t600": host(missing=[CODER.model])}, SETTINGS) == (LLAMA,)
    assert local_models(free, {"t600": host()}, EvalIdleSettings(models=(str(CODER),))) == (CODER,)
    assert local_models([candidate(LLAMA, up=False), candidate(CODER, free=False)], {"t600": host()}, SETTINGS) == ()


def test_the_model_on_the_card_comes_first_but_not_for_ever() -> None:
    book, hosts = Book(), {"t600": host(resident=[CODER.model])}
    both = (LLAMA, CODER)
    assert order_models(both, hosts, book) == [CODER, LLAMA]
    for number in range(21):
        book.add(f"req_{number:04}", ("", CODER), result())
    assert order_models(both, hosts, book) == [LLAMA, CODER]
    assert order_models(both, {"t600": host("loading")}, book) == []


def test_what_least_is_known_of_is_replayed_first_and_the_newest_of_it() -> None:
    book = Book()
    requests = [request(9), request(8, "commit"), request(7, "commit"), request(6)]
    first = choose_replay(requests, (LLAMA, CODER), book)
    assert first is not None
    assert (first.request.id, first.target) == ("req_0009", LLAMA)
    book.add("req_0009", ("edit", LLAMA), result())
    second = choose_replay(requests, (LLAMA, CODER), book)
    assert second is not None
    assert second.request.id == "req_0008"
    assert choose_replay([], (LLAMA,), book) is None


def test_everything_is_replayed_once_with_each_model() -> None:
    book, seen = Book(), []
    requests = [request(number, f"task {number % 3}") for number in range(9, 0, -1)]
    while (replay := choose_replay(requests, (LLAMA, CODER), book)) is not None:
        seen.append((replay.request.id, replay.target))
        book.add(replay.request.id, (replay.request.task, replay.target), result())
    assert len(seen) == len(set(seen)) == 18


@pytest.mark.parametrize(
    ("members", "fit"),
    [
        ({}, True),
        ({"project": "secret"}, False),
        ({"prompt_tokens": 6_001}, False),
        ({"answer_tokens": 1_501}, False),
    ],
)
def test_what_is_private_or_too_long_is_left_alone(members: dict[str, Any], fit: bool) -> None:
    assert is_fit(request(1, **members), EvalIdleSettings(skip_projects=("secret",))) is fit
