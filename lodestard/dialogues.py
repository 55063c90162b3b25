"""Responses that were given, until the client goes on from one of them by its id.

OpenAI keeps them for thirty days. Here they are in memory only, so that ``previous_response_id`` works between two
requests and no prompt is on a disk: a client whose response was forgotten is told so, and sends its whole input.

Law: bounded in count and bytes for each principal, who sees its own alone; the least recently used leave first.
``store: false`` keeps nothing. Changed in sync code only.
"""

from collections import OrderedDict
from collections.abc import Sequence

import msgspec

MOST = 256
MOST_BYTES = 16 * 1024 * 1024
MOST_PRINCIPALS = 64


class Dialogue(msgspec.Struct, frozen=True):
    """One response. ``items``: the whole input that it was asked with. ``body``: the response object."""

    body: bytes
    items: tuple[msgspec.Raw, ...]
    output: tuple[msgspec.Raw, ...]
    ids: tuple[str, ...]

    @property
    def size_bytes(self) -> int:
        """As if it shared no item with the one before it, which it does."""
        return 2 * len(self.body) + sum(len(bytes(raw)) for raw in self.items)


class _Body(msgspec.Struct, frozen=True):
    output: list[msgspec.Raw] = []


class _Item(msgspec.Struct, frozen=True):
    id: str | None = None


_body = msgspec.json.Decoder(_Body)
_item = msgspec.json.Decoder(_Item)


class Shelf:
    """What is kept for one principal."""

    def __init__(self) -> None:
        self._kept: OrderedDict[str, Dialogue] = OrderedDict()
        self._items: dict[str, msgspec.Raw] = {}
        self.size_bytes = 0

    def __len__(self) -> int:
        return len(self._kept)

    def keep(self, body: bytes, items: Sequence[msgspec.Raw], response_ids: Sequence[str]) -> None:
        """A whole response under the ids that its client may know it by. One that can't be read is not kept."""
        try:
            output = tuple([raw.copy() for raw in _body.decode(body).output])
            named = {said.id: raw for raw in output if (said := _item.decode(raw)).id}
        except (ValueError, RecursionError):
            return
        dialogue = Dialogue(body, tuple([raw.copy() for raw in items]), output, tuple(filter(None, named)))
        if dialogue.size_bytes > MOST_BYTES:
            return
        for response_id in response_ids:
            if not response_id:
                continue
            self.forget(response_id)
            self._kept[response_id] = dialogue
            self.size_bytes += dialogue.size_bytes
            self._items.update({name: raw for name, raw in named.items() if name})
        while len(self._kept) > MOST or self.size_bytes > MOST_BYTES:
            self.forget(next(iter(self._kept)))

    def find(self, response_id: str) -> Dialogue | None:
        """A response, which is the last to go from now on."""
        found = self._kept.get(response_id)
        if found is not None:
            self._kept.move_to_end(response_id)
        return found

    def forget(self, response_id: str) -> bool:
        """Whether it was there."""
        gone = self._kept.pop(response_id, None)
        if gone is None:
            return False
        self.size_bytes -= gone.size_bytes
        if not any(other is gone for other in self._kept.values()):
            for name in gone.ids:
                self._items.pop(name, None)
        return True

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
            shelf = self._shelves[principal] = Shelf()
            if len(self._shelves) > MOST_PRINCIPALS:
                self._shelves.popitem(last=False)
        self._shelves.move_to_end(principal)
        return shelf
