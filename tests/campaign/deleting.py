"""An event of a few users that an operator deletes while they decide, by a node's admin door.

The node exports the event to a folder, verifies the export, and deletes the event. Meanwhile the
users go on. Afterwards each of them sends every command again, and new ones.
"""

from __future__ import annotations

import asyncio
import json
import random
import time
import urllib.error
import urllib.request
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any, Protocol

from tests.campaign.event import Event, Patience
from tests.campaign.line import Line
from tests.campaign.losses import Losses
from tests.campaign.nodes import ADMIN_TOKEN, NodeProcess
from tests.campaign.phrasing import other_words
from tests.campaign.plan import USERS, Planned
from tests.campaign.seat import LATER, PATIENCE, Seat
from tests.campaign.users import user_of
from tests.campaign.venue import Venue
from tests.model.history import Json, Violation

#: Users of such an event.
PEOPLE = 5
#: Commands of a user, from the beginning until after the deletion, and the pauses between them.
MIN_SAID, MAX_SAID, PAUSE_SECONDS = 6, 14, 0.3
#: Seconds between two tries to delete; "the event changed meanwhile" is the usual reason.
RETRY_SECONDS = 0.3
#: Longest that all tries may take, while a part of the venue is down or starved.
DELETE_SECONDS = 120.0
LOOK_SECONDS = 0.05
#: What an event of this kind may have in its policy, in addition to the usual policy.
POLICIES: tuple[Json, ...] = (
    {},
    {"stances": ["agree", "against", "abstain"], "votes": "named"},
    {"stances": ["agree", "against"], "tally": "close", "decide": "close", "ttl_seconds": 2},
    {"electorate": "opening", "ballot": {"method": "ranked", "named": True}},
)

Words = tuple[str, Json]


class Playing(Protocol):
    """The round that a deletion is part of."""

    name: str
    venue: Venue
    seats: dict[str, list[Seat]]
    patience: Patience
    losses: Losses
    policy: Json

    async def settle(self, event: Event, user: str, seat: int, command: Json) -> Json:
        """Send ``command`` until an answer says how it ended; return that answer."""

    async def send(self, event: Event, user: str, place: int, command: Json) -> Json:
        """Send it from an open seat; return the answer, if one came."""


class Deleted:
    """One event, from its creation to what is left of it."""

    def __init__(self, played: Playing, planned: Planned) -> None:
        self.event = Event(planned.number)
        self.began = self.ended = 0.0
        """When the deletion began, and when it was done; 0 if it was not."""
        self.made_at = time.monotonic()
        self._played = played
        self._name = f"{played.name}-{planned.id}"
        self._rng = rng = random.Random(planned.draw)
        self._users = rng.sample([user_of(number) for number in range(USERS)], PEOPLE)
        self._number = 0
        self._proposals: list[str] = []
        self._options: list[str] = []
        self._said: list[Words] = []
        """The commands sent before the deletion was over."""
        self._watching: list[Line] = []
        self._wrong: list[Violation] = []

    async def run(self, erase: Callable[[str, str], Awaitable[list[str]]]) -> list[str]:
        """Play it; return what went wrong. ``erase`` erases a user's words in an event."""
        losses = len(self._played.losses.found)
        wrong: list[str] = []
        if await self._make():
            await self._watch()
            async with asyncio.TaskGroup() as talking:
                for user in self._users:
                    talking.create_task(self._talk(user))
                if self._rng.random() < 1 / 3:
                    wrong += await erase(self.event.id, self._rng.choice(self._users))
                await self._delete()
            if self.ended:
                await self._say_again()
                await self._ask_new()
                await self._rooms_end()
        if len(self._played.losses.found) > losses:
            return []  # The deletion itself may be lost, with a primary.
        return wrong + [f"the deleted event {self.event.id}: {what}" for what in self._wrong]

    # Before.

    async def _make(self) -> bool:
        maker, *others = self._users
        policy = self._played.policy | self._rng.choice(POLICIES)
        create: Json = {"type": "event.create", "subject": self._name, "policy": policy}
        create |= {"options": ["one", "two", "three"], "criteria": ["cheap"]}
        result = (await self._say(maker, create)).get("result")
        if not result:
            return False
        self.event.id, self.event.code = result["event"], result["entrance_code"]
        join = {"type": "membership.join", "code": self.event.code}
        await asyncio.gather(*(self._say(user, dict(join)) for user in others))
        await self._say(maker, self._about("event.start"))
        for user in others[:2]:
            await self._propose(user)
        rows = await self._played.venue.postgres.rows(
            "SELECT id FROM options WHERE event_id = $1", self.event.id
        )
        self._options = sorted(row["id"] for row in rows)
        return bool(self._proposals)

    async def _watch(self) -> None:
        """Bring a socket of each user into the room, on all nodes."""
        for number, user in enumerate(self._users):
            if (line := self._line(user, number)) is not None:
                answer = await line.ask(self._about("subscribe"), PATIENCE)
                if answer is not None and answer["type"] == "snapshot":
                    self._watching.append(line)

    def _line(self, user: str, number: int) -> Line | None:
        seats = self._played.seats[user]
        seat = seats[number % len(seats)]
        return seat.line if seat.is_open else None

    async def _talk(self, user: str) -> None:
        for _ in range(self._rng.randrange(MIN_SAID, MAX_SAID)):
            await asyncio.sleep(self._rng.random() * PAUSE_SECONDS)
            if self._rng.random() < 0.2:
                await self._propose(user)
            else:
                await self._say(user, self._words(user))

    async def _propose(self, user: str) -> None:
        about = {"kind": "assumption", "category": "create", "content": f"words of {self._next()}"}
        answer = await self._say(user, self._about("proposal.create", **about))
        if found := (answer.get("result") or {}).get("proposal"):
            self._proposals.append(found)

    def _words(self, user: str) -> Json:
        drawn, on = self._rng.random(), self._rng.choice(self._proposals)
        if drawn < 0.5:
            return self._about("vote.cast", proposal=on, revision=1)
        if drawn < 0.6:
            return self._about("vote.retract", proposal=on)
        if drawn < 0.75:
            return self._about("comment.add", proposal=on, content=f"words of {self._next()}")
        if drawn < 0.85:
            chosen = self._rng.choice(self._options)
            given = {"option": chosen} if self._rng.random() < 0.7 else {"options": [chosen]}
            return self._about("ballot.submit", criteria_rev=1, **given)
        if drawn < 0.95 or user != self._users[0]:
            return self._about("membership.rename", name=f"name {self._next()}")
        return self._about("invitation.create", people=[{"name": f"name {self._next()}"}])

    # The deletion.

    async def _delete(self) -> None:
        """Ask one node after another until one of them has deleted it, or finds it deleted."""
        nodes = self._played.venue.nodes
        self.began = time.monotonic()
        said, number = "", 0
        while time.monotonic() < self.began + DELETE_SECONDS:
            number += 1
            node = nodes[(self._rng.randrange(len(nodes)) + number) % len(nodes)]
            status, said = await asyncio.to_thread(self._ask, node)
            if status in (200, 404):
                self.ended = time.monotonic()
                return
            await asyncio.sleep(RETRY_SECONDS)
        self._wrong.append(Violation(1, None, f"could not be deleted: {said}"))

    def _ask(self, node: NodeProcess) -> tuple[int, str]:
        """Return the status of the node's answer, 0 without one, and its body."""
        request = urllib.request.Request(
            f"http://{node.host}:{node.port}/v1/admin/events/{self.event.id}/delete",
            data=json.dumps({"confirm": self.event.id}).encode(),
            headers={"Authorization": f"Bearer {ADMIN_TOKEN}", "Content-Type": "application/json"},
        )
        try:
            with urllib.request.urlopen(request, timeout=self._played.patience.answer) as got:  # noqa: S310
                return got.status, got.read().decode()
        except urllib.error.HTTPError as err:
            with suppress(OSError):
                return err.code, err.read().decode(errors="replace")
            return 0, str(err)
        except (OSError, ValueError) as err:
            return 0, str(err)

    # Afterwards.

    async def _say_again(self) -> None:
        """Send every command again, some with other words."""
        again = [*self._said]
        again += [
            (user, other)
            for user, command in self._said
            if self._rng.random() < 0.1 and (other := other_words(command)) is not None
        ]
        await asyncio.gather(*(self._settle(user, command) for user, command in again))

    async def _ask_new(self) -> None:
        """New commands, a new join, the taken code, and subscriptions on all nodes."""
        await asyncio.gather(*(self._say(user, self._words(user)) for user in self._users))
        user, code = self._users[-1], self.event.code
        new = {"type": "membership.join", "id": f"{self._name}-late", "code": code}
        # Wrong codes are limited for each user, so it is sent once.
        await self._played.send(self.event, user, 0, new)
        create: Json = {"type": "event.create", "subject": "taken", "entrance_code": code}
        taken = await self._played.settle(Event(0), user, 0, create | {"id": f"{self._name}-taken"})
        if taken.get("code") not in (None, "version_conflict"):
            self._wrong.append(Violation(2, None, f"its entrance code is not taken: {taken}"))
        for number, user in enumerate(self._users):
            line = self._line(user, number)
            deadline = time.monotonic() + self._played.patience.heal
            while line is not None and not line.gone.is_set() and time.monotonic() < deadline:
                answer = await line.ask(self._about("subscribe"), PATIENCE)
                if answer is None or answer.get("code") == "not_found":
                    break
                if answer.get("code") not in LATER:
                    what = f"{line.name} subscribed to it: {answer}"
                    self._wrong.append(Violation(13, None, what))
                    break
                await asyncio.sleep(LOOK_SECONDS)

    async def _rooms_end(self) -> None:
        """13: every socket that was in the room gets ``unsubscribed``."""
        deadline = time.monotonic() + self._played.patience.heal
        while staying := [line for line in self._watching if self._stays(line)]:
            if time.monotonic() > deadline:
                names = [line.name for line in staying]
                self._wrong.append(Violation(13, None, f"{names} are still in its room"))
                return
            await asyncio.sleep(LOOK_SECONDS)

    def _stays(self, line: Line) -> bool:
        if line.gone.is_set() or line.is_deaf:
            return False
        last: str = line.streams[self.event.id].messages[-1]["type"]
        return last != "unsubscribed"

    def _about(self, type: str, **fields: Any) -> Json:
        return {"type": type, "event": self.event.id} | fields

    def _next(self) -> int:
        self._number += 1
        return self._number

    async def _say(self, user: str, words: Json) -> Json:
        command = words | {"id": f"{self._name}-{self._next()}"}
        self._said.append((user, command))
        return await self._settle(user, command)

    async def _settle(self, user: str, command: Json) -> Json:
        seat = self._rng.randrange(len(self._played.seats[user]))
        return await self._played.settle(self.event, user, seat, command)
