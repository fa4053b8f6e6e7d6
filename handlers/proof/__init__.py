"""The journal decided again from nothing, to prove that it says what happened.

Used by ``ayes verify`` and by tests, never while a command is served.
"""
