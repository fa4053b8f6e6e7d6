"""The journal decided again from nothing, to prove that it says what happened.

    entry       a journal entry as an auditor reads it
    replay      decides every entry again, and compares
    unrecorded  limits that were not recorded, inferred from the entries
    revisions   revisions of ballots that an older node may have dropped
    disclosure  entries without what is secret
    erasure     an event without one person's words, and the proof that nothing else changed

Used by ``ayes verify``, ``export`` and ``erase``, and by tests, never while a command is served.
"""
