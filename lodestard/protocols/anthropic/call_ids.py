"""The ids of tool calls, as Anthropic's clients may see them and as the upstream that made them knows them. Pure.

Law: reversible. Anthropic takes letters, digits, ``_`` and ``-`` alone; an id with anything else in it is wrapped,
and unwrapped where it comes back, for what a provider thought is found again by its own id. Source: Anthropic's
complaint of a wrong one, ``String should match pattern '^[a-zA-Z0-9_-]+$'``.
"""

import re
from base64 import urlsafe_b64decode, urlsafe_b64encode

_FIT = re.compile(r"[a-zA-Z0-9_-]+")
_WRAPPED = "toolu_lodestar_"


def wrap_id(call_id: str) -> str:
    """An upstream's id, fit for a client of this dialect."""
    if _FIT.fullmatch(call_id) and not call_id.startswith(_WRAPPED):
        return call_id
    return _WRAPPED + urlsafe_b64encode(call_id.encode("utf-8", "surrogatepass")).decode().rstrip("=")


def unwrap_id(call_id: str) -> str:
    """What ``wrap_id`` made it of; any other id is itself."""
    if not call_id.startswith(_WRAPPED):
        return call_id
    text = call_id.removeprefix(_WRAPPED)
    try:
        found = urlsafe_b64decode(text + "=" * (-len(text) % 4)).decode("utf-8", "surrogatepass")
    except ValueError:
        return call_id
    return found if wrap_id(found) == call_id else call_id


def make_id(reply_id: str, index: int) -> str:
    """An id for a call that came without one."""
    return f"toolu_{reply_id.removeprefix('req_')}_{index}"
