"""``make bench``: Lodestar beside what one would pick instead, in one run, on one machine.

Read ``cases.py`` for what is asked, ``setups.py`` for how each is set up, ``run.py`` for how they take turns.
"""
