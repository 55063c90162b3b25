"""The tables ``[modules.reconcile]``, ``.openai`` and ``.anthropic``."""

from decimal import Decimal
from typing import Annotated

from msgspec import Meta

from lodestard.domain.money import parse_nano_usd
from lodestard.domain.record import Positive, Record, Seconds
from lodestard.domain.settings import KeySource
from lodestard.module import ModuleSettings

Days = Annotated[Positive, Meta(le=31)]
MOST_PERCENT = 100


class Account(Record, frozen=True):
    """Whose bill, and the admin key that shows it."""

    upstream: str = ""
    key: KeySource | None = None

    def __post_init__(self) -> None:
        if self.upstream and self.key is None:
            raise ValueError("key: an admin key is needed; the upstream's own can't see bills")


class OpenAIAccount(Account, frozen=True):
    """``project_ids``: the bills of these projects only. Empty: of the whole organisation."""

    url: str = "https://api.openai.com"
    project_ids: tuple[str, ...] = ()


class AnthropicAccount(Account, frozen=True):
    """``workspace_ids``: the bills of these workspaces only; ``default`` is the one without an id."""

    url: str = "https://api.anthropic.com"
    workspace_ids: tuple[str, ...] = ()


class ReconcileSettings(ModuleSettings, frozen=True):
    """A day is final ``settle_days`` after its end. Alarm above ``alarm_percent`` or ``alarm_usd``, what is more."""

    enabled: bool = False
    interval_s: Seconds = 21_600.0
    lookback_days: Days = 7
    settle_days: Days = 2
    alarm_percent: Decimal = Decimal(1)
    alarm_usd: Decimal = Decimal("0.05")
    openai: OpenAIAccount = OpenAIAccount()
    anthropic: AnthropicAccount = AnthropicAccount()

    def __post_init__(self) -> None:
        if not 0 <= self.alarm_percent <= MOST_PERCENT:
            raise ValueError("alarm_percent: expected 0 to 100")
        parse_nano_usd(self.alarm_usd)
        if self.settle_days >= self.lookback_days:
            raise ValueError("lookback_days: must be more than settle_days, or no day is ever final")
