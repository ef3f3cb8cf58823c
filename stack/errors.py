"""The one exception of the launcher."""


class StackError(Exception):
    """Something on this machine keeps Pulse from running; the message says what failed and what to do."""
