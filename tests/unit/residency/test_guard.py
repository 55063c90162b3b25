"""What a client said of the runner and did not get, in lines for a trace."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lodestard.domain.request import Request
from lodestard.protocols.clients import OLLAMA_EMBED
from lodestard.protocols.openai.chat import read_request
from lodestard.residency.guard import find_overridden

PINNED = {"options": {"num_ctx": 4096, "num_gpu": 20, "use_mmap": True}, "keep_alive": -1}


def ask(**members: Any) -> Request:
    body = {"model": "m", "messages": [{"role": "user", "content": "hi"}], **members}
    return read_request(json.dumps(body).encode(), depth=64)


def test_nothing_said_is_nothing_noted() -> None:
    assert find_overridden(ask(temperature=0, stream=True), PINNED) == ()
    assert find_overridden(ask(options={"temperature": 0}), PINNED) == ()
    assert find_overridden(ask(options=None, keep_alive=None, extra_body=None), PINNED) == ()


@pytest.mark.parametrize(
    "members",
    [
        {"options": {"num_ctx": 16000}},
        {"num_ctx": 16000},
        {"extra_body": {"num_ctx": 16000}},
        {"extra_body": {"options": {"num_ctx": 16000}}},
    ],
)
def test_a_runner_option_is_found_wherever_clients_put_it(members: dict[str, Any]) -> None:
    assert find_overridden(ask(**members), PINNED) == ("num_ctx 16000 of the client ignored: 4096 is pinned",)


def test_what_stands_further_out_is_what_the_client_meant() -> None:
    notes = find_overridden(ask(num_ctx=8192, options={"num_ctx": 9094}), PINNED)
    assert notes == ("num_ctx 8192 of the client ignored: 4096 is pinned",)


def test_what_is_as_pinned_is_not_overridden() -> None:
    assert find_overridden(ask(options={"num_ctx": 4096}, keep_alive=-1, truncate=False), PINNED) == ()
    assert find_overridden(ask(num_ctx=4096.0), PINNED) == ()
    assert find_overridden(ask(use_mmap=1), PINNED) != ()


def test_all_of_it() -> None:
    notes = find_overridden(
        ask(keep_alive=1800, shift=True, truncate=True, options={"num_gpu": 1.5, "use_mmap": False, "num_batch": 64}),
        PINNED,
    )
    assert notes == (
        "keep_alive 1800 of the client ignored: -1 is pinned",
        "num_batch 64 of the client ignored: the server's own holds",
        "num_gpu 1.5 of the client ignored: 20 is pinned",
        "shift true of the client ignored: the server's own holds",
        "truncate true of the client ignored: prompts are never cut",
        "use_mmap false of the client ignored: True is pinned",
    )
    assert find_overridden(ask(keep_alive="30m"), {}) == ("keep_alive of the client ignored: the server's own holds",)


def test_there_are_few_lines() -> None:
    names = ("num_ctx", "num_batch", "num_gpu", "main_gpu", "num_thread", "num_keep", "numa", "low_vram", "f16_kv")
    notes = find_overridden(ask(shift=False, **dict.fromkeys(names, 1)), {})
    assert len(notes) == 9
    assert notes[-1] == "and 2 more of the client's options ignored"


@given(st.dictionaries(st.sampled_from(["num_ctx", "keep_alive", "shift", "options", "truncate"]), st.text()))
def test_no_text_of_a_client_is_shown(members: dict[str, str]) -> None:
    marked = {name: f"secret{text}" for name, text in members.items()}
    notes = find_overridden(ask(**marked, num_gpu="secret"), PINNED)
    assert not any("secret" in note for note in notes)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(st.sampled_from(["num_ctx", "keep_alive", "options", "extra_body", "use_mmap"]), JSON))
def test_whatever_a_client_sends_is_short_lines(members: dict[str, Any]) -> None:
    for note in find_overridden(ask(**members), PINNED):
        assert note.isprintable()
        assert len(note) < 90


def test_a_text_that_is_embedded_may_be_cut() -> None:
    asked = OLLAMA_EMBED.read_request(
        b'{"model":"m","input":"x","truncate":true,"keep_alive":0}', depth=8, headers={}
    )
    assert find_overridden(asked, PINNED) == ("keep_alive 0 of the client ignored: -1 is pinned",)
