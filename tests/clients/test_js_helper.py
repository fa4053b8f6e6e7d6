"""The JavaScript client's helper for applications' tests, as its page describes it."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest

from tests.node import NODE, run
from tests.parts import ROOT

PAGE = ROOT / "docs" / "clients" / "frameworks.md"
FAKE = """
import { fakeRoom } from "ayes-client/testing";

const proposal = { kind: "assumption", status: "pending", revision: 2, agree: 1 };
const room = fakeRoom({ state: { counts: { members: 4 }, proposals: { p: proposal } } });
const seen = [];
room.on("decided", ({ outcome }) => seen.push(outcome.carried));
await room.vote("p");
room.set({ state: { proposals: { p: { ...proposal, agree: 2 } } }, you: { votes: { p: 2 } } });
const { agree, mine, needed } = room.tally("p");
const closed = { ...proposal, status: "accepted", resolution: "admin" };
room.set({ state: { proposals: { p: closed } } });
console.log(JSON.stringify([room.given[0].args.revision, agree, mine, needed, seen]));
await room.leave();
console.log(room.closed);
"""


def play(code: str, folder: Path) -> list[str]:
    """Run ``code`` in Node as a package with the client installed; return the printed lines."""
    (folder / "node_modules").mkdir()
    (folder / "node_modules" / "ayes-client").symlink_to(ROOT / "clients" / "js")
    (folder / "test.mjs").write_text(code)
    program = str(Path(sys.executable).parent / "ayes")
    return run(NODE, "test.mjs", cwd=folder, env={"AYES_BIN": program}).splitlines()


@pytest.mark.timeout(300)
def test_a_decision_of_a_test_is_that_of_a_real_server(tmp_path: Path) -> None:
    [block] = re.findall(r"```js\n(.*?)```", PAGE.read_text(), re.DOTALL)
    assert play(block, tmp_path) == ["true"]


@pytest.mark.timeout(300)
def test_a_backend_makes_an_event_for_its_users_once(tmp_path: Path) -> None:
    """The code of ``app.md``, twice: a repeated job makes no second event."""
    [block] = re.findall(r"```js\n(.*?)```", (PAGE.parent / "app.md").read_text(), re.DOTALL)
    head, _, body = block.partition("\n\n")
    body = body.replace('"https://ayes.example"', "ayes.url")
    code = f"""{head}
import {{ startAyes }} from "ayes-client/testing";
const ayes = await startAyes();
const token = ayes.token("backend");
for (const _ of [1, 2]) {{
{body}
}}
const ada = await ayes.client("u_12");
console.log((await ada.query("events.list")).events.length);
await ayes.stop();
"""
    first, second, listed = play(code, tmp_path)
    assert first == second
    assert listed == "1"


@pytest.mark.timeout(300)
def test_a_test_moves_the_clock_past_a_deadline(tmp_path: Path) -> None:
    code = """
import { startAyes } from "ayes-client/testing";
const ayes = await startAyes();
const policy = { ttl_seconds: 86_400 };
const room = await ayes.decision({ by: "ada", policy });
const tea = { kind: "assumption", category: "create", content: "Tea" };
const { result } = await room.command("proposal.create", tea);
await ayes.advance(86_400);
const { carried, how } = await room.decided(result.proposal);
console.log(carried, how);
await ayes.stop();
"""
    assert play(code, tmp_path) == ["false expired"]


@pytest.mark.timeout(300)
def test_it_needs_no_websocket(tmp_path: Path) -> None:
    """Node before 22 has none; the clients then work over HTTP, and try no WebSocket."""
    code = """
delete globalThis.WebSocket;
const { startAyes } = await import("ayes-client/testing");
const ayes = await startAyes();
const ada = await ayes.client("ada");
console.log(ada.transport);
await ayes.stop();
"""
    assert play(code, tmp_path) == ["http"]


def test_a_fake_room_shows_what_it_is_set_to(tmp_path: Path) -> None:
    assert play(FAKE, tmp_path) == ['[2,2,"agree",3,[true]]', "client"]
