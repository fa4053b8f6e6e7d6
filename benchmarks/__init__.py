"""What Ayes costs, measured beside peers on the same machine in the same minute.

One command a subject: ``python -m benchmarks.votes``. README.md tells how to read the tables.
"""
