"""Short words for tests of things that happen at once, and the number of their rounds."""

from __future__ import annotations

from collections import Counter
from typing import Any

from tests.promises.client import Client, Message
from tests.promises.running import Running
from tests.promises.scenes import Scene, gathering

ROUNDS = 5


def codes(answers: list[Message]) -> Counter[str]:
    """Count the answers: an error's code, ``applied`` or ``same``."""
    return Counter(
        a["code"] if a["type"] == "error" else "applied" if a["applied"] else "same"
        for a in answers
    )


async def cast(client: Client, scene: Scene, proposal: str) -> Message:
    return await client.send("vote.cast", event=scene.event, proposal=proposal, revision=1)


async def admins(server: Running, **options: Any) -> tuple[Scene, Client, Client]:
    scene = await gathering(server, 1, **options)
    second = scene.members.pop()
    await scene.do("membership.set_role", user=second.user, role="admin")
    return scene, scene.admin, second
