"""Models, and small real calls to them."""

from typing import Literal

from lodestard.control.envelope import Message


class ModelTarget(Message, frozen=True):
    """One target of an alias. Rates are pico-USD a token; None where there is no price.

    ``place`` is where a local model is: resident, loading, absent or missing (its server does not have it); empty
    where nobody knows. ``token_error`` is by how much its prompts' estimates were off lately, as a share (the median
    of ``token_samples``); None before anything was learned. ``breaker``: its own or its upstream's, closed, open or
    half_open.
    """

    target: str
    dialect: str = ""
    free: bool = False
    state: Literal["up", "down", "unknown"] = "unknown"
    place: str = ""
    input_pico_usd: int | None = None
    output_pico_usd: int | None = None
    token_samples: int = 0
    token_error: float | None = None
    note: str = ""
    breaker: str = "closed"


class ModelRow(Message, frozen=True):
    alias: str
    targets: tuple[ModelTarget, ...]
    description: str = ""


class ModelsReport(Message, frozen=True):
    models: tuple[ModelRow, ...]


class TestPlan(Message, frozen=True):
    """One call that ``models.test`` would make, and the most that it can cost; None where nobody knows."""

    __test__ = False

    alias: str
    target: str
    max_cost_nano_usd: int | None
    note: str = ""


class TestPlans(Message, frozen=True):
    __test__ = False

    calls: tuple[TestPlan, ...]


class TestResult(Message, frozen=True):
    """How one small real call went. ``outcome`` is ``ok`` or a code."""

    __test__ = False

    alias: str
    target: str
    outcome: str
    total_ms: int = 0
    cost_nano_usd: int = 0
    detail: str = ""
