"""How long a command may wait, and what a client is asked to wait after ``busy``."""

from __future__ import annotations

#: Seconds from a command's arrival in which it is tried: behind a batch that waits for the lock,
#: in a convoy, or alone. Afterwards it is answered ``busy``, ``overloaded`` or ``commit_unknown``.
#: Long enough for a failed try and another one on a fresh connection.
COMMAND_TIMEOUT_S = 5.0
#: Age in seconds at which a command that still waits in its lane is answered ``busy``, untried.
#: Otherwise a long queue would wait for the failure of each batch before it, one after another.
#: Above ``COMMAND_TIMEOUT_S``, so that a slow lane makes progress; below the 15 s that HTTP waits.
QUEUE_TIMEOUT_S = 10.0
#: What a client is asked to wait after ``busy`` or ``overloaded``. Long enough that retries do not
#: fill the queue again at once.
BUSY_RETRY_DELAY_MS = 500
