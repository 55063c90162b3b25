"""Anthropic's messages.

For clients: ``messages`` is the door, and the files that begin with its name are what it reads and writes;
``model_list``. For upstreams: ``upstream`` is the codec; ``request``, ``turns``, ``thinking``, ``caching`` and
``schemas`` write, as ``models`` says what a model takes; ``passing`` is for clients of the dialect; ``stream`` and
``plain`` read; ``counting``.
"""
