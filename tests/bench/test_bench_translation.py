"""The benchmark of translations: its samples are whole, and every dialect is in it."""

import pytest

from lodestard.protocols.clients import CLIENTS
from tests.bench.translation import Timed, measure, pairs, ways, write
from tests.bench.translation_samples import REQUESTS, SIZE_BYTES, STREAMS, WORDS

NO_CHAT = {"completions", "fim", "embeddings", "ollama-generate", "ollama-embed", "ollama-embeddings"}


def test_every_dialect_is_measured() -> None:
    assert {client.dialect for client in CLIENTS} - NO_CHAT <= REQUESTS.keys()
    assert {way.name for way in ways()} <= STREAMS.keys()


@pytest.mark.parametrize("dialect", REQUESTS)
def test_requests_are_of_the_size_they_are_said_to_be(dialect: str) -> None:
    assert SIZE_BYTES * 0.97 < len(REQUESTS[dialect]) <= SIZE_BYTES


def test_every_pair_gives_all_words() -> None:
    for pair in pairs():
        assert pair.stream is not None
        assert isinstance(written := pair.stream(), int)
        assert written > WORDS * len(" word")


def test_the_table_has_a_row_for_each_pair() -> None:
    timed = measure(rounds=1, times=1)
    assert len(write(timed).splitlines()) == 2 + len(timed)
    assert write([Timed("openai", "openai", 1.0, 2.0), Timed("x", "y", 1.5, None)]).endswith(
        "| x | y | 1.500 | +0.500 |  |  |"
    )
