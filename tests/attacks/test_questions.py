"""Floods of questions from one member: other members' votes go on, and the flood is bounded.

``python -m benchmarks.attacks --only questions`` measures them.
"""

from __future__ import annotations

import asyncio
import functools
import time

import pytest

from server.limits import quotas
from server.limits.token_bucket import TokenBucket
from tests.attacks.askers import KINDS, ask_on
from tests.attacks.conftest import Attack
from tests.attacks.heavy import Heavy, Size, heavy
from tests.attacks.target import Bystander, Target, until
from tests.promises.running import token
from tests.promises.scenes import gathering

#: Seconds of each flood.
FLOOD_S = 0.6
#: Enough text to be loaded and rendered in turns, and few enough to be made in seconds.
SMALL = Size(authors=3, pending=90, resolved=30, comments=60, letters=500)


async def stage(attack: Attack) -> tuple[Target, Bystander, Heavy]:
    """A heavy event, and a member who votes in another one."""
    target = await attack()
    made = await heavy(await gathering(target, SMALL.authors), SMALL)
    bystander = await Bystander.of(await gathering(target))
    await bystander.votes(5)
    return target, bystander, made


async def flood(target: Target, made: Heavy, name: str, seconds: float = FLOOD_S) -> int:
    """Run one flood to its end; return how many questions were answered, well or with an error."""
    kind = KINDS[name]
    until = time.monotonic() + seconds
    user = made.users[kind.asker]
    found = await asyncio.gather(
        *(
            ask_on(target.port, kind, made.ground, token(user), until)
            for _ in range(kind.connections)
        )
    )
    return sum(sum(counts.values()) for counts in found)


def is_idle(account: quotas._Account) -> bool:
    """Whether no question of the flood is being answered or waits."""
    return account.idle


class Counting(TokenBucket):
    """A share that records everything that was taken from it."""

    __slots__ = ("spent",)

    def __init__(self, rate: float, burst: float, now: float) -> None:
        super().__init__(rate, burst, now)
        self.spent = 0.0

    def spend(self, amount: float = 1.0) -> None:
        """Record what is taken."""
        self.spent += amount
        super().spend(amount)


async def test_no_flood_of_questions_takes_more_than_its_users_share(
    attack: Attack, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(quotas, "TokenBucket", Counting)
    target, bystander, made = await stage(attack)
    at_rest = len(target.connections)
    accounts = target.node.quotas._accounts
    answered = 0
    for name, kind in KINDS.items():
        accounts.clear()
        seen = len(bystander.waits)
        began = time.monotonic()
        async with bystander.voting():
            async with asyncio.timeout(30):
                # On a slow machine one flood is over before four votes are.
                while len(bystander.waits) - seen <= 3:
                    answered += await flood(target, made, name)
        await target.until_left(at_rest)
        elapsed = time.monotonic() - began
        account = target.node.quotas._account(made.users[kind.asker])
        assert isinstance(account.bucket, Counting)
        most = 2 * quotas.BURST_MS + quotas.MS_PER_SECOND * elapsed
        assert account.bucket.spent < most, name
        # A question that was begun is answered to its end; then nothing of the flood is left.
        await until(functools.partial(is_idle, account))
    assert answered > 2 * len(KINDS)
    await bystander.vote()
