"""How fast models answered lately, and who gave a session's last answer."""

import pytest
import trio
import trio.testing

from lodestard import paces
from lodestard.domain import last_answers
from lodestard.domain.clock import NS_PER_S
from lodestard.domain.closing import Closing
from lodestard.domain.last_answers import CACHE_S
from lodestard.domain.news import AttemptEnded, RequestEnded
from lodestard.domain.request import Caller
from lodestard.domain.upstream import Target
from lodestard.domain.usage import Usage
from lodestard.paces import LEAST_TOKENS, Paces

MODEL, OTHER = Target("openai", "gpt-4o"), Target("t600", "llama3.1:8b")


def attempt(
    tokens: int, first_s: float, answer_s: float, *, streamed: bool = True, target: Target = MODEL
) -> AttemptEnded:
    """One that waited ten seconds for its place before it was dialled."""
    return AttemptEnded(
        target=target,
        outcome="ok",
        total_ns=int((10 + answer_s) * NS_PER_S),
        first_piece_ns=int(first_s * NS_PER_S),
        usage=Usage(prompt_tokens=9, completion_tokens=tokens),
        durations=None,
        cost_nano_usd=0,
        answer_ns=int(answer_s * NS_PER_S),
        streamed=streamed,
    )


def request(session: str, target: Target = MODEL, attempts: int = 1) -> RequestEnded:
    usage = Usage(prompt_tokens=1_000, completion_tokens=200)
    closing = Closing(outcome="ok", status=200, cache="miss", target=target, usage=usage)
    caller = Caller(session=session)
    return RequestEnded(
        request_id="r", caller=caller, alias="auto", attempts=attempts, cost_nano_usd=0, closing=closing
    )


async def test_a_stream_tells_when_it_began_and_how_fast_it_went_on() -> None:
    known = Paces()
    known.learn_attempt(attempt(100, 0.5, 2.5))
    pace = known.of(MODEL)
    assert pace.first_s == pytest.approx(0.5)
    assert pace.tokens_per_s == pytest.approx(50)
    known.learn_attempt(attempt(100, 1.0, 2.0))
    assert pace.first_s == pytest.approx(0.6)
    assert pace.tokens_per_s == pytest.approx(60)
    assert known.of(OTHER).first_s is None


async def test_a_plain_answer_tells_how_fast_it_was_as_a_whole() -> None:
    known = Paces()
    known.learn_attempt(attempt(100, 3.99, 4.0, streamed=False))
    assert known.of(MODEL).first_s is None
    assert known.of(MODEL).tokens_per_s == pytest.approx(25)


async def test_a_short_answer_tells_nothing_of_the_speed() -> None:
    known = Paces()
    known.learn_attempt(attempt(LEAST_TOKENS - 1, 0.5, 0.6))
    assert (known.of(MODEL).first_s, known.of(MODEL).tokens_per_s) == (0.5, None)


async def test_a_prompt_is_remembered_where_it_was_read_for_a_while(autojump_clock: trio.testing.MockClock) -> None:
    known = Paces()
    known.learn_request(request("s"))
    assert (known.cached_tokens("s", MODEL), known.cached_tokens("s", OTHER)) == (1_200, 0)
    assert known.cached_tokens("other", MODEL) == known.cached_tokens("", MODEL) == 0
    known.learn_request(request("s", OTHER, attempts=0))  # from the cache: nobody has read it
    assert known.answered_last("s", MODEL)
    assert not known.answered_last("s", OTHER)
    await trio.sleep(CACHE_S + 1)
    assert known.cached_tokens("s", MODEL) == 0


async def test_both_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(last_answers, "MOST_SESSIONS", 2)
    monkeypatch.setattr(paces, "MOST_TARGETS", 2)
    known = Paces()
    for number in range(3):
        known.learn_request(request(f"s{number}"))
        known.learn_attempt(attempt(100, 0.5, 2.5, target=Target("o", f"m{number}")))
    assert [known.answered_last(f"s{number}", MODEL) for number in range(3)] == [False, True, True]
    assert [known.of(Target("o", f"m{number}")).first_s is not None for number in range(3)] == [False, True, True]
