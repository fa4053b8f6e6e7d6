"""A voter checks a published journal and their own ballot in it, in the page itself."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from server.cli import audit
from tests.node import NODE
from tests.promises.running import Running
from tests.web.conftest import Visit
from tests.web.stage import Stage

Json = dict[str, Any]
SCRIPT = Path(__file__).with_name("proof.mjs")
PROVE = """async ([text, receipt]) => {
    const { prove } = await import("/app/proof.js");
    const steps = [];
    const progress = (lines) => steps.push(lines);
    return [await prove(new File([text], "journal"), { receipt, progress }), steps];
}"""


async def published(
    site: Running, capsys: pytest.CaptureFixture[str], *, named: bool = False
) -> tuple[str, Json]:
    """The public export of an event with ballots, and the receipt of one voter."""
    async with Stage(site.base) as stage:
        event, _ = await stage.event(
            "Ada",
            "Bob",
            "Cid",
            policy={"membership_auto": True, "ballot": {"method": "ranked", "named": named}},
            subject='Wo essen wir? "Hier", {dort} \\ 🍕',
            options=["Pizza 🍕", "Soup"],
        )
        # A step whose patch has names, quotes and brackets in it.
        await stage.propose("Bob", event, 'Say "yes" [or, {not}] \\ é')
        options = list((await stage.room("Ada", event))["options"])
        for name, order in (("Bob", options), ("Cid", options[::-1])):
            await stage.run(name, "ballot.submit", event=event, options=order, criteria_rev=1)
        await stage.run("Bob", "ballot.submit", event=event, options=options[1:], criteria_rev=1)
        await stage.run("Ada", "event.finish", event=event)
        receipt = await stage.query("Bob", {"type": "ballot.receipt", "event": event})
    capsys.readouterr()
    await audit.export(site.node.database, event, public=True)
    return capsys.readouterr().out, receipt


async def proved(*cases: tuple[str, Json | None]) -> list[Json]:
    """The module's findings under Node, the same from a text and from a file."""
    node = await asyncio.create_subprocess_exec(
        NODE, str(SCRIPT), stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
    )
    told = json.dumps([{"text": text, "receipt": receipt} for text, receipt in cases])
    out, _ = await node.communicate(told.encode())
    assert node.returncode == 0
    found: list[Json] = json.loads(out)
    return found


@pytest.mark.parametrize("named", [False, True])
async def test_a_ballot_is_found_in_the_published_journal(
    site: Running, capsys: pytest.CaptureFixture[str], tmp_path: Path, named: bool
) -> None:
    text, receipt = await published(site, capsys, named=named)
    with_ballot, without = await proved((text, receipt), (text, None))
    last = json.loads(text.splitlines()[-1])
    assert (with_ballot["lines"], with_ballot["hash"]) == (last["end"], last["hash"])
    ballot = with_ballot["ballot"]
    assert (ballot["seq"], ballot["hash"]) == (receipt["seq"], receipt["hash"])
    assert ballot["command"] == json.loads(receipt["payload"])
    assert without == with_ballot | {"ballot": None}
    assert with_ballot["secret"] == (0 if named else 3)
    # The result of the server's own check.
    path = tmp_path / "public"
    path.write_text(text)
    assert audit.verify_file(path).startswith(f"{last['end']} lines: the chain agrees")


Change = Callable[[list[str]], list[str]]


def edited(number: int, **fields: Any) -> Change:
    """A journal with a changed line."""

    def change(lines: list[str]) -> list[str]:
        line = json.loads(lines[number])
        digests = fields.pop("digests", None)
        if digests:
            line["digests"] |= digests
        line |= fields
        return [*lines[:number], json.dumps(line), *lines[number + 1 :]]

    return change


#: A change of the lines → the error's code, and whether the error has the line's number.
TAMPERED: dict[str, tuple[Change, str]] = {
    "changed words": (edited(2, payload="{}"), "line_changed"),
    "a changed time": (edited(2, at="2026-11-23T08:00:00.000000Z"), "line_changed"),
    "a changed digest": (edited(-3, digests={"payload": "0" * 64}), "line_changed"),
    "no hex": (edited(2, salt="xyz"), "damaged"),
    "a patch of nobody": (edited(2, patches='{"them":{}}'), "damaged"),
    "a removed line": (lambda lines: lines[:3] + lines[4:], "line_missing"),
    "exchanged lines": (lambda lines: [*lines[:2], lines[3], lines[2], *lines[4:]], "line_missing"),
    "another chain": (edited(3, prev_hash="0" * 64), "chain_broken"),
    "a missing end": (lambda lines: lines[:-1], "cut_short"),
    "a removed last line": (lambda lines: lines[:-2] + lines[-1:], "cut_short"),
    "lines after the end": (lambda lines: [*lines, lines[-2]], "damaged"),
    "no JSON": (lambda lines: [*lines[:3], "{", *lines[4:]], "damaged"),
    "a line that is no object": (lambda lines: [*lines[:3], "null", *lines[4:]], "damaged"),
    "no head": (lambda lines: lines[1:], "no_export"),
    "nothing": (lambda lines: [], "no_export"),
    "a whole export": (edited(0, version=2), "not_public"),
}
#: A change of the receipt → the error's code.
FORGED: dict[str, tuple[Json, str]] = {
    "another event": ({"event": "e"}, "other_event"),
    "a later line": ({"seq": 999}, "not_there"),
    "another line": ({"seq": 2}, "other_hash"),
    "another hash": ({"hash": "0" * 64}, "other_hash"),
    "another ballot": ({"payload": "{}"}, "other_words"),
    "another voter": ({"user": "somebody"}, "other_words"),
    "another id": ({"id": "another-id"}, "other_words"),
    "another salt": ({"salt": "0" * 32}, "other_words"),
}


async def test_what_was_tampered_with_proves_nothing(
    site: Running, capsys: pytest.CaptureFixture[str]
) -> None:
    text, receipt = await published(site, capsys)
    lines = text.splitlines()
    cases: list[tuple[str, Json | None]] = [
        ("\n".join(change(lines)), None) for change, _ in TAMPERED.values()
    ]
    cases += [(text, receipt | forged) for forged, _ in FORGED.values()]
    codes = [found.get("code") for found in await proved(*cases)]
    wanted = [code for _, code in TAMPERED.values()] + [code for _, code in FORGED.values()]
    assert dict(zip([*TAMPERED, *FORGED], codes, strict=True)) == dict(
        zip([*TAMPERED, *FORGED], wanted, strict=True)
    )


async def test_it_is_proved_in_a_browser(
    site: Running, visit: Visit, capsys: pytest.CaptureFixture[str]
) -> None:
    text, receipt = await published(site, capsys)
    page = (await visit(site)).page
    found, steps = await page.evaluate(PROVE, [text, receipt])
    assert [found] == await proved((text, receipt))
    assert steps[-1] == found["lines"]
