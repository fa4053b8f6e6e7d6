"""Serves the web page and the JavaScript SDK as files, and local sign-in by name.

The files themselves are in ``web`` and ``clients/js``; the API is in ``server.http``.
"""
