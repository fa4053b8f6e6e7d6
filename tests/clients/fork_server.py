"""A warm interpreter: the SDK is imported once, and each program is a fork of this process.

Its only argument is the number of a UNIX socket, on which ``programs.py`` asks. This file imports
the SDK and the standard library alone, like the programs that it becomes.
"""

from __future__ import annotations

import gc
import json
import os
import runpy
import signal
import socket
import sys
from pathlib import Path
from typing import Any

import ayes_client
import ayes_client.cli

__all__ = ["ayes_client"]


def serve(asking: socket.socket) -> socket.socket | None:
    """Fork for each question; return in the program that is to run, or at the end.

    A keeper between this process and each program waits for the program, and sends its id and its
    exit status.
    """
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    gc.freeze()
    while True:
        word, given, _, _ = socket.recv_fds(asking, 1, 4)
        if not word:
            return None
        *streams, number = given
        if os.fork():
            for each in given:
                os.close(each)
            continue
        asking.close()
        answer = socket.socket(fileno=number)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        program = os.fork()
        if not program:
            for place, each in enumerate(streams):
                os.dup2(each, place)
                os.close(each)
            return answer
        for each in streams:
            os.close(each)
        _keep(program, answer)


def _keep(program: int, answer: socket.socket) -> None:
    answer.sendall(b"%d\n" % program)
    _, status = os.waitpid(program, 0)
    answer.sendall(b"%d\n" % os.waitstatus_to_exitcode(status))
    os._exit(0)


def run(answer: socket.socket) -> None:
    """Become the program, as ``python file`` or ``python -m module`` would."""
    with answer, answer.makefile("rb") as question:
        asked: dict[str, Any] = json.loads(question.readline())
    os.chdir(asked["cwd"])
    os.environ.clear()
    os.environ.update(asked["env"])
    program, *arguments = asked["program"]
    if program == "-m":
        module, *arguments = arguments
        sys.argv = [module, *arguments]
        sys.path.insert(0, asked["cwd"])
        runpy.run_module(module, run_name="__main__", alter_sys=True)
    else:
        sys.argv = [program, *arguments]
        sys.path.insert(0, str(Path(program).parent))
        runpy.run_path(program, run_name="__main__")


if __name__ == "__main__":
    found = serve(socket.socket(fileno=int(sys.argv[1])))
    if found is not None:
        run(found)
