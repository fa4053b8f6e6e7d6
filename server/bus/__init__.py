"""The port between nodes, and the two behind it: within one process, and Redis.

A message is a hint. Nothing that is decided depends on one.
"""
