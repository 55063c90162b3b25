"""A program of its own: the prices of the wanted targets, out of the package ``genai-prices``.

``python -m lodestard.prices.extract`` reads an ``Asked`` as JSON from its standard input and writes a ``PriceList``
to its standard output. Law: nobody else imports ``genai_prices`` (30 MB and a third of a second), and nobody imports
this; it works offline and changes nothing.
"""
