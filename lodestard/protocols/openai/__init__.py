"""OpenAI's dialects: chat completions, completions, fill-in-the-middle and embeddings.

For clients: ``chat``, ``completions``, ``fim``, ``embeddings`` (each with what it reads and writes); ``models``. For
upstreams: ``upstream`` is the codec; ``build`` writes what was asked in another dialect, ``stream`` and ``plain``
read.
"""
