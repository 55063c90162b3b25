"""The envelopes of the control socket, and the list of its verbs.

Law: version 1 of this format only grows. An answer has ``data``, a refusal has ``error``; a stream is one envelope a
line, and one that does not end with the last chunk was cut.
"""

import msgspec

from lodestard.domain.verbs import Argument, Need

VERSION = 1
VERBS_PATH = "/v1/verbs"
MEDIA_JSON = "application/json"
MEDIA_NDJSON = "application/x-ndjson"


class Message(msgspec.Struct, frozen=True, kw_only=True):
    """Anything that goes over the socket. Members that the reader does not know are passed over."""


class VerbInfo(Message, frozen=True):
    """A verb as it is listed. ``mutates``: it changes something or costs money, so it needs an administrator."""

    name: str
    summary: str
    needs: Need = "read"
    mutates: bool = False
    streams: bool = False
    arguments: tuple[Argument, ...] = ()


class Refusal(Message, frozen=True):
    """Why there is no answer. ``code`` is a ``Code``, or one that a newer daemon knows."""

    code: str
    message: str
    param: str | None = None
    retry_after_s: float | None = None


class Envelope(Message, frozen=True):
    """What is around every answer: exactly one of ``data`` and ``error`` is there (no data is empty, not null)."""

    version: int
    verb: str = ""
    data: msgspec.Raw = msgspec.Raw()
    error: Refusal | None = None


class _Answer(Message, frozen=True):
    version: int
    verb: str
    data: object


class _Error(Message, frozen=True):
    version: int
    error: Refusal


def write_answer(verb: str, data: object) -> bytes:
    """The envelope of an answer, one line of JSON without its end."""
    return msgspec.json.encode(_Answer(version=VERSION, verb=verb, data=data))


def write_refusal(refusal: Refusal) -> bytes:
    """The envelope of a refusal, one line of JSON without its end."""
    return msgspec.json.encode(_Error(version=VERSION, error=refusal))


class VerbList(Message, frozen=True):
    """``GET /v1/verbs``."""

    verbs: tuple[VerbInfo, ...]
