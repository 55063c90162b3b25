"""Pools to somewhere that is no upstream."""

import httpx
import pytest

from lodestard.generation import open_origin
from lodestard.upstream.elsewhere import parse_elsewhere
from lodestard.upstream.origin import Origin
from tests.fakes.scripted_server import OK, Peer, answers, listening


@pytest.mark.parametrize(
    ("url", "origin"),
    [
        ("https://hooks.example.com/services/T0?x=1#y", Origin("https", "hooks.example.com", 443)),
        ("https://ntfy.example:8443/topic", Origin("https", "ntfy.example", 8443)),
        ("http://127.0.0.1:9/x", Origin("http", "127.0.0.1", 9)),
        ("http://[::1]:9/x", Origin("http", "::1", 9)),
        ("http://localhost/", Origin("http", "localhost", 80)),
    ],
)
def test_where_it_may_go(url: str, origin: Origin) -> None:
    assert parse_elsewhere(url) == origin


@pytest.mark.parametrize(
    "url", ["http://example.com/", "http://10.0.0.1/", "ftp://example.com/", "https://me:pw@example.com/", "x", ""]
)
def test_where_it_may_not(url: str) -> None:
    with pytest.raises(ValueError, match="https://") as caught:
        parse_elsewhere(url)
    assert "pw" not in str(caught.value)


def test_plain_text_to_another_machine_is_for_who_sends_no_secret() -> None:
    assert parse_elsewhere("http://10.0.0.1:9835/metrics", plain_text_ok=True) == Origin("http", "10.0.0.1", 9835)
    for url in ("ftp://example.com/", "http://me:pw@example.com/", "x", ""):
        with pytest.raises(ValueError, match="https://") as caught:
            parse_elsewhere(url, plain_text_ok=True)
        assert "pw" not in str(caught.value)


async def test_httpx_goes_over_a_pool_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    async with listening(answers(OK)) as (server, port):
        url = f"http://127.0.0.1:{port}/hook?a=b"
        async with (
            open_origin(url, "webhook") as transport,
            httpx.AsyncClient(transport=transport, trust_env=False) as client,
        ):
            assert (await client.post(url, content=b"{}")).text == "ok"
        assert server.requests[0].startswith(b"POST /hook?a=b HTTP/1.1\r\n")
        assert b"user-agent: lodestard/" in server.requests[0]


async def test_what_goes_wrong_names_it() -> None:
    async with (
        open_origin("http://127.0.0.1:1/", "webhook") as transport,
        httpx.AsyncClient(transport=transport, trust_env=False) as client,
    ):
        with pytest.raises(httpx.ConnectError, match="webhook"):
            await client.get("http://127.0.0.1:1/")


async def test_an_answer_without_an_end_is_given_up() -> None:
    async def floods(peer: Peer) -> None:
        await peer.read_request()
        await peer.send(b"HTTP/1.1 200 OK\r\n\r\n")
        while True:
            await peer.send(b"x" * 65_536)

    async with listening(floods) as (_, port):
        url = f"http://127.0.0.1:{port}/"
        async with (
            open_origin(url, "webhook") as transport,
            httpx.AsyncClient(transport=transport, trust_env=False) as client,
        ):
            with pytest.raises(httpx.ReadError, match="larger than can be right"):
                await client.get(url)
