"""Estimates of prompts: assumed by family, learned by target, and honest about how far they were off."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lodestard.domain.request import Request
from lodestard.domain.upstream import Target
from lodestard.domain.usage import Usage
from lodestard.protocols.openai.chat import read_request
from lodestard.tokens import Estimator
from lodestard.tokens.basis import basis_bytes
from lodestard.tokens.estimator import IMAGE_TOKENS, MOST_TARGETS, OFTEN, WINDOW
from lodestard.tokens.families import CLAUDE, LARGE, SMALL, UNKNOWN, ratio_of

GPT = Target("openai", "gpt-4o")
TEXT = "Where does the north wind come from, and who taught it to whistle?\n" * 40


def asked(text: str = TEXT, **members: object) -> Request:
    body = {"model": "a", "messages": [{"role": "user", "content": text}], **members}
    return read_request(msgspec.json.encode(body), depth=64)


def counted(tokens: int) -> Usage:
    return Usage(prompt_tokens=tokens, completion_tokens=1)


@pytest.mark.parametrize(
    ("model", "ratio"),
    [
        ("gpt-4o", LARGE),
        ("claude-opus-5-5", CLAUDE),
        ("anthropic/claude-opus-5-5", CLAUDE),
        ("deepseek-coder:6.7b", SMALL),
        ("deepseek-v3.2", LARGE),
        ("someone/new", UNKNOWN),
    ],
)
def test_a_familys_ratio(model: str, ratio: float) -> None:
    assert ratio_of(model) == ratio


def test_before_anything_was_learned_the_family_tells() -> None:
    request = asked()
    assert Estimator().estimate(GPT, request) == round(basis_bytes(request) * LARGE)
    assert Estimator().accuracy(GPT) is None


def test_what_was_counted_is_learned() -> None:
    estimator, request = Estimator(), asked()
    truth = round(basis_bytes(request) * 0.4)
    for _ in range(3):
        estimator.learn(GPT, request, counted(truth))
    assert estimator.estimate(GPT, request) == pytest.approx(truth, abs=1)
    assert estimator.estimate(Target("other", "gpt-4o"), request) == round(basis_bytes(request) * LARGE)
    accuracy = estimator.accuracy(GPT)
    assert accuracy is not None
    assert accuracy.samples == 3
    assert accuracy.worst == pytest.approx(0.35, abs=0.01)  # the first one was the family's
    assert accuracy.error == pytest.approx(0.0, abs=0.01)


@pytest.mark.parametrize(
    ("request_", "usage"),
    [
        (asked("short"), counted(3)),
        (asked(), None),
        (asked(), counted(0)),
        (asked(), counted(10**6)),
        (
            asked(
                messages=[
                    {
                        "role": "user",
                        "content": [
                            {"type": "text", "text": TEXT},
                            {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}},
                        ],
                    }
                ]
            ),
            counted(1500),
        ),
    ],
)
def test_what_teaches_nothing(request_: Request, usage: Usage | None) -> None:
    estimator = Estimator()
    estimator.learn(GPT, request_, usage)
    assert estimator.accuracy(GPT) is None


def test_images_count_apart() -> None:
    parts = [{"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}] * 2
    request = asked(messages=[{"role": "user", "content": parts}])
    assert estimator_tokens(request) == pytest.approx(2 * IMAGE_TOKENS, abs=20)


def estimator_tokens(request: Request) -> int:
    return Estimator().estimate(GPT, request)


def test_the_latest_count_and_one_absurd_one_moves_nothing() -> None:
    estimator, request = Estimator(), asked()
    basis = basis_bytes(request)
    for ratio in [0.2] * WINDOW + [1.1]:
        estimator.learn(GPT, request, counted(round(basis * ratio)))
    assert estimator.ratio(GPT) == pytest.approx(0.2, abs=0.01)
    for _ in range(WINDOW * OFTEN):
        estimator.learn(GPT, request, counted(round(basis * 0.5)))
    assert estimator.ratio(GPT) == pytest.approx(0.5, abs=0.01)


def test_what_was_learned_survives() -> None:
    estimator, request = Estimator(), asked()
    estimator.learn(GPT, request, counted(round(basis_bytes(request) * 0.4)))
    again = Estimator(estimator.dump())
    assert again.ratio(GPT) == pytest.approx(0.4, abs=0.001)
    assert again.dump() == estimator.dump()


@pytest.mark.parametrize(
    "learned", [b"x", b"[]", b'{"version":9,"targets":{}}', b'{"version":1,"targets":{"a":1}}', b"[" * 9000]
)
def test_what_cant_be_read_is_nothing(learned: bytes) -> None:
    assert Estimator(learned).ratio(GPT) == LARGE


def test_absurd_values_on_disk_are_left_out() -> None:
    assert Estimator(b'{"version":1,"targets":{"openai/gpt-4o":[[9e9,0.4],[-1,1e99]]}}').ratio(GPT) == 0.4


def test_it_forgets_the_oldest() -> None:
    estimator, request = Estimator(), asked()
    for number in range(MOST_TARGETS + 1):
        estimator.learn(Target("o", f"m{number}"), request, counted(round(basis_bytes(request) * 0.4)))
    assert estimator.accuracy(Target("o", "m0")) is None
    assert estimator.accuracy(Target("o", "m1")) is not None


@given(st.lists(st.tuples(st.text(max_size=3000), st.integers(0, 10**7)), max_size=20))
def test_an_estimate_is_never_absurd(seen: list[tuple[str, int]]) -> None:
    estimator = Estimator()
    for text, tokens in seen:
        estimator.learn(GPT, asked(text), counted(tokens))
    request = asked()
    assert 0.08 <= estimator.estimate(GPT, request) / basis_bytes(request) <= 1.21
