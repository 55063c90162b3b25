"""Ollama's dialect.

For clients: ``chat_client``, ``generate_client`` and ``embed_client`` (with ``line_client``, ``client_read``,
``client_write``), and ``catalog``. For upstreams: ``api`` is the codec; ``write``, ``generate`` and ``embed`` write,
``read`` reads; ``host`` is its administration.
"""
