"""One of several server processes; started by ``supervisor`` alone."""

from __future__ import annotations

import os
import signal
import socket
import sys
import threading
from pathlib import Path

from server import process
from server.http.process_metrics import ProcessMetrics
from server.processes.start import ChildStart, read_start


def main() -> int:
    """Serve until a signal, or until the supervisor is gone; return the exit status."""
    try:
        start = read_start(sys.stdin.buffer)
    except EOFError:
        return process.EXIT_FAILURE
    threading.Thread(target=_end_with_supervisor, name="supervisor", daemon=True).start()
    return process.run(start.settings, _shared(start))


def _shared(start: ChildStart) -> process.Shared:
    def serving() -> None:
        os.write(start.ready, b"\n")
        os.close(start.ready)

    metrics_listener = start.metrics_listener
    return process.Shared(
        number=start.number,
        database_url=start.database_url,
        listener=socket.socket(fileno=start.listener),
        metrics_listener=None
        if metrics_listener is None
        else socket.socket(fileno=metrics_listener),
        metrics=ProcessMetrics(Path(start.folder), start.number, start.processes),
        serving=serving,
    )


def _end_with_supervisor() -> None:
    """Stop as by SIGTERM once the supervisor's end of the pipe is closed: it was killed."""
    while os.read(sys.stdin.fileno(), 1):
        pass
    os.kill(os.getpid(), signal.SIGTERM)


if __name__ == "__main__":
    sys.exit(main())
