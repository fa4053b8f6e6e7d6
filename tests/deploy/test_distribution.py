"""The schema permits the distribution by event that docs/scaling.md describes."""

from __future__ import annotations

import re

import sqlalchemy as sa

from persistence.database.tables import metadata
from tests.parts import ROOT

TEXT = (ROOT / "docs" / "scaling.md").read_text()
#: Table → the column it is distributed by.
DISTRIBUTED = dict(re.findall(r"create_distributed_table\('(\w+)', *'(\w+)'", TEXT))
REFERENCE = set(re.findall(r"create_reference_table\('(\w+)'\)", TEXT))
#: Its positions are transaction ids of one server.
LOCAL = {"revocations"}


def test_every_table_has_its_place() -> None:
    places = [set(DISTRIBUTED), REFERENCE, LOCAL]
    assert set().union(*places) == set(metadata.tables)
    assert sum(map(len, places)) == len(metadata.tables), "one place each"


def test_every_key_and_unique_index_holds_the_distribution_column() -> None:
    for name, column in DISTRIBUTED.items():
        table = metadata.tables[name]
        unique = [set(index.columns.keys()) for index in table.indexes if index.unique]
        unique += [
            set(found.columns.keys())
            for found in table.constraints
            if isinstance(found, sa.PrimaryKeyConstraint | sa.UniqueConstraint)
        ]
        assert unique, name
        assert all(column in columns for columns in unique), name


def test_all_are_placed_by_the_event_with_columns_of_one_type() -> None:
    assert DISTRIBUTED.pop("events") == "id"
    assert set(DISTRIBUTED.values()) == {"event_id"}
    DISTRIBUTED["events"] = "id"
    types = {str(metadata.tables[name].c[column].type) for name, column in DISTRIBUTED.items()}
    assert types == {"TEXT"}


def test_no_table_refers_to_another() -> None:
    """A foreign key from one shard to another could not be checked."""
    assert not any(table.foreign_keys for table in metadata.tables.values())
