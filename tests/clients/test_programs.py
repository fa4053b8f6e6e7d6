"""A program that is a fork of a warm interpreter does what a new interpreter would."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.clients.programs import start_program

SHOW = """
import json, os, random, sys
read = sys.stdin.read()
print(json.dumps([__name__, sys.argv[1:], os.getcwd(), os.environ.get("MINE"), sys.path[0], read]))
print(sys.stdout.line_buffering, sys.flags.optimize, file=sys.stderr)
"""
IDS = """
import random
from ayes_client import new_id
print(random.random(), new_id())
"""
WAIT = """
import sys, time
print("ready", flush=True)
time.sleep(60)
"""


async def new(*program: str, **options: Any) -> asyncio.subprocess.Process:
    """Start it in a new interpreter."""
    pipes: Any = dict.fromkeys(("stdin", "stdout", "stderr"), asyncio.subprocess.PIPE)
    return await asyncio.create_subprocess_exec(sys.executable, *program, **pipes, **options)


async def both(*program: str, given: bytes = b"", **options: Any) -> list[tuple[Any, ...]]:
    """Status, output and errors: of a new interpreter, and of a fork."""
    found = []
    for start in (new, start_program):
        child: Any = await start(*program, **options)
        child.stdin.write(given)
        child.stdin.close()
        out, err = await asyncio.gather(child.stdout.read(), child.stderr.read())
        found.append((await child.wait(), out, err))
    return found


async def test_it_gets_what_an_interpreter_would_give_it(tmp_path: Path) -> None:
    path = tmp_path / "show.py"
    path.write_text(SHOW)
    options: dict[str, Any] = {"env": os.environ | {"MINE": "yes"}, "cwd": tmp_path}
    usual, forked = await both(str(path), "a", "b c", given=b"some words", **options)
    assert forked == usual
    assert usual[0] == 0
    assert b"some words" in usual[1]


@pytest.mark.parametrize("end", ["pass", "raise SystemExit(7)", "raise SystemExit('no')"])
async def test_it_ends_as_it_would(tmp_path: Path, end: str) -> None:
    path = tmp_path / "end.py"
    path.write_text(f"print('x')\n{end}\n")
    usual, forked = await both(str(path))
    assert forked == usual


async def test_what_it_raises_is_shown_and_a_module_is_found(tmp_path: Path) -> None:
    (tmp_path / "broken.py").write_text("import json\n1 / 0\n")
    usual, forked = await both("-m", "broken", cwd=tmp_path)
    assert usual[0] == forked[0] == 1
    for _, _, errors in (usual, forked):
        assert errors.endswith(b"ZeroDivisionError: division by zero\n")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
async def test_a_signal_reaches_it(tmp_path: Path, number: signal.Signals) -> None:
    path = tmp_path / "wait.py"
    path.write_text(WAIT)
    program = await start_program(str(path))
    assert await program.stdout.readline() == b"ready\n"
    program.send_signal(number)
    out, err = await program.communicate()
    assert (await program.wait(), out) == (-number, b"")
    assert (b"KeyboardInterrupt" in err) == (number == signal.SIGINT)


async def test_no_two_have_the_same_randomness(tmp_path: Path) -> None:
    path = tmp_path / "ids.py"
    path.write_text(IDS)
    said = [(await (await start_program(str(path))).communicate())[0].split() for _ in range(3)]
    assert len({word for words in said for word in words}) == 6
