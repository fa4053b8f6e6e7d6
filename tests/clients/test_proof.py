"""Proof of the suite: a mistake is planted in each client, and a scenario finds it."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import NamedTuple

from tests.clients.driving import ROOT
from tests.clients.planting import fails, replaced, uncaught
from tests.node import NODE


class Mistake(NamedTuple):
    """A replacement in one file, and the scenario that must notice it."""

    file: str
    words: str
    instead: str
    scenario: str


MISTAKES = {
    "a new id for a second try": Mistake(
        "pending/command.js",
        "type: this.type, id: this.id };",
        "type: this.type, id: this.tries ? `${this.id}-${this.tries}` : this.id };",
        "connections-drop-before-the-ack",
    ),
    "what has no answer is not sent again": Mistake(
        "pending/commands.js",
        "    for (const command of unanswered) if (!command.once) this.#makeReady(command);\n",
        "",
        "connections-drop-before-the-ack",
    ),
    "a gap is folded over": Mistake(
        "rooms/room.js",
        "(from !== this.#seq && seq > this.#seq)",
        "false",
        "rooms-gap",
    ),
    "an old diff is folded again": Mistake(
        "rooms/room.js",
        "} else if (seq > this.#seq) {",
        "} else {",
        "rooms-duplicate-diff",
    ),
    "the epoch is not looked at": Mistake(
        "rooms/room.js",
        "epoch !== this.#epoch || (from",
        "(from",
        "rooms-other-epoch-in-a-diff",
    ),
    "`retry_after_ms` is not waited for": Mistake(
        "pending/commands.js",
        "retryAfterMs === undefined ? jitter",
        "true ? jitter",
        "answers-retry-after",
    ),
    "a retraction overtakes its vote": Mistake(
        "pending/command.js",
        "if (event === undefined) return null;",
        "return null;",
        "order-retract-waits-for-its-vote",
    ),
    "more in flight than the server takes": Mistake(
        "pending/sender.js",
        "inflight - this.#inflight.size, batch",
        "batch",
        "order-inflight",
    ),
    "faster than the server allows": Mistake(
        "wire/token-bucket.js",
        "return Math.max(0, Math.floor(this.#tokens));",
        "return Infinity;",
        "order-rate",
    ),
    "no position in a resume": Mistake(
        "rooms/room.js",
        "seq === undefined || this.#needsSnapshot ? { event } : { event, epoch, seq }",
        "{ event }",
        "connections-resume",
    ),
    "something new is said after a `bye`": Mistake(
        "pending/sender.js",
        " && !this.connection.draining",
        "",
        "connections-bye",
    ),
    "back too early after a `bye`": Mistake(
        "connection/connection.js",
        "this.#retryNotBefore === null ? jitter",
        "true ? jitter",
        "connections-bye-before-the-welcome",
    ),
    "a final close is no reason to stop": Mistake(
        "wire/close-codes.js",
        "return code >= 4500 && code <= 4999;",
        "return false;",
        "closes-4999",
    ),
    "an entry stays in the outbox": Mistake(
        "pending/commands.js",
        "this.outbox.remove(command.id);",
        "",
        "outbox-refusal-empties-it",
    ),
    "one user's vote is sent as another": Mistake(
        "pending/commands.js",
        "if (command.user === undefined || command.user === this.token.subject || isOnlyHere) {",
        "if (true) {",
        "outbox-another-user",
    ),
    "a hung socket is kept": Mistake(
        "connection/connection.js",
        "const MAX_SILENT_HEARTBEATS = 2.5;",
        "const MAX_SILENT_HEARTBEATS = 1;",
        "connections-heartbeats-hold",
    ),
    "`__proto__` is no key": Mistake(
        "wire/merge-patch.js",
        'if (name === "__proto__") {',
        "if (false) {",
        "rooms-fold",
    ),
}


async def test_planted_mistakes_are_caught(tmp_path: Path) -> None:
    async def caught(name: str, mistake: Mistake) -> bool:
        copy = tmp_path / name.replace("/", " ")
        shutil.copytree(ROOT / "clients" / "js", copy)
        replaced(copy / "src" / mistake.file, mistake.words, mistake.instead)
        command = [NODE, str(copy / "conformance" / "driver.mjs")]
        return await fails(command, mistake.scenario, copy)

    assert await uncaught(MISTAKES, caught, patience=3.0) == []
