"""Reads outside the locked transaction: rooms, lists, a user's own view, what is due.

    event_reads    rooms, a user's own view, steps, positions
    lists          lists that are read page by page, and the overview of an event
    participation  who voted on a proposal, and who submitted a ballot
    prechecks      whether an event exists and the sender's status, before its command waits
    ballots        ballots by name, and a voter's own proof
    people         members, requests and invitations, page by page
    entries        the ways in without an account
    server_keys    keys that all nodes share
    due            proposals that expired or opened
    revocations    revocations of access
    operator       nodes, events and users, for an operator
    statistics     PostgreSQL's own statistics

Nothing here takes an event's lock. Each function raises what ``Database.connection`` raises, and
asyncpg's errors; ``persistence/database/faults.py`` says what an error means.
"""
