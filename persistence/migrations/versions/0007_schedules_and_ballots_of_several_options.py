"""An event has a schedule, and a ballot can name several options.

The columns stay empty for what was written before.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

_SCHEDULE = ("starts_at", "ends_at", "ends_set_at")
_DUE = {"starts": "not_started", "ends": "in_progress"}


def upgrade() -> None:
    for name in _SCHEDULE:
        op.add_column("events", sa.Column(name, sa.DateTime(timezone=True)))
    op.add_column(
        "events",
        sa.Column("ballot_fixed", sa.Boolean(), nullable=False, server_default=sa.text("false")),
    )
    for name, status in _DUE.items():
        op.create_index(
            f"events_{name}_idx",
            "events",
            [f"{name}_at", "id"],
            unique=False,
            postgresql_where=sa.text(f"status = '{status}' AND {name}_at IS NOT NULL"),
        )
    op.add_column("ballots", sa.Column("options", sa.JSON()))
    op.add_column("ballots", sa.Column("seq", sa.BigInteger()))


def downgrade() -> None:
    op.drop_column("ballots", "seq")
    op.drop_column("ballots", "options")
    for name in _DUE:
        op.drop_index(f"events_{name}_idx", table_name="events")
    for name in ("ballot_fixed", *_SCHEDULE):
        op.drop_column("events", name)
