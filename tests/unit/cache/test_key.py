"""Two requests share a key exactly where everything that can change the answer is the same."""

from collections.abc import Mapping
from typing import Any

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from lodestard.cache.key import NEUTRAL, digest_request, key_of
from lodestard.domain.request import Conversation, Request
from lodestard.domain.upstream import Target

TARGET = Target("t600", "llama3.1:8b")


def request(members: Mapping[str, Any], dialect: str = "openai", *, stream: bool = False) -> Request:
    return Request(
        dialect=dialect,
        alias="auto",
        stream=stream,
        include_usage=False,
        members={name: msgspec.Raw(msgspec.json.encode(value)) for name, value in members.items()},
        conversation=Conversation(messages=()),
        size_bytes=0,
    )


def key(
    members: Mapping[str, Any], *, target: Target = TARGET, principal: str = "local", dialect: str = "openai"
) -> str:
    return key_of(digest_request(request(members, dialect), principal), target)


BASE: dict[str, Any] = {"messages": [{"role": "user", "content": "hi"}], "temperature": 0}


def test_a_key_is_64_hexadecimal_digits_and_stable() -> None:
    assert len(bytes.fromhex(key(BASE))) == 32
    assert key(BASE) == key(dict(BASE))


def test_streamed_and_plain_and_the_order_of_members_and_nulls_share_a_key() -> None:
    members = {
        "stream_options": {"include_usage": True},
        "stop": None,
        **dict(reversed(BASE.items())),
        "stream": True,
    }

    assert key(members) == key(BASE)
    assert key({**BASE, "model": "a"}) == key({**BASE, "model": "b"})
    assert all(key({**BASE, name: "x"}) == key(BASE) for name in NEUTRAL)


def test_everything_else_counts() -> None:
    others = [
        key({**BASE, "temperature": 0.1}),
        key({**BASE, "messages": []}),
        key({**BASE, "seed": 1}),
        key({**BASE, "n": 2}),
        key({**BASE, "store": True}),
        key({**BASE, "x_unknown": 1}),
        key(BASE, target=Target("t600", "other")),
        key(BASE, target=Target("other", "llama3.1:8b")),
        key(BASE, principal="somebody"),
        key(BASE, dialect="ollama"),
    ]

    assert len({key(BASE), *others}) == len(others) + 1


def test_parts_do_not_run_together() -> None:
    assert key_of(b"d", Target("a", "bc")) != key_of(b"d", Target("ab", "c"))
    assert key({"ab": 1}) != key({"a": "b1"})
    assert key({}, principal="ab", dialect="c") != key({}, principal="b", dialect="ca")
    bare = request({})
    as_header = msgspec.structs.replace(bare, headers=(("seed", "1"),))
    as_member = msgspec.structs.replace(bare, members={"seed": msgspec.Raw(b"1")})
    assert digest_request(as_header, "") != digest_request(as_member, "")


def test_white_space_around_a_member_does_not_count() -> None:
    raw = request({}).members
    spaced = msgspec.structs.replace(
        request({}), members={**raw, "a": msgspec.Raw(b" [1] \n"), "b": msgspec.Raw(b" null")}
    )

    assert digest_request(spaced, "p") == digest_request(request({"a": [1]}), "p")


MEMBERS = st.dictionaries(
    st.sampled_from(["messages", "temperature", "tools", "seed", "stop", "stream", "user", "model", "é", "x"]),
    st.recursive(
        st.none() | st.booleans() | st.integers(-2, 2) | st.sampled_from(["", "a", "1", "null"]),
        lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from("ab"), inner, max_size=2),
        max_leaves=3,
    ),
    max_size=4,
)
TARGETS = st.builds(Target, st.sampled_from(["a", "ab"]), st.sampled_from(["b", "c", "bc"]))
ASKED = st.tuples(MEMBERS, TARGETS, st.sampled_from(["p", "q"]), st.sampled_from(["openai", "ollama"]))


def meaning(members: dict[str, Any], target: Target, principal: str, dialect: str) -> object:
    said = {
        name: msgspec.json.encode(value)
        for name, value in members.items()
        if name not in NEUTRAL and value is not None
    }
    return said, target, principal, dialect


@given(ASKED, ASKED)
def test_keys_are_equal_exactly_where_the_meaning_is(one: Any, other: Any) -> None:
    for left, right in ((one, other), (one, (dict(reversed(one[0].items())), *one[1:]))):
        keys = [
            key(members, target=target, principal=principal, dialect=dialect)
            for members, target, principal, dialect in (left, right)
        ]
        assert (keys[0] == keys[1]) == (meaning(*left) == meaning(*right))
