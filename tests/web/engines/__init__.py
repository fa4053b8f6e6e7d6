"""Firefox and WebKit, each driven over its own protocol; Chromium has the rest of ``tests/web``.

``tab`` a page and the presses on it, ``page.js`` how it finds controls, ``firefox`` and ``webkit``
the engines, ``program`` the processes that they run in.
"""
