"""The golden transcripts, played by each client on a real server, over whole or broken lines."""

from __future__ import annotations

import pytest

from tests.clients.driving import DRIVERS, WAYS, driving
from tests.clients.misbehaving import misbehaving
from tests.clients.retelling import Retelling
from tests.clients.storytelling import Storyteller
from tests.promises.running import running
from tests.transcripts.playing import lines_of
from tests.transcripts.test_transcripts import HERE, token_of

#: The others are about misuse, tokens and positions, which an SDK hides from its user.
STORIES = (
    "ballot",
    "first-light",
    "going",
    "idempotency",
    "late-vote",
    "lowered-policy",
    "refusals",
)
#: Share of the commands around which the connection breaks.
CHANCE = 0.5


def roles(story: str) -> list[str]:
    """The sockets of a story, except those that send arrays, which an SDK does by itself."""
    lines = [line for line in lines_of(HERE / f"{story}.jsonl") if "dir" in line]
    arrays = {line["socket"] for line in lines if isinstance(line.get("message"), list)}
    return sorted({line["socket"] for line in lines} - arrays)


@pytest.mark.parametrize(
    ("story", "role"), [(story, role) for story in STORIES for role in roles(story)]
)
@pytest.mark.parametrize("client", DRIVERS)
async def test_what_the_server_says_there_is_understood(client: str, story: str, role: str) -> None:
    retelling = Retelling(lines_of(HERE / f"{story}.jsonl"), role)
    async with misbehaving() as server, driving(client) as driver:
        await retelling.play(driver, server)


@pytest.mark.parametrize("story", STORIES)
@pytest.mark.parametrize(("client", "options"), WAYS.values(), ids=WAYS)
async def test_a_client_lives_through_the_story(
    database_url: str, client: str, options: dict[str, str], story: str
) -> None:
    lines = lines_of(HERE / f"{story}.jsonl")
    async with running(database_url, **lines[0].get("settings", {})) as server:
        await Storyteller(client, server, token_of, options=options).tell(lines)


@pytest.mark.parametrize("story", STORIES)
@pytest.mark.parametrize(("client", "options"), WAYS.values(), ids=WAYS)
async def test_broken_connections_change_no_story(
    database_url: str, client: str, options: dict[str, str], story: str
) -> None:
    """Same answers and positions, so each command had its effect once, and none was lost."""
    lines = lines_of(HERE / f"{story}.jsonl")
    async with running(database_url, **lines[0].get("settings", {})) as server:
        teller = Storyteller(
            client, server, token_of, seed=len(story), chance=CHANCE, options=options
        )
        await teller.tell(lines)
        assert teller.cuts >= 3
