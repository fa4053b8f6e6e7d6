"""Entry, votes, terms, timers and ballots of an event, and who is shown what."""
