"""Rows whose words an operator erased: what they said before, and what they say since.

A row's own fields are what it said first, so that all that clients got before the erasure can be
compared with them. ``rewritten`` has, in order, the ``seq`` of each erasure that changed the row,
and the row as it is since.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence

from tests.model.chain import compact, digests_of, raw, text_of
from tests.model.history import Json, Violation

#: Command → the fields that are its sender's words.
WORDS = {
    "comment.add": ("content",),
    "comment.edit": ("content",),
    "proposal.create": ("content", "reason"),
    "proposal.moderate": ("reason",),
    "proposal.rebase": ("content",),
    "proposal.reject": ("reason",),
    "proposal.revert": ("reason",),
    "proposal.withdraw": ("reason",),
}
#: Fields that no erasure changes.
KEPT = ("seq", "user", "id", "command", "at", "prev_hash", "hash", "fingerprint")


def since(row: Json, seq: int) -> Json:
    """Return ``row`` as it stood after the erasure at ``seq``."""
    found = row
    for erased_at, version in row.get("rewritten", ()):
        if erased_at <= seq:
            found = version
    return found


def versions(row: Json) -> list[Json]:
    """Return the row as it was stored at different times, the first one first."""
    return [row, *(version for _, version in row.get("rewritten", ()))]


def check_erasures(rows: Sequence[Json], every_row: Sequence[Json]) -> Iterator[Violation]:
    """1: erasures change nothing but words. The digests stay, and the words are nowhere."""
    erasures = {row["seq"] for row in rows if row["command"] == "event.erase"}
    for row in every_row:
        for erased_at, version in row.get("rewritten", ()):
            # A refusal loses its salt also if there is nothing to erase, and so no step.
            if row["seq"] is not None and erased_at not in erasures:
                yield Violation(1, row["seq"], f"was changed at {erased_at}, and no step says so")
            if changed := [name for name in KEPT if version.get(name) != row.get(name)]:
                yield Violation(1, row["seq"], f"an erasure changed its {changed}")
            if raw(version["salt"]):
                yield Violation(1, row["seq"], "words were erased, and their salt is still there")
            if row["seq"] is not None and version["digests"] != digests_of(row):
                yield Violation(1, row["seq"], "the digests are not those of what it said")
    for row in rows:
        if row["command"] == "event.erase":
            yield from _words_left(rows, row)


def _words_left(rows: Sequence[Json], erasure: Json) -> Iterator[Violation]:
    user, seq = erasure["payload"]["user"], erasure["seq"]
    before = [row for row in rows if row["seq"] < seq]
    others = "".join(text_of(row, "payload") for row in before if row["user"] != user)
    words = {
        row["payload"].get(field)
        for row in before
        if row["user"] == user
        for field in WORDS.get(row["command"], ())
    }
    stored = "".join(
        text
        for row in (since(row, seq) for row in [*before, erasure])
        for text in (
            *(text_of(row, "payload"), text_of(row, "answer")),
            *(row.get("patches_text") or {"": compact(row["patches"])}).values(),
        )
    )
    for word in sorted(filter(None, words)):
        quoted = json.dumps(word, ensure_ascii=False)
        # The same words of another person stay.
        if quoted not in others and quoted in stored:
            yield Violation(1, seq, f"the journal still says {word!r} of {user}")
