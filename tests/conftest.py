"""Fixtures for every test; the real parts they run against are in ``tests/parts.py``."""

import signal

pytest_plugins = ("tests.parts",)

# A shell starts what it runs in the background with Ctrl-C ignored, which children inherit; the
# tests end theirs by it.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
