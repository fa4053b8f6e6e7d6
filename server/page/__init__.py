"""Serves the web page and the JavaScript SDK as files, and local sign-in by name.

    page         the routes: ``/``, ``/app/…``, ``/sdk/…``
    files        the files, in memory
    headers      the security headers of every answer
    local        sign-in by name alone, on a server that serves its own machine
    wrong_paths  paths that mail programs and people changed

The files themselves are in ``web`` and ``clients/js``; the API is in ``server.http``.
"""
