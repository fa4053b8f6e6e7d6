"""A process that owns an embedded PostgreSQL, as the server does, to be killed by tests.

``python -m tests.persistence.embedded_owner DIRECTORY [LARGEST_FILE]``: starts it, prints its URL,
and stops it when stdin ends or SIGINT comes. LARGEST_FILE, in bytes, stands in for a full disk.
"""

from __future__ import annotations

import resource
import sys
from pathlib import Path

from persistence.embedded.postgres import EmbeddedPostgres, EmbeddedPostgresError


def main() -> int:
    if len(sys.argv) > 2:
        resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[2]), int(sys.argv[2])))
    postgres = EmbeddedPostgres(Path(sys.argv[1]))
    try:
        sys.stdout.write(postgres.start() + "\n")
        sys.stdout.flush()
        sys.stdin.read()
    except EmbeddedPostgresError as err:
        sys.stderr.write(f"{err}\n")
        return 1
    except KeyboardInterrupt:
        return 130
    finally:
        postgres.stop()
    return 0


if __name__ == "__main__":
    sys.exit(main())
