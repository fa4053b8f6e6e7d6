"""The port between nodes and its two adapters: memory, for one process, and Redis.

A message is a hint. No decision depends on one; rooms read the journal.
"""
