"""Which backups are kept, and why. Pure.

Law: only verified ones count, and only they ever go: what nobody has verified, or what was found bad, is a person's
to delete. The newest good one always stays, and what was made in the day before it: a mistake is often seen after the
next one. Of each of the last days, weeks and months that have one, the last is kept.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, tzinfo

from lodestard.domain.backup import Backup, BackupRules

MS_PER_S = 1_000
RECENT_MS = 24 * 3_600 * MS_PER_S
NOT_VERIFIED = "not verified"
Period = Callable[[datetime], object]


def choose_kept(backups: Sequence[Backup], rules: BackupRules, zone: tzinfo) -> Mapping[str, tuple[str, ...]]:
    """The reasons for each by its id; none: it need not be kept."""
    reasons: dict[str, list[str]] = {backup.id: [] for backup in backups}
    for backup in backups:
        if backup.verified_ms is None:
            reasons[backup.id].append(NOT_VERIFIED)
    good = sorted((each for each in backups if each.verified_ms is not None), key=_newest_first)
    if good:
        reasons[good[0].id].append("latest")
        for backup in good[1:]:
            if backup.at_ms > good[0].at_ms - RECENT_MS:
                reasons[backup.id].append("recent")
    periods: tuple[tuple[str, int, Period], ...] = (
        ("daily", rules.keep_daily, lambda when: when.date()),
        ("weekly", rules.keep_weekly, lambda when: when.isocalendar()[:2]),
        ("monthly", rules.keep_monthly, lambda when: (when.year, when.month)),
    )
    for name, most, period in periods:
        for backup in _last_of_each(good, period, zone)[:most]:
            reasons[backup.id].append(name)
    return {name: tuple(why) for name, why in reasons.items()}


def _newest_first(backup: Backup) -> tuple[int, str]:
    return -backup.at_ms, backup.id


def _last_of_each(newest_first: Sequence[Backup], period: Period, zone: tzinfo) -> list[Backup]:
    found: dict[object, Backup] = {}
    for backup in newest_first:
        when = datetime.fromtimestamp(backup.at_ms // MS_PER_S, UTC).astimezone(zone)
        found.setdefault(period(when), backup)
    return list(found.values())
