"""Backups, for people."""

import time

from lodestarctl.render.blocks import Block, Cell, Column, Facts, Note, Table
from lodestarctl.render.words import count, moment, plural, size, span, usd
from lodestard.control.messages.backup import (
    Backup,
    BackupItem,
    LeftOut,
    Restored,
    RestorePlan,
    Shelf,
    Step,
    Verified,
)

MS_PER_S = 1_000
BAR = 20
COLUMNS = (
    Column("id"),
    Column("made", spare="wide"),
    Column("size", "right"),
    Column("age", "right"),
    Column("verified"),
    Column("kept as", flexible=True),
)


def show_shelf(shelf: Shelf) -> list[Block]:
    """As it is now."""
    return render_shelf(shelf, int(time.time() * MS_PER_S))  # noqa: TID251  the ctl has no clock handed in


def render_shelf(shelf: Shelf, now_ms: int) -> list[Block]:
    """One row a backup, the newest first."""
    rows = [_row(backup, now_ms) for backup in shelf.backups]
    total = sum(backup.bytes for backup in shelf.backups)
    blocks: list[Block] = [
        Table(COLUMNS, rows, empty="There is no backup yet: lodestarctl backup now."),
        Facts((("Folder", Cell(shelf.folder)), ("Together", Cell(size(total))))),
    ]
    if shelf.same_disk:
        blocks.append(Note("They are on the ledger's own disk: when that dies, they die with it.", "warn", "!"))
    return blocks


def _row(backup: Backup, now_ms: int) -> tuple[Cell, ...]:
    verified = (
        Cell(moment(backup.verified_ms, "%Y-%m-%d %H:%M"), "good") if backup.verified_ms else Cell("no", "warn")
    )
    return (
        Cell(backup.id, "strong"),
        Cell(moment(backup.at_ms, "%Y-%m-%d %H:%M")),
        Cell(size(backup.bytes)),
        Cell(span(max(0, now_ms - backup.at_ms) / MS_PER_S)),
        verified,
        Cell(", ".join(backup.kept) or "goes with the next backup", "" if backup.kept else "dim"),
    )


def step_line(step: Step) -> str:
    """``packing ██████░░░░ 120.4 of 310.0 MB``."""
    if not step.total:
        return f"{step.what} …"
    filled = BAR * step.done // step.total
    return f"{step.what} {'█' * filled}{'░' * (BAR - filled)} {size(step.done)} of {size(step.total)}"


def render_made(item: BackupItem) -> list[Block]:
    """What there is now, what is not in it, what went."""
    made = item.made
    if made is None:
        return [Note("The daemon did not say how it ended.", "bad", "✗")]
    ledger = made.manifest.ledger
    what = f"{plural(ledger.requests, 'request')}, {usd(ledger.cost_nano_usd)}"
    took = span(made.took_ms / MS_PER_S) if made.took_ms >= MS_PER_S else f"{made.took_ms} ms"
    blocks: list[Block] = [
        Note(f"Backed up and verified: {made.backup.id} ({size(made.backup.bytes)}, {what}) in {took}.", "good", "✓"),
        Facts((("File", Cell(made.backup.file)),)),
        *_left_out(made.manifest.left_out),
    ]
    if made.deleted:
        blocks.append(Note(f"Deleted, as they need not be kept: {', '.join(made.deleted)}.", "dim", "·"))
    return blocks


def _left_out(files: tuple[LeftOut, ...]) -> list[Block]:
    return [Note(f"Not in it: {each.name}", "warn", "!", each.why) for each in files]


def render_verified(found: Verified) -> list[Block]:
    """Good, or every fault."""
    if found.faults or found.manifest is None:
        return [Note(f"{found.file} can't be used.", "bad", "✗"), *(Note(each, "bad", "·") for each in found.faults)]
    ledger = found.manifest.ledger
    what = f"{plural(ledger.requests, 'request')}, {usd(ledger.cost_nano_usd)}; its books balance"
    return [Note(f"{found.file} is good: {what}.", "good", "✓"), *_left_out(found.manifest.left_out)]


def render_plan(plan: RestorePlan) -> list[Block]:
    """From what to what, and what will not be known any more."""
    ledger = plan.manifest.ledger
    there = "none" if plan.requests_now is None else plural(plan.requests_now, "request")
    if plan.unreadable and plan.requests_now is None:
        there = "one that can't be read"
    comes = f"{plural(ledger.requests, 'request')}, {usd(ledger.cost_nano_usd)}, of {moment(plan.manifest.at_ms)}"
    pairs = [("Folder", Cell(plan.folder)), ("Ledger now", Cell(there)), ("Ledger then", Cell(comes, "strong"))]
    if plan.aside:
        pairs.append(("Set aside", Cell(f"what is there goes to {plan.aside}; nothing is deleted")))
    return [Facts(tuple(pairs)), *_forgotten(plan)]


def _forgotten(plan: RestorePlan) -> list[Block]:
    if plan.forgotten is not None:
        return _known(plan)
    if plan.requests_now is None and not plan.unreadable and plan.logged is None:
        return [Note(UNKNOWN_SPENT, "warn", "!", UNKNOWN_ADVICE)]
    notes: list[Block] = []
    if plan.unreadable and plan.requests_now is None:
        notes.append(Note(f"The ledger that is there can't be read: {plan.unreadable}", "bad", "✗"))
    elif plan.unreadable:
        why = "The ledger that is there is older than the backup, or another one. It stays in what is set aside."
        notes.append(Note(why, "warn", "!"))
    if plan.logged is None:
        return [*notes, Note(UNKNOWN_SPENT, "warn", "!", UNKNOWN_ADVICE)]
    what = f"{plural(plan.logged, 'attempt')} after the backup, {usd(plan.logged_nano_usd)} in all"
    return [*notes, Note(f"The ledger's log has {what}: budgets will not count them.", "warn", "!", UNKNOWN_ADVICE)]


UNKNOWN_SPENT = "What was spent after the backup is not known here: budgets will not count it."
UNKNOWN_ADVICE = "lodestarctl reconcile compares with the providers' bills; lower the budgets until then."


def _known(plan: RestorePlan) -> list[Block]:
    requests, spent = plan.forgotten or 0, (plan.forgotten_nano_usd or 0) + (plan.forgotten_held_nano_usd or 0)
    if not requests and not spent:
        return [Note("Nothing came after the backup: no request is lost.", "good", "✓")]
    what = f"{plural(requests, 'request')} after the backup, {usd(spent)} in all"
    if not requests:  # one of before it was still under way
        what = f"{usd(spent)} for requests that were under way at the backup"
    if plan.keep_spent:
        return [Note(f"{what}: carried over from the ledger that is there.", "good", "✓")]
    advice = "--keep-spent carries them over. They stay in what is set aside in any case."
    return [Note(f"{what}, will be gone: reports and budgets will not count them.", "bad", "✗", advice)]


def render_restored(done: Restored, *, elsewhere: bool = False) -> list[Block]:
    """What is in place now, and what to do next. ``elsewhere``: in another folder than the configured one."""
    if done.resumed:
        return [Note(f"An earlier restore of {done.id} was brought to its end. Now: {NEXT}.", "good", "✓")]
    carried = f", {count(done.carried)} of them carried over" if done.carried else ""
    what = f"{plural(done.requests, 'request')}{carried}, {usd(done.cost_nano_usd)}"
    pairs = [("Folder", Cell(done.folder))]
    if done.aside:
        pairs.append(("Set aside", Cell(done.aside)))
    if done.config:
        pairs.append(("Configuration", Cell(f"{done.config}, to compare: it is not in force")))
    return [
        Note(f"{done.id} is in place: {what}.", "good", "✓"),
        Facts(tuple(pairs)),
        *([] if elsewhere else [Note(f"Now: {NEXT}.", "dim", "·")]),
    ]


NEXT = "start lodestard again (as a service: systemctl start lodestard)"
