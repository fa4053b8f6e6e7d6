"""The start of the room's window of resolved proposals, as SQL."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Integer, Text, case, cast, column, func, select, true

from persistence.database import tables as t


def resolved_floor(events: Any) -> Any:
    """Return the number up to which ``events``' resolved proposals are not shown.

    The row's own number may be behind: a node from before limits were recorded closes proposals
    without moving it. The recorded limit repairs that. If no limits are recorded, the last entry
    that closed a proposal names the ones it pushed out.
    """
    shown = cast(events.c.limits.op("->>")("resolved_shown"), Integer)
    recorded = func.greatest(events.c.resolved_floor, events.c.resolutions - shown)
    return case(
        (events.c.limits.is_not(None), recorded), else_=func.coalesce(_last_pushed_out(events), 0)
    )


def _last_pushed_out(events: Any) -> Any:
    last, closing = t.proposals.alias("last"), t.journal.alias("closing")
    gone = t.proposals.alias("gone")
    votes = func.json_extract_path(closing.c.patches, "everyone", "votes")
    named = (
        func.json_object_keys(votes).table_valued(column("id", Text), name="named").render_derived()
    )
    return (
        select(func.max(gone.c.resolved_no))
        .select_from(
            last.join(
                closing,
                (closing.c.event_id == last.c.event_id) & (closing.c.seq == last.c.resolved_seq),
            )
            .join(named, true())
            .join(gone, (gone.c.event_id == last.c.event_id) & (gone.c.id == named.c.id))
        )
        .where(
            last.c.event_id == events.c.id,
            last.c.resolved_no == events.c.resolutions,
            gone.c.resolved_no < events.c.resolutions,
        )
        .correlate(events)
        .scalar_subquery()
    )
