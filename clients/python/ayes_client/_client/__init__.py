"""The two halves of ``Client``: giving commands and questions, and entering rooms.

``client.Client`` puts them together with the connection.
"""
