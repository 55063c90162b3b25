"""The book: which price holds when, what is asked for, and a file that may be damaged."""

from decimal import Decimal
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lodestard.domain.price import Price, Quote
from lodestard.domain.provider import is_own, reasons_beside
from lodestard.domain.settings import Ledger, Model, ModelPrice, PriceBook, Settings, Upstream
from lodestard.prices.book import EMPTY, PriceList, Wanted, needed_at_once, open_book, plan_list
from lodestard.prices.list_file import load_list, read_list, save_list


def price(since_ms: int, rate: int = 1) -> Price:
    return Price(input_pico_usd=rate, output_pico_usd=rate, since_ms=since_ms)


WANTED = (Wanted(name="a/m", model="m", url="https://a.example"), Wanted(name="b/m", model="m", provider="openai"))
LIST = PriceList(
    version="0.2.3",
    made_ms=5,
    asked=WANTED,
    quotes={"a/m": Quote(prices=(price(0), price(100, 2), price(300, 3))), "b/m": Quote(problem="unknown")},
)


def test_a_price_holds_from_its_first_moment_until_the_next() -> None:
    quote = LIST.quotes["a/m"]

    held = {now: quote.price_at(now) for now in (0, 99, 100, 299, 300, 10**15)}
    assert [p.input_pico_usd for p in held.values() if p is not None] == [1, 1, 2, 2, 3, 3]
    assert [quote.change_after_ms(now) for now in (0, 99, 100, 300)] == [100, 100, 300, None]
    assert Quote(problem="x").price_at(5) is None
    assert Quote(problem="x").change_after_ms(5) is None


@given(st.lists(st.integers(1, 1_000), unique=True), st.integers(0, 1_005))
def test_the_price_that_holds_is_the_last_that_has_begun(changes: list[int], now: int) -> None:
    quote = Quote(prices=tuple(price(since, since + 1) for since in [0, *sorted(changes)]))
    begun = [since for since in [0, *changes] if since <= now]
    found = quote.price_at(now)
    assert found is not None
    assert found.since_ms == max(begun, default=0)
    coming = quote.change_after_ms(now)
    assert coming == min((since for since in changes if since > now), default=None)


def test_a_book_knows_what_it_is_of() -> None:
    book = open_book(LIST)

    assert book.covers(WANTED, "0.2.3")
    assert not book.covers(WANTED, "0.2.4")
    assert not book.covers(WANTED[:1], "0.2.3")
    assert not EMPTY.covers((), "")
    assert book.change_after_ms(0) == 100
    assert book.change_after_ms(300) is None


def test_a_quote_stays_for_the_very_target_that_it_was_made_for() -> None:
    book = open_book(LIST)
    moved = Wanted(name="a/m", model="m", url="https://elsewhere.example")

    assert book.only(WANTED) is book
    assert set(book.only((moved, WANTED[1])).quotes) == {"b/m"}
    assert book.only(()).quotes == {}


SETTINGS = Settings(
    upstreams={
        "t600": Upstream(dialect="ollama", url="http://192.168.1.5:11434", free=True),
        "own": Upstream(dialect="openai", url="http://llama:8080/v1"),
        "openai": Upstream(dialect="openai", url="https://api.openai.com/v1"),
        "proxy": Upstream(dialect="openai", url="http://127.0.0.1:9/v1", price_provider="openrouter"),
    },
    models={
        "a": Model(route=("t600/x", "own/y", "openai/gpt-4o", "proxy/z/w")),
        "b": Model(route=("openai/gpt-4o-mini", "openai/o1")),
    },
    prices={
        "openai/gpt-4o-mini": ModelPrice(input=Decimal(1), output=Decimal(1)),
        "openai/o1": ModelPrice(max_output_tokens=5),
    },
    ledger=Ledger(baseline="anthropic/claude-sonnet-4-5"),
)


def test_what_a_public_list_can_know_is_asked_for() -> None:
    assert plan_list(SETTINGS) == (
        Wanted(name="anthropic/claude-sonnet-4-5", model="claude-sonnet-4-5", provider="anthropic"),
        Wanted(name="openai/gpt-4o", model="gpt-4o", url="https://api.openai.com/v1"),
        Wanted(name="openai/gpt-4o-mini", model="gpt-4o-mini", url="https://api.openai.com/v1"),
        Wanted(name="openai/o1", model="o1", url="https://api.openai.com/v1"),
        Wanted(name="proxy/z/w", model="z/w", url="http://127.0.0.1:9/v1", provider="openrouter"),
    )
    assert needed_at_once(SETTINGS) == ("openai/gpt-4o", "openai/o1", "proxy/z/w")


def test_a_book_that_is_off_asks_for_nothing() -> None:
    off = msgspec.structs.replace(SETTINGS, price_book=PriceBook(enabled=False))

    assert plan_list(off) == ()
    assert needed_at_once(off) == ()


@pytest.mark.parametrize(
    ("url", "own"),
    [
        ("http://127.0.0.1:4000", True),
        ("http://[::1]:1/v1", True),
        ("http://10.1.2.3", True),
        ("http://llama:8080", True),
        ("https://api.openai.com/v1", False),
        ("https://8.8.8.8/v1", False),
    ],
)
def test_what_is_in_one_s_own_network(url: str, own: bool) -> None:
    assert is_own(url) == own


@pytest.mark.parametrize(
    ("url", "provider", "beside"),
    [
        ("https://api.x.ai/v1", "", True),
        ("http://127.0.0.1:1", "x-ai", True),
        ("https://api.x.ai/v1", "openai", False),
        ("https://api.openai.com/v1", "", False),
    ],
)
def test_who_bills_reasoning_beside_the_limit(url: str, provider: str, beside: bool) -> None:
    assert reasons_beside(Upstream(dialect="openai", url=url, price_provider=provider)) == beside


def test_a_list_is_kept_whole_and_private(tmp_path: Path) -> None:
    file = tmp_path / "state" / "prices.json"
    save_list(file, LIST)
    save_list(file, LIST)

    assert load_list(file) == LIST
    assert (file.parent.stat().st_mode & 0o777, file.stat().st_mode & 0o777) == (0o700, 0o600)
    assert [entry.name for entry in file.parent.iterdir()] == ["prices.json"]


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"{}",
        b"[]",
        b"\xff\xfe",
        msgspec.json.encode(LIST)[:-20],
        msgspec.json.encode(LIST).replace(b'"form":1', b'"form":2'),
        msgspec.json.encode(LIST).replace(b'"since_ms":300', b'"since_ms":50'),
        msgspec.json.encode(LIST).replace(b'"input_pico_usd":1', b'"input_pico_usd":1.5'),
        msgspec.json.encode(LIST).replace(b'"input_pico_usd":1', b'"input_pico_usd":null'),
    ],
)
def test_a_damaged_file_is_no_list(text: bytes, tmp_path: Path) -> None:
    file = tmp_path / "prices.json"
    file.write_bytes(text)

    assert load_list(file) is None
    with pytest.raises(ValueError, match=r".+"):
        read_list(text)


def test_no_file_is_no_list(tmp_path: Path) -> None:
    assert load_list(tmp_path / "none.json") is None
    assert load_list(tmp_path) is None
