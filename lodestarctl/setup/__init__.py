"""The guide for the first run, which may be run again: finds out, asks, says what it will write, writes it, tries it.

``facts`` and ``look`` are what there is, ``guide`` asks, ``plan`` decides what follows (pure), ``apply`` does it.

Law: nothing is written before it was shown and checked with the whole configuration; what was there is kept beside
it.
"""
