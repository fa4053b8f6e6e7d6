"""Floods of questions from one user with a good token, and what another user's votes notice."""

from __future__ import annotations

from benchmarks.attackers import attackers
from benchmarks.ground import ATTACK_S, ROUNDS, Ground, p50, p99, undisturbed
from benchmarks.report import Row, Target
from tests.attacks.askers import KINDS
from tests.attacks.heavy import Size, heavy
from tests.promises.running import token
from tests.promises.scenes import gathering

#: Limits of sockets keep their defaults; the event is filled faster than its rate limits permit.
_LIMIT = Target(3, 1.5, "less")


async def questions(ground: Ground, kinds: list[str] | None = None) -> list[Row]:
    """A vote's p50 and p99 under each kind of flood, and those just before."""
    rows = []
    async with ground.room(connections_per_user=20) as (server, _, bystander), attackers() as child:
        size = Size()
        made = await heavy(await gathering(server, size.authors), size)
        for name in kinds or KINDS:
            kind = KINDS[name]
            middle = Row(f"a vote under {name!r}, p50", "ms", "before it", _LIMIT)
            worst = Row("… p99", "ms", "before it", _LIMIT)
            answered = Row("… answered in a second", "")
            for _ in range(ROUNDS):
                before = await undisturbed(bystander)
                question = {
                    "port": server.port,
                    "kind": "questions",
                    "name": name,
                    "ground": made.ground._asdict(),
                    "seconds": ATTACK_S,
                    "tokens": [token(made.users[kind.asker])],
                }
                seen = len(bystander.waits)
                async with bystander.voting():
                    answer = await child.ask(question)
                waits = bystander.waits[seen:]
                counts = {what: count / ATTACK_S for what, count in answer["counts"].items()}
                middle.add(p50(waits), p50(before), votes=len(waits))
                worst.add(p99(waits), p99(before))
                answered.add(counts.pop("answered", 0), **counts)
            rows += [middle, worst, answered]
    return rows
