"""Clients with keys for people: the list, and what there is to know about a new one."""

from collections.abc import Iterator

from lodestarctl.render.blocks import Block, Cell, Column, Note, Table, Tone
from lodestarctl.render.findings import render_reload
from lodestarctl.render.words import count, moment
from lodestard.control.messages.keys import KeyAdded, KeyList, KeyRevoked, KeyRow

TONES: dict[str, Tone] = {"active": "good", "revoked": "dim", "expired": "warn"}


def render_keys(found: KeyList) -> list[Block]:
    """By name."""
    columns = (
        Column("client"),
        Column("state"),
        Column("last seen"),
        Column("may use", flexible=True),
        Column("is", flexible=True),
        Column("a minute", flexible=True),
    )
    rows = [
        (
            Cell(row.name, "strong"),
            Cell(row.state, TONES[row.state]),
            Cell("never" if row.last_seen_ms is None else moment(row.last_seen_ms, "%Y-%m-%d %H:%M"), "dim"),
            Cell(", ".join(row.models) or "all models"),
            Cell(", ".join(_bound(row))),
            Cell(", ".join(_rates(row))),
        )
        for row in found.keys
    ]
    empty = "No client has a key: everybody on this machine is let in. lodestarctl keys add NAME makes one."
    keyless = "This machine's own programs need no key (server.keyless_loopback)."
    notes = [Note(keyless, "dim", "·")] if rows and found.keyless_loopback else []
    return [Table(columns, rows, empty=empty), *notes]


def _bound(row: KeyRow) -> Iterator[str]:
    for what, value in (("project", row.project), ("user", row.user)):
        if value:
            yield f"{what} {value}"
    if row.priority:
        yield row.priority
    if row.expires:
        yield f"until {row.expires}"


def _rates(row: KeyRow) -> Iterator[str]:
    for what, value in (("requests", row.requests_per_minute), ("tokens", row.tokens_per_minute)):
        if value is not None:
            yield f"{count(value)} {what}"


def notes_on(added: KeyAdded) -> Iterator[str]:
    """What to do with a key, and what has changed by it."""
    yield f"This is the key of {added.name}. It is shown this once: only its SHA-256 is kept."
    yield "Clients send it as their API key: Authorization: Bearer KEY, or x-api-key."
    if added.first and not added.keyless_loopback:
        yield (
            "It is the first one: from now on every request needs a key, also from this machine, unless you say "
            "lodestarctl config set server.keyless_loopback true."
        )


def render_revoked(revoked: KeyRevoked) -> list[Block]:
    if not revoked.report.ok:
        return render_reload(revoked.report)
    text = f"The key of {revoked.name} opens nothing any more. Requests under way go on."
    return [Note(text, "good", "✓", f"lodestarctl keys add {revoked.name} --replace gives it a new one.")]
