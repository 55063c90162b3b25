"""Plain data: the words that every room shares.

Law: imports nothing of ours outside this folder, does no I/O and reads no clock (but for ``clock.py``).
"""
