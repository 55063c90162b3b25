"""Bids: what an attempt may take, the limit that is written, and the answer that goes beyond it."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lodestard.bid import OutputCap, find_limit, make_bid, with_output_limit
from lodestard.budget import find_ceiling, worst_case
from lodestard.domain.errors import BudgetFault, CallerFault, Code
from lodestard.domain.money import MAX_NANO_USD
from lodestard.domain.price import FREE, Price
from lodestard.domain.reply import Piece
from lodestard.domain.request import Request
from lodestard.domain.room import ROOMY, Room
from lodestard.domain.upstream import Candidate, Target
from lodestard.domain.usage import Usage
from lodestard.protocols.anthropic.messages import read_request as read_messages
from lodestard.protocols.openai.chat import read_request
from lodestard.protocols.openai.completions import read_request as read_completion
from lodestard.protocols.openai.embeddings import read_request as read_embedding

PRICE = Price(input_pico_usd=150_000, output_pico_usd=600_000, max_output_tokens=16_384)


def request(**members: object) -> Request:
    body = {"model": "m", "messages": [{"role": "user", "content": "hello"}], **members}
    return read_request(msgspec.json.encode(body), depth=64)


def candidate(price: Price | None = PRICE, *, free: bool = False) -> Candidate:
    return Candidate(target=Target("openai", "m"), dialect="openai", price=price, free=free, up=True)


def test_with_room_for_all_nothing_is_written() -> None:
    bid = make_bid(candidate(), request(), ROOMY)
    assert (bid.limit_tokens, bid.capped, bid.output_tokens) == (None, False, 16_384)
    assert bid.nano_usd == worst_case(request(), PRICE).nano_usd
    assert bid.tokens > 16_384


def test_what_is_written_fits_into_the_room() -> None:
    room = Room(nano_usd=3_000_000)
    bid = make_bid(candidate(), request(), room)
    assert bid.limit_tokens == bid.output_tokens
    assert bid.request.conversation.sampling.max_output_tokens == bid.limit_tokens
    assert bid.nano_usd <= 3_000_000
    assert bid.capped


def test_a_limit_that_a_dialect_demands_is_no_budgets() -> None:
    demanding = msgspec.structs.replace(candidate(), dialect="anthropic")
    bid = make_bid(demanding, request(), ROOMY)
    assert (bid.limit_tokens, bid.by_budget) == (16_384, False)
    limited = make_bid(demanding, request(), Room(nano_usd=3_000_000))
    assert limited.limit_tokens is not None
    assert limited.limit_tokens < 16_384
    assert limited.by_budget


def test_a_limit_that_the_request_brings_stays() -> None:
    bid = make_bid(candidate(), request(max_tokens=9_000), Room(nano_usd=1))
    assert (bid.limit_tokens, bid.output_tokens) == (None, 9_000)


def test_a_free_model_bids_nothing_but_tokens() -> None:
    bid = make_bid(candidate(None, free=True), request(max_tokens=100), Room(nano_usd=0))
    assert (bid.nano_usd, bid.capped) == (0, False)
    assert bid.tokens > 100


def test_room_in_tokens_limits_too() -> None:
    asked = request()
    least = worst_case(with_output_limit(asked, 0), FREE).prompt_tokens
    assert find_limit(asked, find_ceiling(asked, FREE), Room(tokens=least + 4 * 5_000)) == 5_000


@given(st.integers(0, 10**7), st.integers(1, 5), st.booleans())
def test_a_ceiling_says_of_each_limit_what_the_request_with_it_would_cost(limit: int, n: int, beside: bool) -> None:
    price = msgspec.structs.replace(PRICE, max_reasoning_tokens=7_000 if beside else None)
    asked = request(n=n, prediction={"type": "content", "content": "abc"})
    assert find_ceiling(asked, price).at(limit) == worst_case(with_output_limit(asked, limit), price)


@given(st.integers(0, 10**8), st.integers(1, 5))
def test_no_bid_with_a_limit_of_ours_is_above_the_room_but_for_the_least(nano_usd: int, choices: int) -> None:
    bid = make_bid(candidate(), request(n=choices), Room(nano_usd=nano_usd))
    if bid.limit_tokens is not None and bid.limit_tokens > 256:
        assert bid.nano_usd <= nano_usd


@pytest.mark.parametrize(
    ("members", "code"),
    [
        ({"web_search_options": {}}, Code.PRICE_UNKNOWN),
        ({"max_tokens": 10**10, "n": 100}, Code.INVALID_REQUEST),
    ],
)
def test_what_can_not_be_foreseen_is_refused(members: dict[str, object], code: Code) -> None:
    dear = Price(input_pico_usd=1, output_pico_usd=MAX_NANO_USD)
    with pytest.raises(CallerFault) as caught:
        make_bid(candidate(dear), request(**members), ROOMY)
    assert caught.value.code == code


def test_an_answer_within_its_limit_passes() -> None:
    cap = OutputCap(make_bid(candidate(), request(max_tokens=3), Room(nano_usd=10**9)))
    cap.count([Piece(text="one "), Piece(text="two "), Piece(text="three"), Piece(finish="length")])
    cap.count([Piece(usage=Usage(prompt_tokens=9, completion_tokens=3))])


@pytest.mark.parametrize(
    "pieces",
    [
        [Piece(text="x")] * 4,
        [Piece(reasoning="x")] * 4,
        [Piece(text="x" * 64)],
        [Piece(usage=Usage(prompt_tokens=9, completion_tokens=10**6))],
        [Piece(usage=Usage(prompt_tokens=9, completion_tokens=1, billed_nano_usd=10**9))],
    ],
)
def test_an_answer_that_surely_costs_more_is_cut(pieces: list[Piece]) -> None:
    cap = OutputCap(make_bid(candidate(), request(max_tokens=3), Room(nano_usd=10**9)))
    with pytest.raises(BudgetFault) as caught:
        cap.count(pieces)
    assert caught.value.final


def test_a_limit_for_other_models_is_lowered_to_what_this_one_writes() -> None:
    body = {"model": "m", "max_tokens": 32_000, "messages": [{"role": "user", "content": "hello"}]}
    foreign = read_messages(msgspec.json.encode(body), depth=64, headers={})
    bid = make_bid(candidate(), foreign, ROOMY)
    assert bid.request.conversation.sampling.max_output_tokens == bid.output_tokens == 16_384
    own = msgspec.structs.replace(candidate(), dialect="anthropic")
    assert make_bid(own, foreign, ROOMY).request is foreign
    assert make_bid(candidate(), request(max_tokens=32_000), ROOMY).output_tokens == 32_000


@pytest.mark.parametrize("room", [ROOMY, Room(nano_usd=10**9)])
def test_a_limit_that_the_upstream_does_not_take_is_raised_and_held(room: Room) -> None:
    least = msgspec.structs.replace(candidate(), least_output_tokens=16)
    bid = make_bid(least, request(max_tokens=5), room)
    assert bid.request.conversation.sampling.max_output_tokens == bid.output_tokens == 16
    assert bid.nano_usd == worst_case(with_output_limit(request(max_tokens=5), 16), PRICE).nano_usd
    assert make_bid(least, request(max_tokens=17), room).output_tokens == 17
    assert make_bid(candidate(), request(max_tokens=5), room).output_tokens == 5
    completion = read_completion(b'{"model":"m","prompt":"one","max_tokens":5}', depth=64)
    assert make_bid(least, completion, room).output_tokens == 5  # asked by another API


@pytest.mark.parametrize("room", [ROOMY, Room(nano_usd=1_000_000)])
def test_vectors_are_no_output(room: Room) -> None:
    """What embeds writes nothing: it is held for its input alone, no limit is written, and nothing of it is cut."""
    asked = read_embedding(b'{"model":"m","input":["one","two"]}', depth=64)
    bid = make_bid(candidate(), asked, room)
    assert (bid.output_tokens, bid.limit_tokens, bid.capped, bid.request) == (0, None, False, asked)
    assert bid.nano_usd == worst_case(asked, PRICE).nano_usd > 0
    ids = read_embedding(b'{"model":"m","input":[[1,22,333],[4444]]}', depth=64)
    assert worst_case(ids, PRICE).prompt_tokens == ids.size_bytes + 1_024


@pytest.mark.parametrize("asked", [request(), read_completion(b'{"model":"m","prompt":"x"}', depth=64)])
def test_a_price_of_embeddings_is_no_price_of_an_answer(asked: Request) -> None:
    vectors = Price(input_pico_usd=20_000, output_pico_usd=0, embeds_only=True)
    with pytest.raises(CallerFault) as raised:
        make_bid(candidate(vectors), asked, ROOMY)
    assert (raised.value.code, raised.value.param) == (Code.PRICE_UNKNOWN, "model")
    embedding = read_embedding(b'{"model":"m","input":"x"}', depth=64)
    assert make_bid(candidate(vectors), embedding, ROOMY).nano_usd > 0


def test_every_choice_of_every_prompt_is_held() -> None:
    asked = read_completion(b'{"model":"m","prompt":["one","two"],"n":3,"max_tokens":10}', depth=64)
    assert make_bid(candidate(), asked, ROOMY).output_tokens == 60
    assert (
        make_bid(candidate(), read_completion(b'{"model":"m","prompt":"one"}', depth=64), ROOMY).output_tokens == 16
    )
