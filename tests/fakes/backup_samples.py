"""What the daemon tells of backups, for the tests of screens and commands."""

from lodestard.control.messages.backup import (
    Backup,
    BackupItem,
    LeftOut,
    Made,
    Manifest,
    Restored,
    RestorePlan,
    Shelf,
    Step,
    Verified,
)
from lodestard.domain.backup import LedgerMark

MADE_MS = 1_795_663_800_000  # 2026-11-26 03:30:00
H_MS = 3_600_000
DAY_MS = 24 * H_MS
MANIFEST = Manifest(
    format=1,
    id="20261126T033000Z",
    at_ms=MADE_MS,
    versions={"lodestard": "0.9.0"},
    ledger=LedgerMark(requests=81_204, attempts=90_000, postings=20_000, cost_nano_usd=42_123_456_789),
    parts=(),
    left_out=(
        LeftOut("/etc/lodestard/conf.d/20-mine.toml", "a secret seems to be in it (upstreams.x.headers.cookie)"),
    ),
)
NEWEST = Backup(
    id="20261126T033000Z",
    file="/srv/backup/lodestar-20261126T033000Z.tar.zst",
    at_ms=MADE_MS,
    bytes=41_300_000,
    verified_ms=MADE_MS + 9_000,
    kept=("latest", "daily", "weekly", "monthly"),
)
COPIED = Backup(
    id="20261001T033000Z", file="/srv/backup/x", at_ms=MADE_MS - 56 * DAY_MS, bytes=9_000, kept=("not verified",)
)
LEAVING = Backup(id="20260901T033000Z", file="/srv/backup/y", at_ms=MADE_MS - 86 * DAY_MS, bytes=8_000, verified_ms=1)
SHELF = Shelf(folder="/srv/backup", backups=(NEWEST, COPIED, LEAVING), same_disk=False)
STEP = BackupItem(step=Step(what="packing", done=120_000_000, total=310_000_000))
MADE = BackupItem(made=Made(backup=NEWEST, manifest=MANIFEST, took_ms=8_400, deleted=("20251101T033000Z",)))
GOOD = Verified(file=NEWEST.file, manifest=MANIFEST)
BAD = Verified(file=NEWEST.file, faults=("ledger.db is not what its manifest says (SHA-256)",))
PLAN = RestorePlan(
    manifest=MANIFEST,
    folder="/var/lib/lodestard",
    aside="/var/lib/lodestard/set-aside-20261126T033000Z",
    requests_now=81_320,
    forgotten=116,
    forgotten_nano_usd=1_250_000_000,
    forgotten_held_nano_usd=0,
)
RESTORED = Restored(
    id="20261126T033000Z",
    folder="/var/lib/lodestard",
    aside=PLAN.aside,
    config="/var/lib/lodestard/restored-config-20261126T033000Z",
    requests=81_204,
    cost_nano_usd=42_123_456_789,
)
