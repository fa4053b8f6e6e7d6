"""The final count, written a second time: every round counts all ballots again."""

from __future__ import annotations

from typing import Any

Row = dict[str, Any]


def runoff(options: list[str], ballots: list[list[str]]) -> tuple[list[Row], list[str]]:
    """The rounds of a ranked count and its winners, by the rules of the domain."""
    rounds: list[Row] = []
    left = options
    while left:
        best = [next((id for id in ballot if id in left), None) for ballot in ballots]
        counts = {id: best.count(id) for id in left}
        named = len(ballots) - best.count(None)
        won = [id for id in left if counts[id] > named / 2]
        out = [] if won else losers(left, [row["counts"] for row in rounds] + [counts])
        if out == left:
            won, out = left, []
        rounds.append({"counts": counts, "exhausted": best.count(None), "out": out})
        if won:
            return rounds, won
        left = [id for id in left if id not in out]
    return rounds, []


def losers(tied: list[str], history: list[dict[str, int]]) -> list[str]:
    """The options of ``tied`` that go out: the fewest now, then in the latest round before."""
    if len(tied) == 1 or not history:
        return tied
    fewest = min(history[-1][id] for id in tied)
    return losers([id for id in tied if history[-1][id] == fewest], history[:-1])


def ranked_results(options: list[str], ballots: list[list[str]]) -> Row:
    """The results of a ranked count, as the server words them."""
    rounds, winners = runoff(options, ballots)
    ends: dict[str, tuple[int, int]] = {}
    for number, row in enumerate(rounds):
        for id, votes in row["counts"].items():
            ends[id] = number, votes
    for id in winners:
        ends[id] = len(rounds), ends[id][1]
    order = sorted(options, key=lambda id: (tuple(-part for part in ends[id]), options.index(id)))
    return {
        "method": "ranked",
        "options": [
            {
                "option": id,
                "votes": ends[id][1],
                "rank": 1 + len([other for other in ends.values() if other > ends[id]]),
            }
            for id in order
        ],
        "rounds": [
            {
                "options": [{"option": id, "votes": row["counts"][id]} for id in row["counts"]],
                "exhausted": row["exhausted"],
                "out": row["out"],
            }
            for row in rounds
        ],
        "winners": winners,
    }
