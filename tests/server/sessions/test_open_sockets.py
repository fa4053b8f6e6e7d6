"""The sockets of a node that drains."""

from __future__ import annotations

import pytest

from server.sessions.open_sockets import departure_time


@pytest.mark.parametrize(
    ("clients", "seconds"),
    [(0, 0.0), (1, 0.025), (100, 2.5), (300, 7.5), (20_000, 7.5)],
)
def test_many_clients_are_sent_away_over_most_of_the_window(clients: int, seconds: float) -> None:
    assert departure_time(clients, 10.0) == seconds


def test_a_window_of_nothing_sends_all_away_at_once() -> None:
    assert departure_time(20_000, 0.0) == 0.0
