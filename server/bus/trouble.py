"""Errors of Redis in plain words, for the log, ``ayes doctor`` and the admin."""

from __future__ import annotations

from typing import Final, NamedTuple

from redis.exceptions import AuthenticationError, ResponseError
from redis.exceptions import TimeoutError as RedisTimeoutError

#: Rights of the user of a node, and of one in a cluster.
RIGHTS: Final = "+publish +subscribe +unsubscribe +ping &ayes:*"
CLUSTER_RIGHTS: Final = f"{RIGHTS} +spublish +ssubscribe +sunsubscribe +cluster"


class BusTrouble(NamedTuple):
    """An error of Redis in plain words."""

    fact: str
    cure: str

    def __str__(self) -> str:
        return f"{self.fact} → {self.cure}"


_PASSWORD: Final = BusTrouble("it refuses the user or the password", "correct AYES_REDIS_URL")
#: Beginnings of Redis' own answers.
_ANSWERS: Final = {
    "NOAUTH": BusTrouble("it wants a password", "put it into AYES_REDIS_URL"),
    "WRONGPASS": _PASSWORD,
    "NOPERM": BusTrouble("its user lacks a right", f"ACL SETUSER … {RIGHTS}"),
    "LOADING": BusTrouble("it reads its data from disk after a start", "wait until it is done"),
    "MASTERDOWN": BusTrouble(
        "it is a replica without its primary", "give the primary's address, or start that"
    ),
    "READONLY": BusTrouble("it is a replica", "give the primary's address"),
    "max number of clients": BusTrouble(
        "it takes no more clients", "raise its maxclients, or end other programs' connections"
    ),
    "OOM": BusTrouble("its memory is full", "raise its maxmemory, or give Ayes a Redis of its own"),
    "MISCONF": BusTrouble("it cannot write its data to disk", "free its disk, or set save ''"),
    "DENIED": BusTrouble("its protected mode refuses this machine", "give it a password, or bind"),
}


def is_misconf(answer: object) -> bool:
    """Return whether Redis refuses PING since it cannot save: it publishes all the same."""
    return isinstance(answer, ResponseError) and str(answer).startswith("MISCONF")


def trouble_of(err: BaseException) -> BusTrouble:
    """Return what ``err`` means, and what to do."""
    # The client takes the first word of most answers off, and keeps it beside.
    said = f"{getattr(err, 'status_code', None) or ''} {err}".strip()
    for beginning, found in _ANSWERS.items():
        if said.removeprefix("ERR ").startswith(beginning):
            return found
    if isinstance(err, AuthenticationError):
        return _PASSWORD
    if isinstance(err, ResponseError):
        return BusTrouble(f"it refuses: {said}", "look at its configuration")
    if isinstance(err, TimeoutError | RedisTimeoutError):
        return BusTrouble(
            "it does not answer in time: it is frozen, overloaded, or cut off",
            "redis-cli PING from here; look at its SLOWLOG and at the network",
        )
    return BusTrouble("it is out of reach", "start it, or correct AYES_REDIS_URL")
