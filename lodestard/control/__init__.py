"""The control socket: verbs over HTTP on a Unix socket, and the one client that speaks to it.

Law: ``messages`` and ``client`` import nothing but the standard library, msgspec and the domain's words, so that
the command line starts at once.
"""
