"""``ayes erase``: a person's names and words go from the journal, the tables and the rooms."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import datetime

from msgspec.structs import asdict

from handlers.commands import registry
from handlers.lanes.decide import Answer, Submission, decide
from handlers.proof.entry import Entry, entry_of
from handlers.proof.erasure import Erased, NotErasable
from handlers.proof.erasure import erase as without_words
from handlers.rules.erasing import erasing
from handlers.rules.invitations import invitation_of
from handlers.rules.timers import SERVER
from handlers.step import Actor
from persistence.database.pool import Database
from persistence.event.limits import RULES, DomainLimits, decode_limits
from persistence.journal import audit, rewriting
from persistence.journal.epochs import pages
from persistence.journal.transaction import Transaction, Written
from protocol.text import escaped
from server.cli.audit import AuditError
from server.services.entropy import entropy

#: Tables whose records are written in place; the history of items has a statement of its own.
_IN_PLACE = ("memberships", "items", "proposals", "comments", "invitations")


async def erase(
    database: Database, user: str, event: str | None, limits: DomainLimits
) -> AsyncIterator[str]:
    """Erase ``user``'s words in one event, or in all, one after another; yield what was done.

    Each event is one transaction. If it ends half-way, run it again: events that are done, and in
    which the user did nothing since, are passed over. Raises ``AuditError``.
    """
    registry.check()
    if event is not None:
        yield await _erase_in(database, event, user, limits)
        return
    count = 0
    async for ids in pages(database, None):
        for one in await rewriting.took_part(database, ids, user, invitation_of(user)):
            count += 1
            if await rewriting.is_erased(database, one, user):
                yield f"event {one}: nothing since the last time"
            else:
                yield await _erase_in(database, one, user, limits)
    await rewriting.hide_user(database, user)
    yield f"{escaped(user)}: erased in {count} events; the tokens the user has still hold the name"


async def _erase_in(database: Database, event_id: str, user: str, limits: DomainLimits) -> str:
    async with Transaction.begin(database) as transaction:
        connection = transaction.connection
        if await transaction.lock(event_id) is None:
            raise AuditError(f"there is no event {event_id}")
        await rewriting.be_patient(connection)
        event, tables = await audit.everything_on(connection, event_id)
        if event.limits is not None and decode_limits(event.limits).rules > RULES:
            raise AuditError(f"event {event_id} is decided by a newer version's rules; use that")
        own = {one.id for one in tables["invitations"] if one.user_id == user}
        if (invited := invitation_of(user)) is not None:
            own.add(invited)
        entries = [entry_of(row) async for row in audit.lines_on(connection, event_id)]
        try:
            found = without_words(event, tables, entries, user, own)
        except NotErasable as err:
            raise AuditError(f"event {event_id}: nothing was erased, since {err}") from None
        await rewriting.forget_refused(connection, event_id, user)
        if not found.changed and not found.rows:
            await transaction.commit()
            return f"event {event_id}: there is nothing to erase"
        now, _ = await transaction.clock_and_remembered([])
        versions = found.rows.get("item_history", set())
        held = ((key, found.state.item_history[key]) for key in sorted(versions))
        texts = ((*key, version.content) for key, version in held if version is not None)
        await rewriting.rewrite(connection, event_id, [_stored(one) for one in found.changed])
        await rewriting.rewrite_history(connection, event_id, texts)
        await _append(transaction, found, user, limits, now)
        await transaction.commit()
    rows = sum(map(len, found.rows.values()))
    return f"event {event_id}: erased from {len(found.changed)} lines and {rows} rows; it verifies"


def _stored(entry: Entry) -> rewriting.Rewritten:
    texts = (b'"%b":%b' % (label.encode(), text) for label, text in entry.patches.items())
    patches = (b"{%b}" % b",".join(texts)).decode()
    assert entry.digests is not None
    return rewriting.Rewritten(entry.seq, entry.payload, entry.answer, patches, entry.digests)


async def _append(
    transaction: Transaction, found: Erased, user: str, limits: DomainLimits, now: datetime
) -> None:
    """Append the step that shows the erasure, and write the rows without the words."""
    state = found.state
    command = erasing(state.id, state.seq + 1, user, found.shown)
    submission = Submission(command, Actor(SERVER, SERVER), entropy=entropy(), reply=_unheard)
    decision = decide(state, submission, now, limits)
    if decision is None or decision.entry is None or decision.entry.seq is None:
        raise AuditError(f"event {state.id}: nothing was erased: its step was refused")
    entry = entry_of(asdict(decision.entry) | {"digests": None})
    if difference := found.proof.run([entry]):
        raise AuditError(f"event {state.id}: nothing was erased: its step {difference.what}")
    changed = {table: found.rows[table] for table in _IN_PLACE if table in found.rows}
    written = Written(state, [decision.entry], changed, set(), made=False, event_changed=False)
    await transaction.write([written])


def _unheard(submission: Submission, answer: Answer) -> None:
    """No client waits for it."""
