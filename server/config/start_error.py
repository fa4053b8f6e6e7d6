"""The error that ends a start, or a command with the same requirements."""


class StartError(Exception):
    """The server cannot start. The message can be shown to the operator."""
