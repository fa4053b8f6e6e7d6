"""The costs of Ayes, measured next to peers on the same machine in the same minute.

One command a subject: ``python -m benchmarks.votes``. README.md explains the tables.
"""
