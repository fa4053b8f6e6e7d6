"""The page and the JavaScript SDK as files, and local sign-in by name.

The sources are in ``web`` and ``clients/js``.
"""
