"""The price book: what a public price list says of the configured models, kept as a small file.

Law: the list's own package is imported by one program alone, ``extract``, which runs for a moment in a process of its
own; the daemon reads what that writes.
"""
