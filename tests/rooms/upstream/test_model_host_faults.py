"""Every way in which a model's server can fail, and whose name and code that gets."""

import pytest
import trio
import trio.testing

from lodestard.domain.errors import Code, HouseFault, UpstreamFault
from lodestard.domain.host_ports import ModelHost
from lodestard.domain.settings import KeySource
from lodestard.upstream import host_calls
from lodestard.upstream.host_calls import BODY_S
from lodestard.upstream.model_host import LOOK_S, open_model_host
from tests.fakes.model_hosts import (
    EVERY,
    LISTS,
    LLAMA,
    Use,
    clean,
    facing,
    failure,
    lines,
    pulled,
    reply,
    simulated,
    upstream,
)
from tests.fakes.scripted_server import Peer, answers, answers_then_closes, closes, reads_only

ALL = pytest.mark.parametrize("use", EVERY.values(), ids=EVERY.keys())


@ALL
async def test_nobody_is_there(use: Use) -> None:
    async with open_model_host("t600", upstream(url="http://127.0.0.1:1"), "") as host:
        fault = await failure(use, host)
        assert (fault.code, fault.sent) == (Code.UPSTREAM_UNREACHABLE, False)
        clean(host)


@ALL
async def test_a_key_that_is_missing(use: Use) -> None:
    async with open_model_host("t600", upstream(key=KeySource(env="GPU_KEY")), "") as host:
        fault = await failure(use, host)
        assert (fault.code, fault.sent) == (Code.UPSTREAM_AUTH, False)
        assert "GPU_KEY" in fault.message


async def test_an_url_that_is_none() -> None:
    with pytest.raises(HouseFault, match="t600") as caught:
        async with open_model_host("t600", upstream(url="ftp://gpu"), ""):
            pytest.fail("opened")
    assert caught.value.code is Code.INTERNAL


@ALL
@pytest.mark.parametrize(
    ("said", "code"),
    [
        (reply(b'{"error":"out of luck"}', b"500 Oh"), Code.UPSTREAM_ERROR),
        (reply(b"404 page not found", b"404 Not Found", b"text/plain"), Code.UPSTREAM_ERROR),
        (reply(b"<html>no</html>", b"502 Bad Gateway", b"text/html"), Code.UPSTREAM_ERROR),
        (reply(b'{"error":"server busy"}', b"503 Busy"), Code.UPSTREAM_RATE_LIMITED),
        (reply(b"", b"403 Forbidden"), Code.UPSTREAM_AUTH),
        (reply(b'{"error":"why"}', b"400 Bad Request"), Code.UPSTREAM_REJECTED),
        (b"HTTP/1.1 302 Found\r\nlocation: /x\r\ncontent-length: 0\r\n\r\n", Code.UPSTREAM_ERROR),
        (reply(b"<html><title>Login</title></html>", kind=b"text/html"), Code.UPSTREAM_GARBAGE),
        (reply(b"nonsense"), Code.UPSTREAM_GARBAGE),
        (reply(b"[" * 60_000), Code.UPSTREAM_GARBAGE),
        (reply(b"[]"), Code.UPSTREAM_GARBAGE),
        (b"220 mail.example ESMTP\r\n", Code.UPSTREAM_GARBAGE),
        (b"HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: 2\r\n\r\nab", Code.UPSTREAM_GARBAGE),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 90\r\n\r\n{", Code.UPSTREAM_CUT),
        (b"HTTP/1.1 200", Code.UPSTREAM_CUT),
    ],
)
async def test_answers_that_are_none(use: Use, said: bytes, code: Code, autojump_clock: object) -> None:
    async with facing(answers_then_closes(said)) as (host, _):
        fault = await failure(use, host)
        assert fault.code is code
        assert fault.message


@ALL
async def test_it_closes_without_a_word(use: Use, autojump_clock: object) -> None:
    async with facing(closes) as (host, _):
        assert (await failure(use, host)).code is Code.UPSTREAM_CUT


@pytest.mark.parametrize("use", LISTS.values(), ids=LISTS.keys())
async def test_an_answer_without_an_end_is_not_gathered_for_ever(
    use: Use, autojump_clock: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def endless(peer: Peer) -> None:
        await peer.read_request()
        await peer.send(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n")
        while True:
            await peer.send(b"10000\r\n" + b" " * 0x10000 + b"\r\n")

    monkeypatch.setattr(host_calls, "MOST_BYTES", 1_000_000)
    async with facing(endless) as (host, _):
        fault = await failure(use, host)
        assert fault.code is Code.UPSTREAM_GARBAGE
        assert "1000000 bytes" in fault.message


@pytest.mark.parametrize(
    ("name", "limit_s"),
    [("version", LOOK_S), ("loaded", LOOK_S), ("installed", 30.0), ("details", 30.0), ("unload", LOOK_S)],
)
async def test_it_takes_too_long_to_begin(name: str, limit_s: float, autojump_clock: trio.testing.MockClock) -> None:
    assert LOOK_S >= 6
    async with facing(reads_only) as (host, _):
        fault = await failure(EVERY[name], host)
        assert fault.code is Code.UPSTREAM_TIMEOUT
        assert trio.current_time() == limit_s


@pytest.mark.parametrize("use", LISTS.values(), ids=LISTS.keys())
async def test_it_takes_too_long_to_end(use: Use, autojump_clock: trio.testing.MockClock) -> None:
    async def dribbles(peer: Peer) -> None:
        await peer.read_request()
        await peer.send(b"HTTP/1.1 200 OK\r\ncontent-length: 900\r\n\r\n")
        while True:
            await peer.send(b" ")
            await trio.sleep(1)

    async with facing(dribbles) as (host, _):
        fault = await failure(use, host)
        assert fault.code is Code.UPSTREAM_TIMEOUT
        assert "127.0.0.1:11434" in fault.message
        assert trio.current_time() == BODY_S


async def test_a_load_has_its_own_time(autojump_clock: trio.testing.MockClock) -> None:
    async with facing(reads_only, load_timeout_s=40.0) as (host, server):
        fault = await failure(EVERY["load"], host)
        assert fault.code is Code.UPSTREAM_TIMEOUT
        assert "had not loaded llama3.1:8b after 40 s (load_timeout_s)" in fault.message
        assert trio.current_time() == 40.0
        assert len(server.requests) == 1


async def test_a_load_that_is_too_late_is_ended_at_the_server(autojump_clock: object) -> None:
    async with simulated(load_timeout_s=3.0) as (host, simulator, _):
        assert (await failure(EVERY["load"], host)).code is Code.UPSTREAM_TIMEOUT
        await trio.testing.wait_all_tasks_blocked()
        assert simulator.app.state_json()["aborted_loads"] == 1


async def test_a_connection_that_died_idle_is_no_failure(autojump_clock: object) -> None:
    async def one_answer(peer: Peer) -> None:
        await peer.read_request()
        await peer.send(reply(b'{"models":[]}'))
        await peer.read_request()

    async with facing(one_answer, answers(reply(b'{"models":[]}'))) as (host, server):
        assert await host.loaded() == ()
        assert await host.loaded() == ()
        assert len(server.peers) == 2


# Downloads


@pytest.mark.parametrize(
    ("said", "code"),
    [
        ([{"error": "pull model manifest: file does not exist"}], Code.UPSTREAM_MODEL_MISSING),
        ([{"error": "no space left on device"}], Code.UPSTREAM_ERROR),
        ([{"status": 5}], Code.UPSTREAM_GARBAGE),
        ([{"status": "x" * 70_000}], Code.UPSTREAM_GARBAGE),
        ([], Code.UPSTREAM_CUT),
    ],
)
async def test_a_download_that_fails_on_its_way(said: list[object], code: Code, autojump_clock: object) -> None:
    parts = lines({"status": "pulling manifest"}, *said)
    async with facing(answers_then_closes(*parts)) as (host, _):
        seen: list[str] = []
        with pytest.raises(UpstreamFault) as caught:
            async with host.pull(LLAMA) as progress:
                async for line in progress:
                    seen.append(line.status)  # noqa: PERF401 - it raises on its way
        assert (caught.value.code, caught.value.upstream, seen) == (code, "t600", ["pulling manifest"])


async def test_a_download_that_ends_properly_but_too_early(autojump_clock: object) -> None:
    parts = [*lines({"status": "pulling manifest"}), b"0\r\n\r\n"]
    async with facing(answers_then_closes(*parts)) as (host, _):
        assert (await failure(EVERY["pull"], host)).code is Code.UPSTREAM_CUT


async def test_a_last_line_needs_no_line_feed(autojump_clock: object) -> None:
    body = b'{"status":"pulling manifest"}\n{"status":"success"}'
    async with facing(answers_then_closes(reply(body, kind=b"application/x-ndjson"))) as (host, _):
        assert await pulled(host, LLAMA) == ["pulling manifest", "success"]


async def test_a_slow_download_is_waited_for_line_by_line(autojump_clock: trio.testing.MockClock) -> None:
    async def slow(peer: Peer) -> None:
        await peer.read_request()
        for part in lines(*({"status": f"{n}"} for n in range(20)), {"status": "success"}):
            await trio.sleep(250)
            await peer.send(part)

    async with facing(slow, load_timeout_s=300.0, first_byte_timeout_s=260.0) as (host, _):
        assert len(await pulled(host, LLAMA)) == 21


async def test_a_download_that_stands_still(autojump_clock: trio.testing.MockClock) -> None:
    async def stalls(peer: Peer) -> None:
        await peer.read_request()
        for part in lines({"status": "pulling manifest"}):
            await peer.send(part)
        while True:  # bytes that make no line are no news
            await trio.sleep(100)
            await peer.send(b"1\r\n \r\n")

    async with facing(stalls, load_timeout_s=300.0) as (host, _):
        fault = await failure(EVERY["pull"], host)
        assert fault.code is Code.UPSTREAM_TIMEOUT
        assert trio.current_time() == 300.0


async def test_downloads_hold_up_nothing_else(autojump_clock: object) -> None:
    async def route(peer: Peer) -> None:
        while request := await peer.read_request():
            if b"/api/pull" in request:
                await trio.sleep_forever()
            await peer.send(reply(b'{"models":[]}'))

    async with facing(route) as (host, _), trio.open_nursery() as nursery:
        for _ in range(30):
            nursery.start_soon(_pull_quietly, host)
        await trio.testing.wait_all_tasks_blocked()
        assert await host.loaded() == ()
        nursery.cancel_scope.cancel()


async def _pull_quietly(host: ModelHost) -> None:
    try:
        await pulled(host, LLAMA)
    except UpstreamFault as fault:
        assert fault.code is Code.UPSTREAM_TIMEOUT  # none of the few connections became free
