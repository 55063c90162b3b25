"""Bodies in gzip and zstd: what is priced, cached and sent on is their content."""

import gzip

import msgspec
import pytest

from lodestard.http import content
from tests.fakes.world import CHAT, World, chat

JSON = {"content-type": "application/json"}
PACKERS = {"gzip": gzip.compress, "zstd": content._load_zstd().compress}


def pack(coding: str, body: dict[str, object]) -> tuple[bytes, dict[str, str]]:
    return PACKERS[coding](msgspec.json.encode(body)), {**JSON, "content-encoding": coding}


@pytest.mark.parametrize("coding", PACKERS)
async def test_it_is_the_same_request(world: World, coding: str) -> None:
    body = chat("gpt-4o-mini", "a question " * 50, temperature=0)
    first = await world.request("POST", CHAT, *pack(coding, body))
    assert first.status == 200
    spent_nano_usd = world.ledger.totals().spent_today_nano_usd
    assert spent_nano_usd == world.openai.bill_nano_usd > 0
    again = await world.request("POST", CHAT, body)
    assert again.lodestar["cache"].startswith("hit")
    assert world.ledger.totals().spent_today_nano_usd == spent_nano_usd
    assert world.openai.asked == 1


async def test_a_coding_that_is_not_taken(world: World) -> None:
    for coding in ("br", "deflate", "gzip, gzip"):
        answer = await world.request("POST", CHAT, b"\x1f\x8b", {**JSON, "content-encoding": coding})
        assert (answer.status, answer.error["code"]) == (415, "unsupported_encoding")
        assert answer.headers["accept-encoding"] == "gzip, zstd"


@pytest.mark.parametrize("coding", PACKERS)
async def test_what_is_broken_or_a_bomb(world: World, coding: str) -> None:
    body, headers = pack(coding, chat("local-llama"))
    answer = await world.request("POST", CHAT, body[:-3], headers)
    assert (answer.status, answer.error["code"]) == (400, "invalid_request")
    answer = await world.request("POST", CHAT, PACKERS[coding](bytes(64 << 20)), headers)
    assert (answer.status, answer.error["code"]) == (413, "request_too_large")
    assert (await world.request("POST", CHAT, body, headers)).status == 200
    assert world.ollama.asked == 1
