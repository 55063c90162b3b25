"""How many tokens a prompt is, where nobody who knows has been asked.

Law: an estimate is for people and for plans, never for money: what is held is a bound (``budget``), what is charged
is what the provider counted.
"""

from lodestard.tokens.estimator import Estimator

__all__ = ["Estimator"]
