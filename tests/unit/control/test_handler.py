"""The control socket's handler, without a socket."""

import logging
from collections.abc import Mapping
from typing import Any

import pytest
import trio

from lodestard.control.access import Access
from lodestard.control.messages import LogLevel
from lodestard.control.server import STATUSES, control_handler, status_of, write_fault
from lodestard.domain.errors import CallerFault, Code, HouseFault, UpstreamFault
from lodestard.domain.verbs import Argument, Emit, Verb
from tests.fakes.control_exchange import FakeExchange, FakePeer

ACCESS = Access(own_uid=990, read_gids=frozenset({60}))
ROOT = FakePeer()
READER = FakePeer(uid=1000, gid=60)
STRANGER = FakePeer(uid=1000, gid=7)


async def level(arguments: Mapping[str, Any]) -> LogLevel:
    return LogLevel(level=arguments["level"], was="info")


async def count_to(arguments: Mapping[str, Any], emit: Emit) -> None:
    for number in range(arguments["to"]):
        await emit({"number": number})


async def refuse(_arguments: Mapping[str, Any]) -> None:
    raise HouseFault(Code.OVERLOADED, "Later.", retry_after_s=2.4)


async def break_down(_arguments: Mapping[str, Any]) -> None:
    raise ZeroDivisionError("sk-secret")


async def refuse_late(_arguments: Mapping[str, Any], emit: Emit) -> None:
    await emit({"number": 0})
    raise UpstreamFault(Code.UPSTREAM_CUT, "Cut.")


async def break_late(_arguments: Mapping[str, Any], emit: Emit) -> None:
    await emit({"number": 0})
    raise ZeroDivisionError


async def unwritable(_arguments: Mapping[str, Any]) -> object:
    return object()


VERBS: Mapping[str, Verb] = {
    verb.name: verb
    for verb in (
        Verb(
            name="log-level",
            summary="s",
            needs="admin",
            arguments=(Argument(name="level", required=True),),
            answer=level,
        ),
        Verb(
            name="count",
            summary="s",
            needs="read",
            arguments=(Argument(name="to", kind="integer", default=2),),
            stream=count_to,
        ),
        Verb(name="refuse", summary="s", needs="read", answer=refuse),
        Verb(name="break", summary="s", needs="read", answer=break_down),
        Verb(name="refuse.late", summary="s", needs="read", stream=refuse_late),
        Verb(name="break.late", summary="s", needs="read", stream=break_late),
        Verb(name="unwritable", summary="s", needs="read", answer=unwritable),
    )
}
handle = control_handler(VERBS, ACCESS)


async def post(verb: str, body: bytes = b"", peer: FakePeer = ROOT) -> FakeExchange:
    exchange = FakeExchange(path=f"/v1/verbs/{verb}", body=body, peer=peer)
    await handle(exchange)
    assert exchange.finished
    return exchange


async def test_an_answer_comes_in_its_envelope() -> None:
    exchange = await post("log-level", b'{"level": "debug"}')
    assert exchange.status == 200
    assert exchange.headers["content-type"] == "application/json"
    assert exchange.answer == {"version": 1, "verb": "log-level", "data": {"level": "debug", "was": "info"}}


async def test_a_stream_is_one_envelope_a_line() -> None:
    exchange = await post("count", b'{"to": 3}')
    assert exchange.headers["content-type"] == "application/x-ndjson"
    assert [line["data"]["number"] for line in exchange.lines] == [0, 1, 2]


async def test_an_empty_stream_is_an_answer_too() -> None:
    exchange = await post("count", b'{"to": 0}')
    assert (exchange.status, exchange.lines) == (200, [])


async def test_the_list_says_what_each_verb_takes_and_needs() -> None:
    exchange = FakeExchange(method="GET", path="/v1/verbs", peer=READER)
    await handle(exchange)
    verbs = {verb["name"]: verb for verb in exchange.answer["data"]["verbs"]}
    assert list(verbs) == sorted(VERBS)
    assert verbs["log-level"]["mutates"] is True
    assert verbs["log-level"]["arguments"] == [{"name": "level", "required": True}]
    assert verbs["count"]["streams"] is True
    assert verbs["count"]["mutates"] is False


@pytest.mark.parametrize(
    ("peer", "verb", "status"),
    [(READER, "count", 200), (READER, "log-level", 403), (STRANGER, "count", 403), (STRANGER, "no-such", 403)],
)
async def test_who_may_do_what(peer: FakePeer, verb: str, status: int) -> None:
    exchange = await post(verb, peer=peer)
    assert exchange.status == status
    if status == 403:
        assert exchange.answer["error"]["code"] == "not_permitted"


async def test_an_unknown_verb_gets_the_near_ones() -> None:
    exchange = await post("cuont")
    assert exchange.status == 404
    assert "Did you mean 'count'?" in exchange.answer["error"]["message"]


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/", 404),
        ("GET", "/v1/verbs/", 404),
        ("POST", "/v1/verbs", 405),
        ("GET", "/v1/verbs/count", 405),
        ("POST", "/v1/verbs/%2e", 404),
    ],
)
async def test_other_paths_and_methods(method: str, path: str, status: int) -> None:
    exchange = FakeExchange(method=method, path=path)
    await handle(exchange)
    assert exchange.status == status


async def test_bad_arguments_are_the_callers_fault() -> None:
    exchange = await post("log-level", b"{}")
    assert exchange.status == 400
    assert exchange.answer["error"]["param"] == "level"


async def test_a_refusal_says_when_to_come_back() -> None:
    exchange = await post("refuse")
    assert (exchange.status, exchange.headers["retry-after"]) == (503, "2")
    assert exchange.answer["error"]["retry_after_s"] == 2.4


@pytest.mark.parametrize("verb", ["break", "unwritable"])
async def test_a_verb_that_breaks_is_a_logged_fault_without_its_text(
    verb: str, caplog: pytest.LogCaptureFixture
) -> None:
    exchange = await post(verb)
    assert exchange.status == 500
    assert exchange.answer["error"]["code"] == "internal"
    assert "sk-secret" not in exchange.answer["error"]["message"]
    assert f"the verb {verb} failed" in caplog.text


@pytest.mark.parametrize(("verb", "code"), [("refuse.late", "upstream_cut"), ("break.late", "internal")])
async def test_after_the_first_item_a_fault_is_the_last_line(verb: str, code: str) -> None:
    exchange = await post(verb)
    assert exchange.status == 200
    assert exchange.lines[0]["data"] == {"number": 0}
    assert exchange.lines[-1]["error"]["code"] == code


async def test_a_caller_that_leaves_in_a_stream_is_not_the_verbs_fault(caplog: pytest.LogCaptureFixture) -> None:
    exchange = FakeExchange(path="/v1/verbs/count", body=b'{"to": 5}', fail_sends_after=1)
    with pytest.raises(ConnectionError):
        await handle(exchange)
    assert "failed" not in caplog.text


async def test_a_caller_that_leaves_cancels_its_verb(autojump_clock: trio.testing.MockClock) -> None:
    ended: list[str] = []

    async def wait_for_news(_arguments: Mapping[str, Any], _emit: Emit) -> None:
        try:
            await trio.sleep_forever()
        finally:
            ended.append("cancelled")

    verb = Verb(name="wait", summary="", needs="read", stream=wait_for_news)
    exchange = FakeExchange(path="/v1/verbs/wait")
    async with trio.open_nursery() as nursery:
        nursery.start_soon(control_handler({"wait": verb}, ACCESS), exchange)
        await trio.sleep(1)
        assert exchange.on_leave is not None
        exchange.on_leave()
    assert ended == ["cancelled"]


async def test_what_changes_things_is_logged_with_who_did_it(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    await post("log-level", b'{"level": "debug"}')
    assert "control: log-level by uid 0" in caplog.text


def test_every_code_has_a_status() -> None:
    for code in Code:
        assert 400 <= status_of(CallerFault(code, "")) <= 503
    assert status_of(CallerFault(Code.UPSTREAM_CUT, "")) == 502
    assert set(STATUSES) <= set(Code)


def test_faults_before_the_handler_have_the_same_shape() -> None:
    status, headers, body = write_fault(CallerFault(Code.REQUEST_TOO_LARGE, "Too large."), "/")
    assert (status, dict(headers)["content-type"]) == (413, "application/json")
    assert b'"code":"request_too_large"' in body
