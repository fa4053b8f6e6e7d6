"""One event in memory: its records, how they are loaded from rows, and what they weigh.

Nothing here writes to the database, and nothing decides.
"""
