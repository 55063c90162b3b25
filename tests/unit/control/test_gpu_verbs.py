"""What is on the cards, and what they are told, over an owner that does it at once."""

from typing import Any

import msgspec
import pytest
import trio
from trio.testing import MockClock

from lodestard.control.arguments import read_arguments
from lodestard.control.messages.gpu import PullItem, UnloadItem, WarmItem
from lodestard.control.verbs import core_verbs
from lodestard.control.verbs.gpu_hosts import per_second, say_host, say_model
from lodestard.control.verbs.models import read_places
from lodestard.control.verbs.pulling import Meter, find_pulled
from lodestard.control.verbs.warming import count_ahead, read_progress, tell_while
from lodestard.domain.errors import CallerFault, Code, Fault, UpstreamFault
from lodestard.domain.residency import Figure, ModelState, PullProgress
from lodestard.domain.telemetry import Telemetry
from lodestard.domain.upstream import Target
from tests.fakes import gpu_samples as samples
from tests.fakes.control_desk import NOW_MS, SETTINGS, FakeDesk, make_runtime
from tests.fakes.residency_desk import FakeResidency

LLAMA, DEEPSEEK = Target("t600", samples.LLAMA), Target("t600", samples.DEEPSEEK)
HOUR_MS = 3_600_000


@pytest.fixture
def residency() -> FakeResidency:
    return FakeResidency({"t600": samples.SERVING})


@pytest.fixture
def desk(residency: FakeResidency) -> FakeDesk:
    return FakeDesk(make_runtime(SETTINGS), residency=residency)


async def call(desk: FakeDesk, name: str, /, **arguments: Any) -> Any:
    verb = core_verbs(desk)[name]
    assert verb.answer is not None
    answer = await verb.answer(read_arguments(verb, msgspec.json.encode(arguments)))
    return msgspec.json.decode(msgspec.json.encode(answer), type=type(answer))


async def gather(desk: FakeDesk, name: str, items: list[Any], /, **arguments: Any) -> list[Any]:
    verb = core_verbs(desk)[name]
    assert verb.stream is not None

    async def emit(item: object) -> None:
        items.append(item)

    await verb.stream(read_arguments(verb, msgspec.json.encode(arguments)), emit)
    return items


# looking


async def test_a_host_is_told_as_its_owner_and_its_card_say(desk: FakeDesk) -> None:
    with desk.runtime.hooks.telemetry.provide(lambda host: samples.READING if host == "t600" else None):
        report = await call(desk, "gpu")
    (host,) = report.hosts
    assert report.at_ms == NOW_MS
    assert (host.step, host.step_model, host.reason) == ("serving", samples.LLAMA, samples.SERVING.reason)
    assert (host.counts.swaps, host.errors.within_percent, host.next_percent) == (12, 82, 72)
    assert [swap.left for swap in host.swaps] == ["", samples.LLAMA, samples.DEEPSEEK]
    llama = host.models[1]
    assert llama.options == {"num_ctx": 4_096}
    assert llama.wait == msgspec.convert(samples.LLAMA_MODEL.wait, type(llama.wait), from_attributes=True)
    assert llama.load_s.value == 3.912
    assert llama.prefill_tokens_per_s.value == pytest.approx(312.4)
    assert (llama.decode_tokens_per_s.low, llama.decode_tokens_per_s.high) == pytest.approx((11.9, 14.2))
    assert (host.reading.temperature_c, host.reading.findings[0].code) == (61.2, "model_spill")
    assert host.reading.energy.cost == "0.0199712"


async def test_a_host_whose_card_nobody_reads(desk: FakeDesk) -> None:
    (host,) = (await call(desk, "gpu", host="t600")).hosts
    assert host.reading is None
    bare = say_model(ModelState(model="m"))
    assert (bare.load_s, bare.prefill_tokens_per_s, bare.wait) == (None, None, None)
    assert per_second(Figure(0.0, 0.0, 1.0)) is None


async def test_the_queue_stands_in_the_order_in_which_it_is_expected_to_begin(desk: FakeDesk) -> None:
    (queue,) = (await call(desk, "gpu.queue")).hosts
    told = [(place.state, place.expected_s) for place in queue.places]
    assert told == [("running", 4.2), ("waiting", 8.7), ("waiting", 31.0), ("waiting", None)]
    assert queue.reason == samples.SERVING.reason


@pytest.mark.parametrize("verb", ["gpu", "gpu.queue"])
async def test_a_host_that_is_not_there(desk: FakeDesk, verb: str) -> None:
    with pytest.raises(CallerFault) as caught:
        await call(desk, verb, host="t60")
    assert (caught.value.code, caught.value.param) == (Code.INVALID_REQUEST, "host")
    assert "Did you mean 't600'?" in caught.value.message


@pytest.mark.parametrize("hosts", [None, {}])
@pytest.mark.parametrize("verb", ["gpu", "gpu.queue", "gpu.pause", "gpu.resume"])
async def test_where_nobody_looks_after_a_card_it_is_said_so(hosts: dict[str, Any] | None, verb: str) -> None:
    nobody = None if hosts is None else FakeResidency(hosts)
    with pytest.raises(CallerFault) as caught:
        await call(FakeDesk(make_runtime(SETTINGS), residency=nobody), verb)
    assert caught.value.code == Code.NOT_FOUND
    assert "[residency]" in caught.value.message


def test_a_newer_owner_s_words_are_told_as_they_are() -> None:
    odd = msgspec.structs.replace(samples.SERVING, step="dreaming")
    card = Telemetry(source="tea leaves", state="ok")  # type: ignore[arg-type]
    told = say_host(odd, card)
    assert told.reading is not None
    assert (told.step, told.reading.source) == ("dreaming", "tea leaves")


# pins and loans


async def test_a_model_is_pinned_and_unpinned(desk: FakeDesk, residency: FakeResidency) -> None:
    assert (await call(desk, "gpu.pin", model=samples.LLAMA)).pinned == "kept"
    assert (await call(desk, "gpu.pin", model=f"t600/{samples.LLAMA}", exclusive=True)).pinned == "exclusive"
    assert not (await call(desk, "gpu.unpin", model=samples.LLAMA)).changed
    assert residency.told == [("pin", LLAMA), ("pin exclusive", LLAMA), ("unpin", LLAMA)]
    with pytest.raises(CallerFault, match=r"Did you mean 'llama3\.1:8b'"):
        await call(desk, "gpu.pin", model="llama3.1")


async def test_a_card_is_lent_and_taken_back(desk: FakeDesk, residency: FakeResidency) -> None:
    lent = await call(desk, "gpu.pause", **{"for": "2h"})
    assert (lent.host, lent.lent, lent.until_ms) == ("t600", True, NOW_MS + 2 * HOUR_MS)
    assert (await call(desk, "gpu.pause", host="t600")).until_ms is None
    assert not (await call(desk, "gpu.resume")).changed
    residency.states["t600"] = samples.LENT
    assert (await call(desk, "gpu.resume", host="t600")).changed
    assert residency.told[:2] == [("pause t600", NOW_MS + 2 * HOUR_MS), ("pause t600", None)]
    for words in ("0m", "long"):
        with pytest.raises(CallerFault) as caught:
            await call(desk, "gpu.pause", **{"for": words})
        assert caught.value.param == "for"


async def test_of_several_hosts_one_must_be_named(desk: FakeDesk, residency: FakeResidency) -> None:
    residency.states["gamer"] = samples.DOWN
    for verb in ("gpu.pause", "gpu.resume"):
        with pytest.raises(CallerFault, match="Which host\\? Say one of t600, gamer"):
            await call(desk, verb)
    with pytest.raises(CallerFault, match="The hosts: t600, gamer"):
        await call(desk, "gpu.pause", host="x")
    assert [host.host for host in (await call(desk, "gpu")).hosts] == ["t600", "gamer"]
    assert residency.told == []


# loads


async def test_a_load_is_told_as_it_goes(desk: FakeDesk, residency: FakeResidency, autojump_clock: MockClock) -> None:
    residency.takes_s = 1.1
    items: list[WarmItem] = []

    async def go_on() -> None:
        await trio.sleep(0.6)
        residency.states["t600"] = samples.LOADING

    async with trio.open_nursery() as nursery:
        nursery.start_soon(go_on)
        await gather(desk, "warm", items, model=samples.DEEPSEEK)
    *under_way, last = items
    assert [item.state for item in under_way] == ["waiting", "waiting", "loading", "loading"]
    assert (under_way[0].ahead, under_way[0].left_s, under_way[0].for_s) == (1, 12.4, 0.25)
    assert (under_way[-1].left_s, under_way[-1].for_s) == (1.6, 2.6)
    assert (last.state, last.took_s, last.was_loaded) == ("ready", 1.1, False)


async def test_what_is_there_at_once_is_not_told_of_before(desk: FakeDesk, autojump_clock: MockClock) -> None:
    (only,) = await gather(desk, "warm", [], model=samples.LLAMA)
    assert (only.state, only.was_loaded, only.host) == ("ready", True, "t600")


async def test_a_model_that_is_missing_can_be_downloaded(desk: FakeDesk, residency: FakeResidency) -> None:
    residency.fault = UpstreamFault(Code.UPSTREAM_MODEL_MISSING, "model 'x' not found")
    with pytest.raises(UpstreamFault, match=f"lodestarctl models pull t600/{samples.DEEPSEEK}") as caught:
        await gather(desk, "warm", [], model=samples.DEEPSEEK)
    assert caught.value.code == Code.UPSTREAM_MODEL_MISSING
    residency.fault = UpstreamFault(Code.UPSTREAM_BUSY, "The card of t600 is lent.")
    with pytest.raises(UpstreamFault, match="is lent"):
        await gather(desk, "warm", [], model=samples.DEEPSEEK)


async def test_whoever_leaves_a_load_is_no_longer_waited_for(
    desk: FakeDesk, residency: FakeResidency, autojump_clock: MockClock
) -> None:
    residency.takes_s = 10
    items: list[WarmItem] = []
    with trio.move_on_after(1):
        await gather(desk, "warm", items, model=samples.DEEPSEEK)
    assert residency.told == [("warm cancelled", DEEPSEEK)]
    assert len(items) == 3


@pytest.mark.parametrize(
    ("state", "told", "other"),
    [
        ({"step": "draining", "step_model": samples.LLAMA}, "draining", samples.LLAMA),
        ({"step": "unloading", "step_model": samples.LLAMA}, "unloading", samples.LLAMA),
        ({"step": "unloading", "step_model": samples.DEEPSEEK}, "waiting", ""),
        ({"step": "loading", "step_model": samples.LLAMA}, "waiting", ""),
        ({"step": "paused"}, "waiting", ""),
        ({"models": ()}, "waiting", ""),
    ],
)
def test_how_far_a_load_is(state: dict[str, Any], told: str, other: str) -> None:
    item = read_progress(msgspec.structs.replace(samples.SERVING, **state), DEEPSEEK, 1.0)
    assert (item.state, item.other) == (told, other)


def test_background_work_is_not_waited_for() -> None:
    assert count_ahead(samples.SERVING, samples.DEEPSEEK) == 1
    assert count_ahead(samples.SERVING, samples.LLAMA) == 2
    assert count_ahead(samples.IDLE, samples.LLAMA) == 0


async def test_an_item_is_never_cut_off_by_the_end(autojump_clock: MockClock) -> None:
    told: list[str] = []

    async def work() -> int:
        await trio.sleep(0.3)
        return 7

    async def tell() -> None:
        told.append("begun")
        await trio.sleep(5)
        told.append("whole")

    assert await tell_while(work, tell) == 7
    assert told == ["begun", "whole"]


async def test_an_unload_waits_for_requests(
    desk: FakeDesk, residency: FakeResidency, autojump_clock: MockClock
) -> None:
    residency.takes_s = 0.6
    items: list[UnloadItem] = await gather(desk, "unload", [], model=samples.LLAMA)
    assert [(item.state, item.running) for item in items] == [("waiting", 1), ("waiting", 1), ("done", 0)]
    assert items[-1].was_loaded
    items = await gather(desk, "unload", [], model=samples.DEEPSEEK)
    assert items[0].state == "unloading"
    assert items[-1].was_loaded is False
    assert residency.told == [("unload", LLAMA), ("unload", DEEPSEEK)]


# downloads

LINES = (
    PullProgress(status="pulling manifest"),
    PullProgress(status="pulling aaa", digest="aaa", total_bytes=1_000, done_bytes=400),
    *(
        PullProgress(status="pulling aaa", digest="aaa", total_bytes=1_000, done_bytes=400 + 10 * number)
        for number in range(1, 61)
    ),
    PullProgress(status="pulling bbb", digest="bbb", total_bytes=10, done_bytes=10),
    PullProgress(status="verifying sha256 digest"),
    PullProgress(status="success"),
)


def test_a_new_model_goes_to_the_one_host_or_is_named_with_one(
    residency: FakeResidency, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(FakeResidency, "hosts", ("t600",))
    assert find_pulled(residency, "mixtral") == Target("t600", "mixtral")
    monkeypatch.setattr(FakeResidency, "hosts", ("t600", "gamer"))
    with pytest.raises(CallerFault, match="named with its host: lodestarctl models pull t600/mixtral"):
        find_pulled(residency, "mixtral")


async def test_a_download_is_told_as_it_goes(
    desk: FakeDesk, residency: FakeResidency, autojump_clock: MockClock
) -> None:
    residency.lines, residency.line_s = LINES, 0.1
    items: list[PullItem] = await gather(desk, "models.pull", [], model=samples.DEEPSEEK)
    assert len(items) < len(LINES) / 2
    assert [item.status for item in items if item.status != "downloading"] == [
        "pulling manifest",
        "verifying sha256 digest",
        "success",
        "done",
    ]
    middle = items[len(items) // 2]
    assert middle.bytes_per_s == pytest.approx(100)
    assert middle.left_s == pytest.approx((1_000 - middle.done_bytes) / 100)
    assert (items[-1].finished, items[-1].done_bytes, items[-1].total_bytes) == (True, 1_010, 1_010)
    assert residency.told == [("pull", DEEPSEEK), ("pulled", DEEPSEEK)]


async def test_a_download_that_fails_or_is_left(
    desk: FakeDesk, residency: FakeResidency, autojump_clock: MockClock
) -> None:
    residency.lines, residency.line_s = LINES, 1
    residency.fault = UpstreamFault(Code.UPSTREAM_ERROR, "no space left on device")
    with pytest.raises(Fault, match="no space"):
        await gather(desk, "models.pull", [], model=samples.DEEPSEEK)
    residency.fault = UpstreamFault(Code.UPSTREAM_ERROR, "Ollama failed: pull model manifest: file does not exist.")
    with pytest.raises(Fault, match=r"does not exist\. Is deepseek-coder:6\.7b the right name\?"):
        await gather(desk, "models.pull", [], model=samples.DEEPSEEK)
    with trio.move_on_after(5) as scope:
        await gather(desk, "models.pull", [], model=samples.DEEPSEEK)
    assert scope.cancelled_caught
    assert ("pulled", DEEPSEEK) not in residency.told


def test_what_was_there_before_is_no_speed() -> None:
    meter = Meter(DEEPSEEK)
    first = meter.read(PullProgress(status="x", digest="a", total_bytes=100, done_bytes=90), 10.0)
    assert (first.bytes_per_s, first.left_s, first.done_bytes) == (None, None, 90)
    later = meter.read(PullProgress(status="x", digest="a", total_bytes=100, done_bytes=92), 12.0)
    assert (later.bytes_per_s, later.left_s) == (1.0, 8.0)
    second = meter.read(PullProgress(status="x", digest="b", total_bytes=50, done_bytes=50), 14.0)
    assert (second.bytes_per_s, second.total_bytes) == (0.5, 150)
    stalled = [
        meter.read(PullProgress(status="x", digest="a", total_bytes=100, done_bytes=92), at) for at in (23.0, 32.0)
    ]
    assert (stalled[-1].bytes_per_s, stalled[-1].left_s) == (0.0, None)


# elsewhere


async def test_status_and_models_tell_of_the_cards(desk: FakeDesk, residency: FakeResidency) -> None:
    residency.states["t600"] = msgspec.structs.replace(samples.LENT, step="idle")
    status = await call(desk, "status")
    assert [card.host for card in status.cards] == ["t600"]
    llama, mini = (await call(desk, "models")).models[0].targets
    assert (llama.target, llama.place, mini.place) == ("t600/llama3.1:8b", "absent", "")
    assert read_places(residency)[str(DEEPSEEK)] == "missing"
    residency.states["t600"] = samples.LOADING
    assert read_places(residency) == {str(LLAMA): "absent", str(DEEPSEEK): "loading"}
    residency.states["t600"] = samples.SERVING
    assert read_places(residency)[str(LLAMA)] == "resident"
    residency.states["t600"] = msgspec.structs.replace(samples.SERVING, reachable=False)
    assert read_places(residency) == {}
    assert read_places(None) == {}
