"""The error that ends a start, and other commands that need the same things."""


class StartError(Exception):
    """The server cannot start; the message is fit to print to an operator."""
