"""One event in memory: its records, how they are loaded from rows, and what they weigh.

    records           the rows as frozen records
    state             the records of one event, and how it asks for those that it does not have
    loading           rows loaded into the state
    loading_together  rows of several events loaded into their states
    outline           an event without its texts
    windows           the start of the room's window of resolved proposals
    limits            the limits of an event, stored with it
    terms             the terms of a proposal's votes, encoded and decoded
    weights           bytes of memory that records take

Nothing here writes to the database, and nothing decides.
"""
