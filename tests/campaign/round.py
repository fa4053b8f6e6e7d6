"""A round of a campaign: its own eight events, its plan carried out, everything recorded."""

from __future__ import annotations

import asyncio
import itertools
import random
import time
from collections import Counter
from collections.abc import Awaitable, Callable

from tests.campaign.attendance import Attendance, Span, attendance
from tests.campaign.event import Event, Patience, room_of, told
from tests.campaign.line import Line, Shared
from tests.campaign.losses import Losses
from tests.campaign.operating import ACTS, Operator
from tests.campaign.outboxes import Decided, contradiction
from tests.campaign.phrasing import Phrasing, other_words
from tests.campaign.plan import EVENTS, SEATS, USERS, Plan, Planned, Strike
from tests.campaign.seat import Seat, View
from tests.campaign.users import is_stranger, maker_of, user_of
from tests.campaign.venue import Venue
from tests.campaign.waves import Waves
from tests.model.asking import NO_EFFECT, UNKNOWN
from tests.model.history import Json, Operation

#: Commands under way at once, each from a client that waits for its answer.
WORKERS = 128
#: Faults that may wait for their turn before the senders rest between two commands. The more faults
#: wait, the longer the rests; then all go on at once (``waves.py``).
MAX_STRIKES = 4
PACE_SECONDS, MOST_PACE_SECONDS = 0.1, 2.0
#: Waits before an undecided command is sent again; drawn.
FIRST_WAIT, LONGEST_WAIT = 0.05, 1.0
LOOK_SECONDS = 0.05
#: Seconds between two searches for members who should be in their room and are not.
ENTER_SECONDS = 0.3
#: What the events' final ballots ask for, in turn.
BALLOT_METHODS = ("ranked", "single", "approval")
OPEN_POLICY: Json = {
    "membership_auto": True,
    "assumption": {"threshold": 3},
    "criterion": {"threshold": 3},
    "conclusion": {"rule": "percent", "threshold": 6},
}

Fire = Callable[[Strike], Awaitable[None]]


class Round:
    """``run`` carries the plan out; the judge reads the records that it leaves behind."""

    def __init__(self, venue: Venue, plan: Plan, fire: Fire, *, name: str) -> None:
        self.venue, self.plan, self.name = venue, plan, name
        self.events = [Event(number) for number in range(EVENTS)]
        self.shared = Shared()
        self.seats: dict[str, list[Seat]] = {}
        self.violations: list[str] = []
        self.policy = OPEN_POLICY
        self.most_strikes = MAX_STRIKES
        self.waves = Waves()
        self.patience = Patience()
        self.unsettled = 0
        self.journal_lines = 0
        """Set by the reader of the journals."""
        self.done = 0
        """Commands of the plan that are settled."""
        self.operator = Operator(self)
        self.sent_again = 0
        """Commands of earlier rounds that were sent again."""
        self.heal_seconds = 0.0
        self.attendance: dict[str, Attendance] = {}
        """Open time of the seats by node, set at the end."""
        self.answers: Counter[str] = Counter()
        self._fire = fire
        self.struck_at: Callable[[str], list[Span]] = lambda node: []
        """Times of the faults that struck a node, by its name."""
        self._firing: list[asyncio.Task[None]] = []
        self.losses = Losses(venue.postgres, name)
        self.clock_set_back = 0
        """How often the database's clock was set to an earlier time, set at the end."""
        self._is_lost = False
        self._extra: list[Line] = []
        self._staying: list[asyncio.Task[None]] = []
        self._entering: set[asyncio.Task[None]] = set()

    @property
    def all_seats(self) -> list[Seat]:
        """All operations."""
        return [seat for seats in self.seats.values() for seat in seats]

    @property
    def event_ids(self) -> list[str]:
        """The events, the hot one first."""
        return [event.id for event in self.events if event.id]

    # The methods that faults use.

    def hold_back(self, commands: int, seconds: float) -> None:
        """Let the next ``commands`` wait in their senders' outboxes for ``seconds``."""
        self.venue.outboxes.hold_back(commands, seconds)

    async def send_again(self, rng: random.Random, commands: int) -> int:
        """Send up to ``commands`` decided ones of earlier rounds again; return their number."""
        drawn = self.venue.outboxes.some(rng, commands)
        self.violations += filter(
            None, await asyncio.gather(*(self._again(decided) for decided in drawn))
        )
        return len(drawn)

    async def _again(self, decided: Decided) -> str:
        line = next((seat.line for seat in self.seats[decided.user] if seat.is_open), None)
        if line is None:
            return ""
        operation = Operation(decided.user, line.name, decided.command, time.monotonic())
        await line.send(operation, self.patience.answer)
        self.answers[told(operation.answer)] += 1
        self.sent_again += 1
        return contradiction(decided, operation.answer)

    async def note_loss(self) -> None:
        """Read what the primary holds; from now on, its data may be lost."""
        await self.losses.note_loss()

    async def note_new_epoch(self) -> None:
        """Read what the promoted standby holds, before any node sees it."""
        await self.losses.note_new_epoch()

    async def run(self) -> None:
        """Prepare the events, carry out the plan, heal, and leave."""
        await self._seat_everyone()
        begun = time.monotonic()
        clock = self.venue.postgres.clock
        set_back = clock.set_back if clock is not None else 0
        try:
            await self._make_events()
            sweeper = asyncio.create_task(self._let_in())
            try:
                await self._carry_out()
                await self._heal()
            finally:
                sweeper.cancel()
                await asyncio.gather(sweeper, *self._entering, return_exceptions=True)
        finally:
            self._count_seats(Span(begun, time.monotonic()))
            self.clock_set_back = (clock.set_back if clock is not None else 0) - set_back
            await self._leave()

    # The beginning.

    async def _seat_everyone(self) -> None:
        hosts = self.venue.nodes
        for number in range(USERS):
            user = user_of(number)
            self.seats[user] = [
                Seat(user, seat, hosts[seat % len(hosts)], self.shared) for seat in range(SEATS)
            ]
        self._staying = [asyncio.create_task(seat.stay()) for seat in self.all_seats]
        await self._until(lambda: all(seat.is_open for seat in self.all_seats), "all sockets open")

    async def _make_events(self) -> None:
        await asyncio.gather(*(self._make(event) for event in self.events))
        for number, seats in enumerate(self.seats.values()):
            for seat in seats:
                seat.event = self.events[room_of(number, seat.number)].id
        await self._until_in()

    async def _make(self, event: Event) -> None:
        maker = maker_of(event.number)
        ids = (f"{self.name}-set-up-{event.number}-{count}" for count in itertools.count())
        create: Json = {"type": "event.create", "subject": self.name, "policy": dict(self.policy)}
        method = BALLOT_METHODS[event.number % len(BALLOT_METHODS)]
        create["policy"] |= {"ballot": {"method": method, "named": event.number % 2 == 1}}
        create |= {"options": ["one", "two", "three"], "criteria": ["cheap", "near"]}
        create |= {"assumptions": ["it rains"], "id": next(ids)}
        made = await self.settle(event, maker, 0, create)
        event.id, event.code = made["result"]["event"], made["result"]["entrance_code"]
        # The room is loaded while others join, so its state is read between their commits.
        first = self.seats[maker][0]
        first.event, first.view = event.id, event.view
        entering = asyncio.create_task(first.enter())
        join = {"type": "membership.join", "code": event.code}
        users = [user for user in self.seats if not is_stranger(user, event.number)]
        await asyncio.gather(
            *(self.settle(event, user, 0, join | {"id": next(ids)}) for user in users)
        )
        await self.settle(
            event, maker, 0, {"type": "event.start", "event": event.id, "id": next(ids)}
        )
        await entering

    async def _until_in(self) -> None:
        """Bring every permitted user into their room."""
        seats = [seat for seat in self.all_seats if self._may_enter(seat)]
        await asyncio.gather(*(seat.enter() for seat in seats))
        await self._until(lambda: all(seat.subscribed for seat in seats), "all subscribed")

    def _may_enter(self, seat: Seat) -> bool:
        event = self.events[room_of(int(seat.user[-2:]), seat.number)]
        state = event.view.state
        if not state:
            return not is_stranger(seat.user, event.number)
        return seat.user in state["members"] or seat.user in state.get("requests", ())

    async def _let_in(self) -> None:
        """Send users who are members again to the event's room."""
        while True:
            await asyncio.sleep(ENTER_SECONDS)
            for seat in self.all_seats:
                seat.look()
                if seat.is_open and not seat.subscribed and self._may_enter(seat):
                    task = asyncio.create_task(seat.enter())
                    self._entering.add(task)
                    task.add_done_callback(self._entering.discard)

    # The plan.

    async def _carry_out(self) -> None:
        strikes = iter(self.plan.strikes)
        due = next(strikes, None)
        firing = self._firing
        commands = iter(self.plan.commands)

        async def work() -> None:
            nonlocal due
            for planned in commands:
                while due is not None and due.at <= planned.number:
                    firing.append(asyncio.ensure_future(self._fire(due)))
                    due = next(strikes, None)
                waiting = sum(not each.done() for each in firing) - self.most_strikes
                if waiting > 0:
                    # Slower, so that there is load while the faults take their turns.
                    await self.waves.rest(min(waiting * PACE_SECONDS, MOST_PACE_SECONDS))
                await self._do(planned)
                self.done += 1

        try:
            async with asyncio.TaskGroup() as group:
                for _ in range(WORKERS):
                    group.create_task(work())
            while due is not None:
                firing.append(asyncio.ensure_future(self._fire(due)))
                due = next(strikes, None)
        finally:
            # A fault heals everything that it broke.
            await asyncio.shield(asyncio.gather(*firing))

    async def faults_over(self) -> None:
        """Wait until no fault is under way; ``run`` may have been cut short before."""
        await asyncio.gather(*self._firing, return_exceptions=True)

    async def _do(self, planned: Planned) -> None:
        """Send a command with its repeats, until it is decided."""
        event = self.events[planned.event]
        if planned.kind in ACTS:
            self.violations += await self.operator.act(planned, event)
            return
        user, words = Phrasing(planned, event.id, event.view.state).words()
        await self._say(planned, event, user, words)

    async def _say(self, planned: Planned, event: Event, user: str, words: Json) -> Json:
        """Send it, and again as planned; return the answer that settles it."""
        command = {"type": words["type"], "id": f"{self.name}-{planned.id}"} | words
        seat, echoes = planned.seat, planned.echoes
        await self.venue.outboxes.wait()
        sendings = [self.settle(event, user, seat, command)]
        if "at once" in echoes:
            sendings.append(self.send(event, user, seat, command))
        if "second socket" in echoes:
            sendings.append(self.send(event, user, seat + 1 + planned.draw % 2, command))
        answer, *_ = await asyncio.gather(*sendings)
        if "after" in echoes:
            await self.send(event, user, seat, command)
        if "other words" in echoes and (other := other_words(command)) is not None:
            await self.send(event, user, seat, other)
        return answer

    async def settle(self, event: Event, user: str, seat: int, command: Json) -> Json:
        """Send ``command`` until an answer says how it ended; return that answer."""
        wait = FIRST_WAIT
        answer: Json = {}
        for number in range(self.patience.tries):
            answer = await self.send(event, user, seat + number, command)
            if answer and answer.get("code") not in NO_EFFECT | UNKNOWN:
                return answer
            asked = answer.get("retry_after_ms", 0) / 1000
            await asyncio.sleep(min(asked, LONGEST_WAIT) + random.uniform(0, wait))
            wait = min(wait * 2, LONGEST_WAIT)
        self.unsettled += 1
        return answer

    async def send(self, event: Event, user: str, place: int, command: Json) -> Json:
        """Send it from an open seat; return the answer, or ``None`` if the line broke."""
        seats = self.seats[user]
        order = [seats[(place + turn) % SEATS] for turn in range(SEATS)]
        deadline = time.monotonic() + self.patience.seat
        while (seat := next((seat for seat in order if seat.is_open), None)) is None:
            if self._is_lost or time.monotonic() > deadline:
                if not self._is_lost:
                    what = f"no seat of {user} was open for {self.patience.seat:.0f} s"
                    self.violations.append(what)
                # Waiting again for each remaining command would take too long.
                self._is_lost = True
                return {}
            await asyncio.sleep(LOOK_SECONDS)
        seat.sent += 1
        line = seat.line
        assert line is not None
        operation = Operation(user, line.name, command, time.monotonic())
        event.operations.append(operation)
        await line.send(operation, self.patience.answer)
        answer = operation.answer
        self.answers[told(answer)] += 1
        return answer or {}

    # The end.

    async def _heal(self) -> None:
        """With every fault healed, wait until all seats are back and at the top.

        The top is a position and an epoch: after a promotion the same position is another one.
        """
        begun = time.monotonic()
        await self._until(lambda: all(seat.is_open for seat in self.all_seats), "all back")
        await self._end_events()
        rows = await self.venue.postgres.rows("SELECT id, epoch, seq FROM events")
        tops = {row["id"]: (row["epoch"], row["seq"]) for row in rows}
        await self._until(
            lambda: all(
                (seat.epoch, seat.seq) == tops.get(seat.event)
                if seat.subscribed
                # An event may be gone, with a primary that was lost.
                else seat.event not in tops or not self._may_enter(seat)
                for seat in self.all_seats
            ),
            "all at the top",
        )
        self.heal_seconds = time.monotonic() - begun
        for seat in self.all_seats:
            assert seat.line is not None
            if seat.subscribed and seat.is_open:
                seat.line.streams[seat.event].live = True
        await self._see_the_ends()

    async def _end_events(self) -> None:
        """Paused, so that no timer takes a step while the final state is read."""
        for event in self.events:
            end = "event.finish" if event.number % 3 == 2 else "event.pause"
            command = {"type": end, "event": event.id, "id": f"{self.name}-the-end"}
            await self.settle(event, maker_of(event.number), 0, command)

    async def _see_the_ends(self) -> None:
        await asyncio.gather(*(self._see_the_end(event) for event in self.events))

    async def _see_the_end(self, event: Event) -> None:
        """Read the final state on new sockets, as an admin and as a member."""
        state = event.view.state
        maker = maker_of(event.number)
        plain = next(user for user, who in state["members"].items() if who["role"] == "member")
        for audience, user in (("admin", maker), ("member", plain)):
            seat = Seat(user, SEATS + event.number, self.venue.nodes[0], self.shared)
            seat.event, seat.view = event.id, View()
            staying = asyncio.create_task(seat.stay())
            await self._until(lambda seat=seat: seat.is_open, "the last look")  # type: ignore[misc]
            await seat.enter()
            event.final[audience] = seat.view.state
            staying.cancel()
            self._extra += seat.lines

    def _count_seats(self, whole: Span) -> None:
        for node in self.venue.nodes:
            seats = [seat for seat in self.all_seats if seat.host is node]
            found = attendance(
                whole, [seat.when_open() for seat in seats], self.struck_at(node.name)
            )
            found.commands = sum(seat.sent for seat in seats)
            self.attendance[node.name] = found

    async def _leave(self) -> None:
        for task in self._staying:
            task.cancel()
        await asyncio.gather(*self._staying, return_exceptions=True)
        for line in self.lines():
            line.abort()
            self.violations += line.violations

    def lines(self) -> list[Line]:
        """The streams of all connections."""
        return [line for seat in self.all_seats for line in seat.lines] + self._extra

    async def _until(self, condition: Callable[[], bool], what: str) -> None:
        """Wait for ``condition``; if it does not come, note that for the checker."""
        deadline = time.monotonic() + self.patience.heal
        while not condition():
            if time.monotonic() > deadline:
                self.violations.append(f"not within {self.patience.heal:.0f} s: {what}")
                return
            await asyncio.sleep(LOOK_SECONDS)
