"""Labels for tools that can set nothing but an API key: ``lodestar:PROJECT[:SESSION[:USER]]``.

A client's key may carry them too, behind it: ``lodestar-…:PROJECT:SESSION:USER``.

Law: a key that is no label is not looked at any further here, and is kept nowhere. A label opens no door: it names
things for reports, like a header. No client's key ever leaves for an upstream.
"""

from collections.abc import Iterator
from typing import NamedTuple, Protocol

from lodestard.classify.label import clean_label
from lodestard.domain.client import KEY_MARK, LABEL_MARK, split_key

MARK = "lodestar:"
KEY_HEADERS = ("authorization", "x-api-key", "api-key")
_KEY_HEADERS = frozenset(KEY_HEADERS)
_SCHEME = "bearer "
_FIELDS = 3


class HeaderView(Protocol):
    """Header fields by their names in lower case."""

    def __iter__(self) -> Iterator[str]: ...

    def get(self, name: str, /) -> str | None: ...


class KeyLabel(NamedTuple):
    """What a key names; empty where it names nothing."""

    project: str = ""
    session: str = ""
    user: str = ""


NO_LABEL = KeyLabel()


def find_key_label(headers: HeaderView) -> KeyLabel:
    """The labels of the first header that carries a key with some."""
    if _KEY_HEADERS.isdisjoint(headers):
        return NO_LABEL
    for name in KEY_HEADERS:
        value = headers.get(name)
        if value is not None and (label := read_key_label(value)) is not NO_LABEL:
            return label
    return NO_LABEL


def read_key_label(value: str) -> KeyLabel:
    """A header's value → its labels. Fields may be left empty (``lodestar::review``); what follows the third is
    part of it."""
    key = bare_key(value)
    if is_label(key):
        labels = key[len(MARK) :]
    elif key.startswith(KEY_MARK) and LABEL_MARK in key:
        labels = split_key(key)[1]
    else:
        return NO_LABEL
    return KeyLabel(*(clean_label(field) for field in labels.split(LABEL_MARK, _FIELDS - 1)))


def bare_key(value: str) -> str:
    """A header's value without the scheme that ``Authorization`` has."""
    key = value[len(_SCHEME) :] if value[: len(_SCHEME)].lower() == _SCHEME else value
    return "" if key.lower() == _SCHEME.strip() else key.strip()


def is_label(key: str) -> bool:
    """Whether it is labels and nothing else."""
    return key[: len(MARK)].lower() == MARK
