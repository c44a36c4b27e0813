"""The one exception for what a user can mend: its message names the file or flag, the value seen, and the remedy."""


class UserError(ValueError):
    """A mistake in a command line, a configuration or a file; shown as one line, without a traceback."""
