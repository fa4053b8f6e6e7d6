"""One handler for each command: pure decisions on the event's state, collected in ``registry``.

No handler sends, publishes or writes SQL; ``handlers.lanes`` does what they decide.
"""
