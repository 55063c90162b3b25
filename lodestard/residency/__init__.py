"""Who is admitted to a model's host, and when.

Law: dialling waits for ``Admission``. This room decides it; nobody else counts what a host is doing.
"""
