"""Responses that were given, until the client goes on from one of them by its id.

OpenAI keeps them for thirty days. Here they are in memory only, so that ``previous_response_id`` works between two
requests and no prompt is on a disk: a client whose response was forgotten is told so, and sends its whole input.

Law: bounded in count and bytes for each principal, who sees its own alone, and in bytes over all of them; the least
recently used leave first. ``store: false`` keeps nothing. Changed in sync code only.
"""

from collections import OrderedDict
from collections.abc import Callable, Sequence

import msgspec

MOST = 256
MOST_BYTES = 16 * 1024 * 1024
MOST_PRINCIPALS = 64
MOST_BYTES_OVER_ALL = 64 * 1024 * 1024
ITEM_OVERHEAD_BYTES = 100
"""What an item takes beside its text."""


class Dialogue(msgspec.Struct, frozen=True):
    """One response. ``items``: the whole input that it was asked with. ``body``: the response object.

    ``ids`` are those that its client may know it by, ``named`` the items of its output by theirs. ``size_bytes`` is
    as if it shared no item with the one before it, which it does.
    """

    body: bytes
    items: tuple[msgspec.Raw, ...]
    output: tuple[msgspec.Raw, ...]
    ids: tuple[str, ...]
    named: dict[str, msgspec.Raw]
    size_bytes: int


class _Body(msgspec.Struct, frozen=True):
    output: list[msgspec.Raw] = []


class _Item(msgspec.Struct, frozen=True):
    id: str | None = None


_body = msgspec.json.Decoder(_Body)
_item = msgspec.json.Decoder(_Item)


def read_dialogue(body: bytes, items: Sequence[msgspec.Raw], ids: Sequence[str]) -> Dialogue:
    """A whole response, and what it was asked with. Raises ``ValueError`` for what can't be read."""
    own = tuple([raw.copy() for raw in items])
    output = tuple([raw.copy() for raw in _body.decode(body).output])
    named = {said.id: raw for raw in output if (said := _item.decode(raw)).id}
    size_bytes = 2 * len(body) + sum(len(bytes(raw)) for raw in own)
    size_bytes += ITEM_OVERHEAD_BYTES * (len(own) + len(output))
    return Dialogue(body, own, output, tuple(dict.fromkeys(filter(None, ids))), named, size_bytes)


class Shelf:
    """What is kept for one principal. ``trim`` is called when it has grown."""

    def __init__(self, trim: Callable[[], None]) -> None:
        self._trim = trim
        self._kept: OrderedDict[str, Dialogue] = OrderedDict()
        self._items: dict[str, msgspec.Raw] = {}
        self.size_bytes = 0

    def __len__(self) -> int:
        return len(self._kept)

    def keep(self, body: bytes, items: Sequence[msgspec.Raw], ids: Sequence[str]) -> None:
        """A whole response under the ids that its client may know it by. One that can't be read is not kept."""
        try:
            dialogue = read_dialogue(body, items, ids)
        except (ValueError, RecursionError):
            return
        if not dialogue.ids or dialogue.size_bytes > MOST_BYTES:
            return
        for response_id in dialogue.ids:
            self.forget(response_id)
        self._kept.update(dict.fromkeys(dialogue.ids, dialogue))
        self._items.update(dialogue.named)
        self.size_bytes += dialogue.size_bytes
        while len(self._kept) > MOST or self.size_bytes > MOST_BYTES:
            self.forget_oldest()
        self._trim()

    def find(self, response_id: str) -> Dialogue | None:
        """A response, which is the last to go from now on."""
        found = self._kept.get(response_id)
        if found is not None:
            for known in found.ids:
                self._kept.move_to_end(known)
        return found

    def forget(self, response_id: str) -> bool:
        """A response, whatever else it is known by; whether it was there."""
        gone = self._kept.get(response_id)
        if gone is None:
            return False
        for known in gone.ids:
            del self._kept[known]
        for name, raw in gone.named.items():
            if self._items.get(name) is raw:  # a later response may have an item of that name
                del self._items[name]
        self.size_bytes -= gone.size_bytes
        return True

    def forget_oldest(self) -> None:
        self.forget(next(iter(self._kept)))

    def find_items(self, response_id: str) -> Sequence[msgspec.Raw] | None:
        """See ``protocols.responses.read.Memory``."""
        found = self.find(response_id)
        return None if found is None else (*found.items, *found.output)

    def find_item(self, item_id: str) -> msgspec.Raw | None:
        """See ``protocols.responses.read.Memory``."""
        return self._items.get(item_id)


class Dialogues:
    """A shelf for each principal."""

    def __init__(self) -> None:
        self._shelves: OrderedDict[str, Shelf] = OrderedDict()

    def shelf(self, principal: str) -> Shelf:
        shelf = self._shelves.get(principal)
        if shelf is None:
            shelf = self._shelves[principal] = Shelf(self._trim)
            if len(self._shelves) > MOST_PRINCIPALS:
                self._shelves.popitem(last=False)
        self._shelves.move_to_end(principal)
        return shelf

    def _trim(self) -> None:
        """All of them are too large together: whoever has not asked for the longest loses its oldest."""
        excess = sum(shelf.size_bytes for shelf in self._shelves.values()) - MOST_BYTES_OVER_ALL
        for shelf in self._shelves.values():
            while excess > 0 and len(shelf):
                excess -= shelf.size_bytes
                shelf.forget_oldest()
                excess += shelf.size_bytes
