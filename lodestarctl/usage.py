"""What a command says of words that it can't understand."""


class UsageError(Exception):
    """The command line can't be understood; the message says why."""
