"""Responses that are kept: whose they are, how many, how large, and that they go."""

import json
from typing import Any

import msgspec
import pytest

from lodestard import dialogues
from lodestard.dialogues import Dialogues


def body(number: int, text: str = "hey") -> bytes:
    item = {"id": f"msg_{number}", "type": "message", "role": "assistant", "content": text}
    return json.dumps({"id": f"resp_{number}", "output": [item]}).encode()


def item(text: str) -> msgspec.Raw:
    return msgspec.Raw(json.dumps({"role": "user", "content": text}).encode())


def texts(items: Any) -> list[str]:
    return [json.loads(bytes(raw))["content"] for raw in items]


def test_what_is_kept_is_found_until_it_is_forgotten() -> None:
    shelf = Dialogues().shelf("ann")
    shelf.keep(body(1), [item("hi")], ["resp_1"])
    kept = shelf.find("resp_1")
    assert kept is not None
    assert kept.body == body(1)
    assert texts(shelf.find_items("resp_1")) == ["hi", "hey"]
    named = shelf.find_item("msg_1")
    assert named is not None
    assert texts([named]) == ["hey"]
    assert shelf.forget("resp_1")
    assert not shelf.forget("resp_1")
    assert (shelf.find_items("resp_1"), shelf.find_item("msg_1"), len(shelf)) == (None, None, 0)


def test_two_ids_of_one_response() -> None:
    shelf = Dialogues().shelf("ann")
    shelf.keep(body(1), [], ["resp_1", "resp_ours", ""])
    assert shelf.find("resp_1") is shelf.find("resp_ours")
    once = shelf.size_bytes
    shelf.keep(body(1), [], ["resp_1", "resp_1"])
    assert (shelf.size_bytes, shelf.find("resp_ours")) == (once, None)
    shelf.keep(body(1), [], ["resp_1", "resp_ours"])
    assert shelf.forget("resp_ours")  # what is deleted by one of them is gone
    assert (shelf.find("resp_1"), shelf.find_item("msg_1"), shelf.size_bytes) == (None, None, 0)
    shelf.keep(body(1), [], [""])
    assert (len(shelf), shelf.size_bytes) == (0, 0)


def test_an_item_that_came_again_is_not_gone_with_the_first() -> None:
    shelf = Dialogues().shelf("ann")
    for name in ("resp_1", "resp_2"):
        shelf.keep(body(1), [], [name])
    shelf.forget("resp_1")
    assert shelf.find_item("msg_1") is not None
    shelf.forget("resp_2")
    assert shelf.find_item("msg_1") is None


def test_a_principal_sees_its_own_alone() -> None:
    rooms = Dialogues()
    rooms.shelf("ann").keep(body(1), [], ["resp_1"])
    assert rooms.shelf("ann").find("resp_1") is not None
    assert rooms.shelf("bob").find("resp_1") is None
    assert rooms.shelf("bob").find_item("msg_1") is None


def test_the_least_recently_used_leave_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dialogues, "MOST", 2)
    shelf = Dialogues().shelf("ann")
    for number in (1, 2):
        shelf.keep(body(number), [], [f"resp_{number}"])
    shelf.find("resp_1")
    shelf.keep(body(3), [], ["resp_3"])
    assert [shelf.find(f"resp_{number}") is not None for number in (1, 2, 3)] == [True, False, True]


def test_their_bytes_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dialogues, "MOST_BYTES", 4_000)
    shelf = Dialogues().shelf("ann")
    shelf.keep(body(0, "x" * 5_000), [], ["resp_0"])
    assert shelf.find("resp_0") is None
    for number in range(1, 9):
        shelf.keep(body(number, "x" * 300), [item("y" * 700)], [f"resp_{number}"])
    kept = [number for number in range(1, 9) if shelf.find(f"resp_{number}") is not None]
    assert kept == [7, 8]
    for number in kept:
        shelf.forget(f"resp_{number}")
    assert shelf.size_bytes == 0


def test_principals_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dialogues, "MOST_PRINCIPALS", 2)
    rooms = Dialogues()
    for name in ("ann", "bob", "ann", "cid"):
        rooms.shelf(name).keep(body(1), [], ["resp_1"])
    assert [len(rooms.shelf(name)) for name in ("ann", "cid", "bob")] == [1, 1, 0]


def test_their_bytes_are_bounded_over_all(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever has not asked for the longest loses its oldest."""
    monkeypatch.setattr(dialogues, "MOST_BYTES_OVER_ALL", 6_000)
    rooms = Dialogues()
    shelves = {name: rooms.shelf(name) for name in ("ann", "bob", "cid")}
    for number in (1, 2):
        for shelf in shelves.values():
            shelf.keep(body(number, "x" * 300), [], [f"resp_{number}"])
    rooms.shelf("ann")
    shelves["cid"].keep(body(3, "x" * 600), [], ["resp_3"])
    assert {name: len(shelf) for name, shelf in shelves.items()} == {"ann": 2, "bob": 1, "cid": 3}
    assert sum(shelf.size_bytes for shelf in shelves.values()) <= 6_000


@pytest.mark.parametrize("garbage", [b"", b"[]", b'{"output":7}', b'{"output":[7]}', b'{"output":[{"id":7}]}'])
def test_what_can_not_be_read_is_not_kept(garbage: bytes) -> None:
    shelf = Dialogues().shelf("ann")
    shelf.keep(garbage, [], ["resp_1"])
    assert len(shelf) == 0


def test_items_stand_alone() -> None:
    """What is kept holds on to no body that it came in."""
    whole = json.dumps({"input": [{"role": "user", "content": "hi"}]}).encode() + b" " * 100_000
    (view,) = msgspec.json.decode(whole, type=dict[str, list[msgspec.Raw]])["input"]
    shelf = Dialogues().shelf("ann")
    shelf.keep(body(1), [view], ["resp_1"])
    kept = shelf.find("resp_1")
    assert kept is not None
    (own,) = kept.items
    assert own is not view
    assert own.copy() is own  # no view of anything larger
