"""Upstream connections: dial, keep, reuse, send, read; one pool per origin and one sender over them all.

Law: imports trio, httptools, the domain and the protocols; nothing else of ours. What may be done is decided in
``assign.py`` and ``seats.py`` without I/O; bytes become answers in ``answer.py`` without I/O.
"""
