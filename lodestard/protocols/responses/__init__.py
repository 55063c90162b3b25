"""OpenAI's Responses.

For clients: ``client`` is the door; ``read``, ``input``, ``toolbox`` and ``parts`` read; ``events``, ``object`` and
``write`` write; ``stored`` tells what was kept. For upstreams: ``request`` and ``items`` write, ``stream`` and
``plain`` read.
"""
