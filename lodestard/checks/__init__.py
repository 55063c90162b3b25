"""Output checks: is an answer of the form that its client can use? Pure.

Law: a check says why an answer has failed, in words of its own and never with a word of prompt or answer. What it
doesn't know it takes as right: a check that refused what a client would have taken would cost more than it saves.
"""

from lodestard.checks.watch import NOTHING_WRONG, Watch, open_watch

__all__ = ["NOTHING_WRONG", "Watch", "open_watch"]
