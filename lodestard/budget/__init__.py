"""What may be spent: pure arithmetic over prices and tokens.

Law: integers only, rounded up once; nothing here does I/O, reads a clock or remembers. An unknown price is never
zero: it never comes here.
"""

from lodestard.budget.pricing import cost_nano_usd, itemise
from lodestard.budget.projection import NotEnough, Projection, project
from lodestard.budget.unpriced import find_unpriced
from lodestard.budget.worst_case import Bounds, Ceiling, WorstCase, find_ceiling, worst_case

__all__ = [
    "Bounds",
    "Ceiling",
    "NotEnough",
    "Projection",
    "WorstCase",
    "cost_nano_usd",
    "find_ceiling",
    "find_unpriced",
    "itemise",
    "project",
    "worst_case",
]
