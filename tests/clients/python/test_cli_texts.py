"""``ayes-client`` with texts as people type, paste and print them: links, codes, tokens."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from asyncio.subprocess import PIPE
from pathlib import Path

import pytest

from ayes_client.cli import exits
from ayes_client.cli.pasted import entrance_code, event_id
from tests.clients.python.terminal import Run
from tests.promises.running import ROOT, Running, token
from tests.promises.scenes import fresh

WORDS = "Où ? 東京 🦤"
EVENT = "7f0535cf-1777-53b9-94bd-fa2f5a16b181"


@pytest.mark.parametrize("encoding", ["ascii", "cp1252"])
async def test_what_a_terminal_cannot_show_is_no_error(
    server: Running, run: Run, encoding: str
) -> None:
    """The command had its effect: a traceback would make a script do it again."""
    user = fresh("ada")
    made = await run(user, "create", WORDS, "--json")
    event = made.json["result"]["event"]
    narrow = {"AYES_URL": server.url, "AYES_TOKEN": token(user), "PYTHONIOENCODING": encoding}
    for more in ([], ["--json"]):
        arguments = (sys.executable, "-m", "ayes_client.cli", "status", event, *more)
        child = await asyncio.create_subprocess_exec(
            *arguments, cwd=ROOT, env=os.environ | narrow, stdout=PIPE, stderr=PIPE
        )
        out, err = await child.communicate()
        assert (child.returncode, err) == (0, b"")
        if more:
            assert json.loads(out.decode(encoding))["state"]["event"]["subject"] == WORDS


async def test_an_argument_that_is_no_text_is_wrong_usage(run: Run) -> None:
    said = await run(fresh("ada"), "create", os.fsdecode(b"caf\xe9"))
    assert said.status == exits.EXIT_USAGE
    assert "is no text" in said.err


@pytest.mark.parametrize(
    "text",
    [
        *("K7Q2MX", "k7q2mx", " k7q-2mx ", "\uff2b\uff17\uff31\uff12\uff2d\uff38", "k7q2mx."),
        *("https://h/#/join/K7Q2MX", "https://h/%23/join/k7q2mx?utm_source=mail"),
    ],
)
def test_a_code_is_known_in_any_form(text: str) -> None:
    assert entrance_code(text) == "K7Q2MX"


@pytest.mark.parametrize(
    "text", [EVENT, f"https://h/decide/#/e/{EVENT}/ballot", f"https://h/%23/e/{EVENT.upper()})."]
)
def test_an_event_is_known_by_a_link_to_its_room(text: str) -> None:
    assert event_id(text) == EVENT


async def test_a_link_stands_for_its_event(run: Run, server: Running) -> None:
    user = fresh("ada")
    made = (await run(user, "create", "Lunch", "--json")).json["result"]
    room = f"{server.url}/#/e/{made['event']}/people"
    assert (await run(user, "status", room)).out.startswith("Lunch")
    way_in = f"{server.url}/#/join/{made['entrance_code'].lower()}"
    assert "Lunch" in (await run(fresh("bob"), "overview", way_in)).out


@pytest.mark.parametrize("form", ["\ufeff{}\r\n", "Bearer {}", "Authorization: Bearer {}\n"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
async def test_a_token_is_read_as_editors_and_shells_wrote_it(
    run: Run, tmp_path: Path, form: str, encoding: str
) -> None:
    given = form.format(token(fresh("ada")))
    path = tmp_path / "token"
    path.write_text(given, encoding=encoding)
    assert (await run(None, "events", "--token-file", str(path))).status == 0
    assert (await run(None, "events", "--token", given)).status == 0
