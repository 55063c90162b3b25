"""Screens: a state → a frame as large as the terminal. Pure.

Law: every frame has exactly as many lines as the terminal, none wider than it; what there is no room for is left out,
and said so.
"""

from lodestarctl.dashboard.screens.frame import draw, draw_once

__all__ = ["draw", "draw_once"]
