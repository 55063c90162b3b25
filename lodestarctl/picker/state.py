"""What is typed, what fits, and which is marked; and what a key does to that. Pure.

Law: a key looks at what fitted before where it can: a longer query fits nothing that the shorter one did not.
"""

import msgspec

from lodestarctl.dashboard.keys import Key
from lodestarctl.picker.fuzzy import rank
from lodestard.control.messages.picking import PickRow

MOST_QUERY = 64
PAGE = 10


class Catalogue(msgspec.Struct, frozen=True):
    """The models, and what they are found by: the name, and of an alias its target."""

    rows: tuple[PickRow, ...]
    texts: tuple[str, ...]


def open_catalogue(rows: tuple[PickRow, ...]) -> Catalogue:
    texts = (f"{row.name} {row.target}" if row.alias else row.name for row in rows)
    return Catalogue(rows, tuple(text.lower() for text in texts))


class State(msgspec.Struct, frozen=True):
    """``found`` are places in the catalogue, the best first; ``index`` is the marked one's place in it."""

    catalogue: Catalogue
    query: str = ""
    found: tuple[int, ...] = ()
    index: int = 0
    done: bool = False
    width: int = 80
    height: int = 24

    @property
    def marked(self) -> PickRow | None:
        return self.catalogue.rows[self.found[self.index]] if self.found else None


def open_state(rows: tuple[PickRow, ...], query: str = "") -> State:
    return searched(State(open_catalogue(rows)), query)


def searched(state: State, query: str) -> State:
    """The state with another query. The marked one is the best again."""
    query = query[:MOST_QUERY]
    texts = state.catalogue.texts
    if state.query and query.startswith(state.query):
        places = sorted(state.found)
        found = tuple(places[at] for at in rank([texts[place] for place in places], query))
    else:
        found = tuple(rank(texts, query))
    return msgspec.structs.replace(state, query=query, found=found, index=0)


def step(state: State, key: Key) -> State | None:
    """The state after a key; None where nothing is picked and it is left."""
    match key.name:
        case "char" | "paste":
            return searched(state, state.query + "".join(char for char in key.text if char.isprintable()))
        case "backspace":
            return searched(state, state.query[:-1])
        case "ctrl-u":
            return searched(state, "")
        case "esc" | "ctrl-c":
            return None
        case "enter":
            return msgspec.structs.replace(state, done=True) if state.found else state
    moved = {"up": -1, "down": 1, "pgup": -PAGE, "pgdn": PAGE, "tab": 1, "backtab": -1}.get(key.name, 0)
    last = max(0, len(state.found) - 1)
    return msgspec.structs.replace(state, index=min(last, max(0, state.index + moved)))
