"""Gemini's own dialect, for upstreams.

``upstream`` is the codec; ``request`` and ``content`` write, ``answer`` and ``plain`` read.
"""
