"""The stream of commands to a home: order, losses, and failing homes; without a bus."""

from __future__ import annotations

import itertools
import random
from datetime import UTC, datetime
from typing import Any

import pytest

from handlers.lanes.decide import ENTROPY_BYTES, Answer, Submission
from handlers.step import Actor
from protocol.commands import EventPause
from protocol.errors import ErrorCode
from server.homes import outgoing as outgoing_module
from server.homes import shared as shared_module
from server.homes import uses as uses_module
from server.homes.incoming import Incoming
from server.homes.letters import (
    Commands,
    ForwardedAnswer,
    Letter,
    answer_of,
    decode_letter,
    encode_letter,
    forwarded,
    forwarded_answer,
    submission_of,
)
from server.homes.outgoing import (
    MAX_DISTRUST_S,
    MIN_DISTRUST_S,
    SILENCE_TIMEOUT_S,
    STUCK_PAUSE_S,
    STUCK_TIMEOUT_S,
    Outbound,
    Outgoing,
)
from server.homes.routes import USE_TTL_S, Route
from server.homes.shared import MOVES_WINDOW_S, SharedEvents
from server.homes.uses import USE_INTERVAL_S, Uses

EVENT = "0190a4d2-9f0e-5c5e-9d0a-617965732e31"


def submission(number: int = 1) -> Submission:
    return Submission(
        EventPause(id=f"command-{number:04}", event=EVENT),
        Actor("ada", "Ada"),
        entropy=bytes([number % 256]) * ENTROPY_BYTES,
        reply=lambda submission, answer: None,
        expires=datetime(2030, 1, 1, microsecond=123_457, tzinfo=UTC),
        issued=datetime(2029, 1, 1, tzinfo=UTC),
    )


class Way:
    """Commands to one home, and the letters it receives."""

    def __init__(self) -> None:
        self.route = Route(EVENT, 0.0)
        self.outgoing = Outgoing("home", itertools.count(1), 0.0)
        self.incoming = Incoming()
        self.sent = itertools.count(1)

    def put(self, count: int, now: float = 0.0) -> None:
        for _ in range(count):
            self.outgoing.put(Outbound(self.route, submission(next(self.sent)), now))

    def letter(self, count: int, now: float = 0.0) -> Commands:
        self.put(count, now)
        commands = self.outgoing.take(now)
        assert commands is not None
        return commands

    def names(self, taken: list[Outbound]) -> list[str]:
        return [outbound.submission.command.id for outbound in taken]


def test_a_submission_is_the_same_after_its_way() -> None:
    one = submission()
    letter = Letter("node", 1.5, Commands(1, 1, [forwarded(EVENT, one)]), None)
    read = decode_letter(encode_letter(letter))
    assert read == letter
    assert read is not None
    assert read.commands is not None
    found = submission_of(read.commands.commands[0], lambda submission, answer: None)
    for name in ("command", "actor", "entropy", "expires", "issued", "key", "payload"):
        assert getattr(found, name) == getattr(one, name), name


def test_a_command_for_another_event_than_its_lane_is_refused() -> None:
    with pytest.raises(ValueError, match="another event"):
        submission_of(forwarded("another", submission()), lambda submission, answer: None)


def test_an_answer_is_the_same_after_its_way() -> None:
    for answer in (Answer(b"{}"), Answer(b"{}", ErrorCode.STALE)):
        assert answer_of(forwarded_answer(1, answer, is_only_user=True)) == answer
    with pytest.raises(ValueError, match="no such"):
        answer_of(ForwardedAnswer(1, b"{}", "no such", False))


def test_letters_in_order_are_taken_and_answered() -> None:
    way = Way()
    for count in (1, 5, 2):
        commands = way.letter(count)
        assert way.incoming.accept(commands) == 1
        for number in range(commands.first, commands.first + count):
            assert way.incoming.answer(1, forwarded_answer(number, Answer(b""), is_only_user=False))
        answers = way.incoming.take(0.0)
        assert answers is not None
        assert way.outgoing.hear(answers, 0.0) is True
        assert all(way.outgoing.answered(answer, 0.0) for answer in answers.answers)
    assert not len(way.outgoing)
    assert way.incoming.waiting == 0


def test_no_letter_is_taken_twice_or_out_of_its_order() -> None:
    """In 10,000 orders, each letter up to three times: a prefix is taken, in order, once each."""
    chance = random.Random(1)
    for _ in range(10_000):
        way = Way()
        letters = [way.letter(chance.randint(1, 3)) for _ in range(chance.randint(1, 5))]
        arriving = [each for each in letters for _ in range(chance.randint(0, 3))]
        chance.shuffle(arriving)
        taken = [each for each in arriving if way.incoming.accept(each) is not None]
        assert taken == letters[: len(taken)]


def test_after_a_lost_letter_none_of_its_stream_is_taken_and_all_come_back_in_order() -> None:
    way = Way()
    first, lost, third = way.letter(2), way.letter(2), way.letter(2)
    assert way.incoming.accept(first) is not None
    assert way.incoming.accept(third) is None
    assert way.incoming.accept(lost) is None, "it comes late"
    answers = way.incoming.take(0.0)
    assert answers is not None
    assert way.outgoing.hear(answers, 0.0) is False
    way.put(1)
    assert way.names(way.outgoing.take_back()) == [f"command-{n:04}" for n in range(1, 8)]
    again = way.letter(1)
    assert (again.stream, again.first) == (2, 1)
    assert way.incoming.accept(again) == 2
    assert way.incoming.accept(third) is None
    assert not way.incoming.answer(1, forwarded_answer(1, Answer(b""), is_only_user=False))
    assert way.outgoing.hear(answers, 0.0) is None, "an answer to the stream before"


def test_answers_that_were_lost_are_missed_and_none_counts_twice() -> None:
    way = Way()
    way.incoming.accept(way.letter(3))
    heard = []
    for number in (1, 2, 3):
        way.incoming.answer(1, forwarded_answer(number, Answer(b""), is_only_user=False))
        heard.append(way.incoming.take(0.0))
    one, _, three = heard
    assert one is not None
    assert three is not None
    assert way.outgoing.hear(one, 0.0) is True
    assert way.outgoing.hear(one, 0.0) is None
    assert way.outgoing.hear(three, 0.0) is False
    assert way.outgoing.answered(one.answers[0], 0.0)
    assert way.outgoing.answered(three.answers[0], 0.0)
    assert way.outgoing.answered(three.answers[0], 0.0) is None
    assert way.names(way.outgoing.take_back()) == ["command-0002"]


def silent(way: Way, now: float) -> bool:
    """Whether two ticks in a row find the home silent."""
    way.outgoing.is_silent(now)
    return way.outgoing.is_silent(now)


def test_a_home_is_silent_after_its_time_and_not_while_it_confirms() -> None:
    way = Way()
    assert not silent(way, 1_000.0), "nothing was sent"
    way.incoming.accept(way.letter(1, now=1_000.0))
    assert not silent(way, 1_000.0 + SILENCE_TIMEOUT_S)
    now = 1_000.0
    for _ in range(20):
        now += SILENCE_TIMEOUT_S / 2
        way.incoming.remind()
        answers = way.incoming.take(now)
        assert answers is not None
        way.outgoing.hear(answers, now)
        assert not silent(way, now)
    assert not way.outgoing.is_silent(now + SILENCE_TIMEOUT_S + 0.01), "one look is not enough"
    assert way.outgoing.is_silent(now + SILENCE_TIMEOUT_S + 0.01)


def test_a_letter_that_is_not_confirmed_makes_silent_whatever_else_is_heard() -> None:
    way = Way()
    way.incoming.accept(way.letter(1))
    way.letter(1)
    now = SILENCE_TIMEOUT_S + 0.1
    way.incoming.remind()
    answers = way.incoming.take(now)
    assert answers is not None
    assert way.outgoing.hear(answers, now)
    assert silent(way, now)


def test_a_command_that_cannot_leave_makes_silent() -> None:
    way = Way()
    way.put(1)
    assert silent(way, SILENCE_TIMEOUT_S + 0.1)


def test_a_home_is_stuck_if_it_answers_nothing_and_not_if_one_event_waits() -> None:
    way = Way()
    way.letter(2)
    way.put(1, now=3.0)
    assert not way.outgoing.is_stuck(STUCK_TIMEOUT_S - 0.1)
    assert way.outgoing.is_stuck(STUCK_TIMEOUT_S)
    assert way.outgoing.answered(ForwardedAnswer(2, b"{}", None, False), 1.0) is not None
    assert not way.outgoing.is_stuck(STUCK_TIMEOUT_S), "it answers others"
    assert way.outgoing.is_stuck(STUCK_TIMEOUT_S + 1.0)
    way.outgoing.pause(5.0)
    assert not way.outgoing.is_trusted(5.0 + STUCK_PAUSE_S - 0.1)
    assert way.outgoing.is_trusted(5.0 + STUCK_PAUSE_S)


def test_a_home_that_fails_again_and_again_is_tried_less_often() -> None:
    way, now, pauses = Way(), 0.0, []
    for _ in range(10):
        way.outgoing.distrust(now)
        begun = now
        while not way.outgoing.is_trusted(now):
            now += 0.5
        pauses.append(now - begun)
    assert pauses[0] == MIN_DISTRUST_S
    assert pauses[-1] == MAX_DISTRUST_S
    assert pauses == sorted(pauses)


def test_a_letter_is_bounded_and_the_rest_goes_with_the_next(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(outgoing_module, "LETTER_BYTES", 1_000)
    way = Way()
    way.put(20)
    sizes = []
    while (commands := way.outgoing.take(0.0)) is not None:
        sizes.append(len(commands.commands))
        assert way.incoming.accept(commands)
    assert sum(sizes) == 20
    assert max(sizes) < 6


def test_an_event_is_shared_once_another_node_moves_it_twice() -> None:
    watched: set[str] = set()
    shared = SharedEvents(watched.__contains__)
    shared.moved("e", 0.0)
    assert "e" not in shared
    shared.moved("e", MOVES_WINDOW_S + 1)
    assert "e" not in shared, "the first was long ago"
    shared.moved("e", MOVES_WINDOW_S + 2)
    assert "e" in shared
    shared.is_mine("e")
    assert "e" not in shared
    watched.add("e")
    assert "e" in shared


class Letters:
    """The events that a home and other nodes name to each other."""

    def __init__(self) -> None:
        self.told: list[str] = []
        self.posted: list[str] = []
        self.uses = Uses("home", self.posted.append, self.told.append)
        self.route = Route(EVENT, 0.0)

    def names(self, node: str) -> list[str]:
        return self.uses.take(node)[1]


def test_a_home_tells_the_second_node_and_the_first_at_once() -> None:
    home = Letters()
    home.uses.use(home.route, "one", 0.0)
    assert home.posted == []
    home.uses.use(home.route, "other", 1.0)
    assert (home.names("one"), home.names("other")) == ([EVENT], [EVENT])
    home.uses.use(home.route, "other", 2.0)
    assert home.names("other") == [], "it knows"
    home.uses.use(home.route, "third", 3.0)
    assert (home.names("one"), home.names("third")) == ([], [EVENT])
    home.uses.use(home.route, "other", 3.0 + 2 * USE_TTL_S)
    assert home.names("other") == [], "the others use it no more"
    home.uses.use(home.route, "home", 4.0 + 2 * USE_TTL_S)
    assert home.told == [EVENT]
    assert home.names("other") == [EVENT]


def test_a_node_names_an_event_to_its_home_at_intervals_and_never_to_itself() -> None:
    node = Letters()
    node.route.home = "there"
    for now in (0.0, 0.1, USE_INTERVAL_S - 0.1):
        node.uses.report(node.route, now)
    assert node.posted == ["there"]
    assert node.uses.take("there") == ([EVENT], [])
    node.uses.report(node.route, USE_INTERVAL_S)
    assert node.uses.take("there") == ([EVENT], [])
    node.route.home, node.route.reports_from = "home", 0.0
    node.uses.report(node.route, 10 * USE_INTERVAL_S)
    assert node.uses.take("home") == ([], [])


def test_named_events_are_bounded_and_gone_with_their_node(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(uses_module, "MAX_NAMED", 2)
    monkeypatch.setattr(uses_module, "MAX_UNNAMED", 5)
    node = Letters()
    for number in range(9):
        route = Route(f"e{number}", 0.0)
        route.home = "there"
        node.uses.report(route, 0.0)
    taken = [node.uses.take("there")[0] for _ in range(4)]
    assert taken == [["e0", "e1"], ["e2", "e3"], ["e4"], []]
    node.uses.report(node.route, 0.0)
    node.route.home = "there"
    node.uses.report(node.route, 0.0)
    node.uses.forget(lambda name: False)
    assert node.uses.take("there") == ([], [])


def test_no_more_shared_events_are_remembered_than_the_bound(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(shared_module, "MAX_SHARED", 3)
    shared = SharedEvents(lambda event: False)
    for number in range(5):
        for _ in range(2):
            shared.moved(f"e{number}", 0.0)
    assert [f"e{number}" in shared for number in range(5)] == [False, False, True, True, True]


def test_a_node_is_the_only_user_once_nobody_else_was_seen_for_long() -> None:
    route = Route(EVENT, 0.0)
    route.use("one", 0.0)
    assert not route.is_only_user("one", 1.0), "not seen for long enough"
    route.use("one", USE_TTL_S)
    assert route.is_only_user("one", USE_TTL_S + 1)
    route.use("other", USE_TTL_S)
    assert not route.is_only_user("one", USE_TTL_S + 1)
    assert route.is_only_user("one", 2 * USE_TTL_S + 1)
    for number in range(100):
        route.use(f"node {number}", 1_000.0 + number)
    kept: Any = route._users
    assert len(kept) <= 8
