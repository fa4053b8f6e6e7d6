"""Fixtures for every test; the real parts they run against are in ``tests/parts.py``."""

import signal

pytest_plugins = ("tests.parts",)

# A shell starts background jobs with Ctrl-C ignored, which children inherit; the tests end their
# children by it.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
