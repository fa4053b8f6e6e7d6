"""Commands and queries without an answer, and the outbox that keeps commands.

Nothing here sends. A session takes from the queues and reports the answers to them.
"""
