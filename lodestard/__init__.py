"""Lodestar's daemon: one process between the tools and the models, that never loses count of the money."""

__version__ = "0.1.0"
