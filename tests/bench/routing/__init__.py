"""How good and how cheap the choice of models is, beside baselines: ``make bench-routing``.

``cases.py`` says what is measured, ``worlds.py`` and ``prompts.py`` make it from a seed, ``table.py`` reads others'.
Law: the makers of data know nothing of the classifier or the router, and what is tuned never sees what is tested.
"""
