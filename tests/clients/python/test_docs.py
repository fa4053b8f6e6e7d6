"""The client's pages: their code runs, and their tables match the program."""

from __future__ import annotations

import builtins
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

import ayes_client
from ayes_client import errors, testing
from ayes_client.cli import exits
from ayes_client.cli.verbs import VERBS
from tests.clients.python.conftest import Connect, client_of, gathering, proposal
from tests.clients.python.page_code import blocks, run_block
from tests.clients.python.terminal import Run
from tests.parts import ROOT
from tests.promises.running import Running, token
from tests.promises.scenes import fresh

_DOCS = ROOT / "docs" / "clients"
PAGES = (_DOCS / "python.md", ROOT / "clients" / "python" / "README.md", _DOCS / "app.md")
CLI = _DOCS / "cli.md"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
async def test_the_code_there_runs(
    page: Path,
    server: Running,
    connect: Connect,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    user = fresh("ada")
    client = await connect(user)
    room = await gathering(client)
    monkeypatch.chdir(tmp_path)

    async def ask_the_issuer() -> str:
        return token(user)

    names: dict[str, Any] = {"ask_the_issuer": ask_the_issuer}
    for text in blocks(page):
        wanted = await proposal(room)
        names |= {"client": client, "room": room, "event": room.event, "proposal": wanted}
        names["token"] = token(user)
        await run_block(text.replace("https://ayes.example", server.url), page, names)
    assert client.pending == []
    assert "Traceback" not in capsys.readouterr().err


def test_the_bot_there_is_the_one_of_the_examples() -> None:
    """``test_examples.py`` runs it."""
    shown = blocks(_DOCS / "bot.md")
    program = (ROOT / "clients" / "python" / "examples" / "weekly.py").read_text()
    assert shown
    assert [text for text in shown if text not in program] == []
    [plan, people] = re.findall(
        r"```(?:yaml|csv)\n(.*?)```", (_DOCS / "bot.md").read_text(), re.DOTALL
    )
    assert set(yaml.safe_load(plan)) == set(re.findall(r"plan\[['\"](\w+)['\"]\]", program))
    assert people.splitlines()[0].split(",") == re.findall(r"row\[\"(\w+)\"\]", program)


def test_the_console_there_is_run(tmp_path: Path) -> None:
    [text] = re.findall(r"```console\n(.*?)```", (_DOCS / "testing.md").read_text(), re.DOTALL)
    lines = [line.removeprefix("$ ") for line in text.splitlines()]
    programs = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    ran = subprocess.run(
        ["/bin/sh", "-ec", "\n".join(lines)],
        cwd=tmp_path,
        env=os.environ | {"PATH": programs, "AYES_AUTH_SECRET": "s" * 32},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert ran.returncode == 0, ran.stderr
    assert "ada" in ran.stdout


async def test_the_terminal_there_shows_what_is_printed(run: Run) -> None:
    [text] = re.findall(r"```console\n(.*?)```", CLI.read_text(), re.DOTALL)
    user, last, names = fresh("ada"), "", dict[str, str]()
    shown: Iterator[str] = iter(())
    ids = re.compile(r"[0-9a-f]{8}-[0-9a-f-]{27}|p_[a-z2-7]{16}|(?<=code )[A-Z0-9]{6}")
    for line in text.splitlines():
        if not line.startswith("$ "):
            assert ids.sub("ID", line) == next(shown)
        elif named := re.fullmatch(r"\$ (\w+)=\S+", line):
            # The variable has the last id of that kind that was printed.
            names[named[1]] = last
        elif line.startswith("$ ayes-client "):
            words = [names.get(word[1:], word) for word in shlex.split(line)[2:]]
            said = await run(user, *words)
            assert said.status == 0, said
            last = ids.findall(said.out)[0] if ids.search(said.out) else ""
            shown = iter(ids.sub("ID", said.out).splitlines())


def test_the_commands_there_are_those_there_are() -> None:
    told = re.findall(r"^\| `([a-z]+)` \| (.*) \|$", CLI.read_text(), re.MULTILINE)
    assert told == [
        *((verb.name, verb.help) for verb in VERBS),
        ("completion", "print the completion script of a shell"),
    ]


def test_the_statuses_there_are_those_there_are() -> None:
    told = {
        int(number)
        for cell in re.findall(r"^\| ([\d, ]+) \| ", CLI.read_text(), re.MULTILINE)
        for number in cell.split(",")
    }
    mine = {value for name, value in vars(exits).items() if name.startswith("EXIT_")}
    assert told == mine | {127}


def test_the_classes_there_are_those_there_are() -> None:
    for name in re.findall(r"`([A-Z][a-z]\w+)`", PAGES[0].read_text()):
        known = (errors, ayes_client, testing, builtins)
        assert any(hasattr(module, name) for module in known), name


async def test_a_client_can_be_led_by_hand(server: Running) -> None:
    client = client_of(server.url, "by-hand")
    client.start()
    assert (await client.ready()).id == "by-hand"
    await client.stop()
    assert client.status == "stopped"
