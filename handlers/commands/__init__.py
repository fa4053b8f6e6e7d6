"""One handler for each command: pure decisions on the event's state.

    registry     the handler of each command, in one table
    events       ``event.*``
    joining      ``membership.join`` and ``membership.add``
    memberships  ``membership.*``
    invitations  ``invitation.*``
    items        ``option.*``, ``assumption.*`` and ``criterion.*``
    proposals    ``proposal.*``
    votes        ``vote.*``
    comments     ``comment.*``
    ballots      ``ballot.*``

A handler raises ``FinalError`` to refuse its command, and ``Missing`` for a record that is not
loaded yet; then the lane loads it and calls the handler again. No handler sends, publishes or
writes SQL; ``handlers.lanes`` does what they decide.
"""
