"""The two halves of ``Client``: giving commands and queries, and entering rooms.

``client.Client`` puts them together with the connection.
"""
