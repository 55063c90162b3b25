"""Quick switches: one alias in place of every other, for a session, a project, or all, for a time."""

from typing import Literal

import msgspec

Scope = Literal["session", "project", "all"]
SCOPES: tuple[Scope, ...] = ("session", "project", "all")
"""The narrower ones first: they win."""


class Switch(msgspec.Struct, frozen=True, kw_only=True):
    """``of`` is the session's or project's name, empty for all. ``until_ms`` None: until it is taken back."""

    alias: str
    scope: Scope = "all"
    of: str = ""
    since_ms: int = 0
    until_ms: int | None = None
