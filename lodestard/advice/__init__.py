"""Asking the router: what it would do with a request, which model to take, what another policy would have done.

Law: nothing is spent, nothing is written and nothing is sent. Text stays in memory for as long as the question takes;
what comes out are names, figures and reasons. Every figure is the router's own (``planning``, ``routing``).
"""
