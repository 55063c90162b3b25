"""``lodestarctl dashboard``: a live screen, fed by what the daemon pushes.

Law: what is shown is a pure function of what came, of the keys that were pressed and of the terminal's size; only
``terminal.py``, ``feed.py`` and ``loop.py`` touch the world. No library beyond the standard one and msgspec.
"""
