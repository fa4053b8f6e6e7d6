"""Count the final ballots, by the method of the event's policy."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

from persistence.event.records import Ballot
from persistence.event.state import EventState

#: Points for the first, second and third criterion of a ranking.
WEIGHTS = (3, 2, 1)


def count(state: EventState) -> dict[str, Any]:
    """Return the result: ballots per option, points per criterion; equal counts share a rank.

    Deleted criteria are removed from a ranking, and later ones move up. Criteria that were added
    after a ballot get no points from it.
    """
    method = state.event.policy.final_ballot.method
    ballots = state.all_ballots() if state.event.ballots else []
    options = [option.id for option in state.live_options()]
    counted: dict[str, Any] = {"ballots": len(ballots), "eligible": state.event.members}
    if method == "ranked":
        return counted | _ranked_choice(options, ballots) | {"criteria": _criteria(state, ballots)}
    votes = dict.fromkeys(options, 0)
    for ballot in ballots:
        for id in ballot.chosen:
            if id in votes:
                votes[id] += 1
    counted |= {
        "options": _ranked(votes, "option", "votes"),
        "criteria": _criteria(state, ballots),
    }
    return counted if method == "single" else counted | {"method": method}


def _criteria(state: EventState, ballots: Iterable[Ballot]) -> list[dict[str, Any]]:
    points = {criterion.id: 0 for criterion in state.live_items("criterion")}
    for ballot in ballots:
        left = [id for id in ballot.criterion_order if id in points]
        for id, worth in zip(left, WEIGHTS, strict=False):
            points[id] += worth
    return _ranked(points, "criterion", "points")


def _ranked(counts: dict[str, int], key: str, unit: str) -> list[dict[str, Any]]:
    """Sort by count, highest first; equal counts share a rank and keep their order."""
    return [
        {key: id, unit: count, "rank": 1 + sum(other > count for other in counts.values())}
        for id, count in sorted(counts.items(), key=lambda pair: -pair[1])
    ]


class Round(NamedTuple):
    """One round of an instant runoff."""

    votes: dict[str, int]
    """Option still in → the ballots that count for it."""
    exhausted: int
    """Ballots that name no option that is still in."""
    out: list[str]
    """The options that go out after this round."""


def instant_runoff(
    options: Sequence[str], ballots: Iterable[Sequence[str]]
) -> tuple[list[Round], list[str]]:
    """Return the rounds of a ranked count, and the winner, or several tied winners.

    Each round counts every ballot for its best option still in. More than half of the ballots that
    still name one wins. Otherwise the option with the fewest goes out.
    """
    rounds: list[Round] = []
    standing: dict[str, list[Iterator[str]]] = {id: [] for id in options}
    exhausted = _allot(map(iter, ballots), standing)
    named = sum(map(len, standing.values()))
    while standing:
        votes = {id: len(held) for id, held in standing.items()}
        most = max(votes.values())
        if 2 * most > named:
            rounds.append(Round(votes, exhausted, []))
            return rounds, [id for id in votes if votes[id] == most]
        out = _fewest(votes, rounds)
        if len(out) == len(votes):
            rounds.append(Round(votes, exhausted, []))
            return rounds, out
        rounds.append(Round(votes, exhausted, out))
        freed = [ballot for id in out for ballot in standing.pop(id)]
        over = _allot(freed, standing)
        exhausted, named = exhausted + over, named - over
    return rounds, []


def _allot(ballots: Iterable[Iterator[str]], standing: dict[str, list[Iterator[str]]]) -> int:
    """Give each ballot to its next option still in; return how many name none."""
    over = 0
    for ballot in ballots:
        best = next((id for id in ballot if id in standing), None)
        if best is None:
            over += 1
        else:
            standing[best].append(ballot)
    return over


def _fewest(votes: dict[str, int], rounds: Sequence[Round]) -> list[str]:
    """Return the option with the fewest ballots, or several that were equal in every round.

    Among equals it is the one that had fewer in the latest earlier round in which they differ.
    """
    fewest = list(votes)
    for earlier in (votes, *(round.votes for round in reversed(rounds))):
        least = min(earlier[id] for id in fewest)
        fewest = [id for id in fewest if earlier[id] == least]
    return fewest


def _ranked_choice(options: Sequence[str], ballots: Iterable[Ballot]) -> dict[str, Any]:
    rounds, winners = instant_runoff(options, [ballot.chosen for ballot in ballots])
    lasted = {id: number for number, round in enumerate(rounds) for id in round.votes}
    last = {id: rounds[number].votes[id] for id, number in lasted.items()}
    # The winners, then those of the last round by their ballots, then the others as they went out.
    ends = {id: (id in winners, lasted[id], last[id]) for id in options}
    order = sorted(options, key=ends.__getitem__, reverse=True)
    return {
        "method": "ranked",
        "options": [
            {
                "option": id,
                "votes": last[id],
                "rank": 1 + sum(other > ends[id] for other in ends.values()),
            }
            for id in order
        ],
        "rounds": [
            {
                "options": [{"option": id, "votes": n} for id, n in round.votes.items()],
                "exhausted": round.exhausted,
                "out": round.out,
            }
            for round in rounds
        ],
        "winners": winners,
    }
