"""Journal entries without what is secret, and the proof of a chain of them.

Votes and ballots stay secret, while the event runs and afterwards. Their entries have neither user
nor payload, and an entry's patch on a user's own votes or ballot is left out. The digests that the
entry's hash is made of take their place. The salt is left out too: with it, the few possible values
of a secret could be tried. The id stays: it is its client's choice. The ids that the SDKs make name
neither a person nor, by their time, a clock.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any, Final, NamedTuple

from handlers.proof.entry import Entry, digests_of, seal_of
from persistence.event.records import Event
from persistence.journal import chain
from protocol import commands as c

#: Commands whose entries do not show their sender.
SECRET: Final = frozenset(
    c.type_of(kind) for kind in (c.VoteCast, c.VoteRetract, c.BallotSubmit, c.BallotClear)
)
#: Fields of a patch on ``you`` that show a vote or a ballot.
_OWN_VOTES: Final = (b'"votes":', b'"stances":')
_OWN: Final = (*_OWN_VOTES, b'"ballot":')


#: Of these, the ones that are shown after the end of an event whose ballot is ``named``.
_BALLOTS: Final = frozenset(c.type_of(kind) for kind in (c.BallotSubmit, c.BallotClear))


def shows_ballots(event: Event) -> bool:
    """Whether all members may see now who chose what."""
    return event.status == "finished" and event.policy.final_ballot.named


def disclosed(entry: Entry, *, ballots: bool = False) -> dict[str, Any]:
    """Return the fields of ``entry`` that its event's admins, or the public, may read.

    ``ballots``: the ballots are shown to all.
    """
    is_secret = entry.command in SECRET and not (ballots and entry.command in _BALLOTS)
    own = entry.patches.get("you", b"")
    line: dict[str, Any] = {"seq": entry.seq, "at": chain.moment(entry.at)}
    if not is_secret:
        line["user"] = entry.user
    line |= {"id": entry.id, "command": entry.command}
    patches = entry.patches
    if is_secret or any(field in own for field in (_OWN_VOTES if ballots else _OWN)):
        patches = {label: text for label, text in patches.items() if label != "you"}
        line["digests"] = digests_of(entry)
    elif entry.digests is not None:
        line["digests"] = entry.digests
    else:
        line["salt"] = entry.salt.hex()
    if not is_secret:
        line["payload"] = entry.payload
    stored = b",".join(b'"%b":%b' % (label.encode(), text) for label, text in patches.items())
    line |= {"answer": entry.answer, "patches": (b"{%b}" % stored).decode()}
    return line | {"prev_hash": entry.prev_hash.hex(), "hash": entry.hash.hex()}


class Proved(NamedTuple):
    """The result of checking a chain of entries."""

    lines: int
    secret: int
    """Entries of which only digests are known."""
    hash: bytes


class Broken(Exception):
    """The chain is broken; the message says where."""


def prove(lines: Iterable[Mapping[str, Any]]) -> Proved:
    """Check a chain of disclosed entries from the first one on; raises ``Broken``."""
    seq, secret, previous = 0, 0, bytes(32)
    for line in lines:
        seq += 1
        if line["seq"] != seq:
            raise Broken(f"line {line['seq']} follows line {seq - 1}: a line is missing")
        if bytes.fromhex(line["prev_hash"]) != previous:
            raise Broken(f"line {seq} does not continue the chain")
        previous = bytes.fromhex(line["hash"])
        if _hash_of(line) != previous:
            raise Broken(f"line {seq} was changed: its hash is not that of what it says")
        secret += "digests" in line
    return Proved(seq, secret, previous)


def _hash_of(line: Mapping[str, Any]) -> bytes:
    at = datetime.fromisoformat(line["at"])
    if (digests := line.get("digests")) is not None:
        return chain.seal_digests(
            bytes.fromhex(line["prev_hash"]),
            seq=line["seq"],
            at=chain.moment(at),
            command=line["command"],
            digests=digests,
        )
    return seal_of(entry_of_line(line))


def entry_of_line(line: Mapping[str, Any]) -> Entry:
    """Return an entry that was written in full."""
    return Entry(
        seq=line["seq"],
        at=datetime.fromisoformat(line["at"]),
        command=line["command"],
        user=line["user"],
        id=line["id"],
        # An entry whose words were erased has digests instead.
        salt=bytes.fromhex(line.get("salt", "")),
        payload=line["payload"],
        answer=line["answer"],
        patches=chain.labelled(line["patches"]),
        prev_hash=bytes.fromhex(line["prev_hash"]),
        hash=bytes.fromhex(line["hash"]),
        digests=line.get("digests"),
    )
