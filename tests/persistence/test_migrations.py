"""Migrations only expand the schema, so that an older node runs on a newer one's database."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from alembic.script import ScriptDirectory

from persistence.database.connecting import UnfitDatabaseError
from persistence.database.migrate import config, newest_revision, upgrade_async
from server.cli.main import main
from tests.parts import ROOT, execute

VERSIONS = sorted((ROOT / "persistence" / "migrations" / "versions").glob("0*.py"))
#: Operations that keep an older node's statements working; ``f`` only marks a name.
EXPANDING = {"add_column", "create_index", "create_table", "drop_index", "f"}


def contractions(source: str) -> Iterator[str]:
    """Operations of a migration that could break an older node; no node runs ``downgrade``."""
    for function in ast.parse(source).body:
        if isinstance(function, ast.FunctionDef) and function.name != "downgrade":
            for node in ast.walk(function):
                if isinstance(node, ast.Call) and ast.unparse(node.func).startswith("op."):
                    name = ast.unparse(node.func).removeprefix("op.")
                    if name not in EXPANDING:
                        yield f"op.{name}"
                    elif name == "add_column":
                        yield from _required(node.args[1])


def _required(column: ast.expr) -> Iterator[str]:
    given = {word.arg: ast.unparse(word.value) for word in getattr(column, "keywords", ())}
    if given.get("nullable") == "False" and "server_default" not in given:
        yield f"{ast.unparse(column)}: an older node writes no value"


@pytest.mark.parametrize("path", VERSIONS, ids=lambda path: path.stem[:4])
def test_a_migration_only_expands(path: Path) -> None:
    assert list(contractions(path.read_text())) == []


@pytest.mark.parametrize(
    "body",
    [
        "op.drop_column('votes', 'revision')",
        "op.rename_table('votes', 'ballots')",
        "op.alter_column('votes', 'revision', new_column_name='number')",
        "op.add_column('votes', sa.Column('weight', sa.Integer(), nullable=False))",
        "op.create_check_constraint('positive', 'votes', 'revision > 0')",
        "op.execute('DROP TABLE votes')",
        "[op.drop_table(name) for name in ('votes', 'ballots')]",
    ],
)
def test_the_rule_finds_what_contracts(body: str) -> None:
    assert len(list(contractions(f"def upgrade():\n    {body}\n"))) == 1


def test_the_newest_revision_is_the_one_that_alembic_names() -> None:
    assert [newest_revision()] == ScriptDirectory.from_config(config()).get_heads()


#: A start's upgrade, in a process that has not imported Alembic yet.
UPGRADE = """
import asyncio, sys
import server.process
asyncio.run(server.process.upgrade_async(sys.argv[1]))
print([name for name in ("alembic", "mako", "sqlalchemy.ext.asyncio") if name in sys.modules])
"""


def test_a_start_on_a_current_schema_imports_no_alembic(database_url: str) -> None:
    command = [sys.executable, "-c", UPGRADE, database_url]
    assert subprocess.check_output(command, cwd=ROOT, text=True, timeout=60) == "[]\n"


async def test_a_schema_from_the_future_is_refused(database_url: str) -> None:
    execute(database_url, "UPDATE alembic_version SET version_num = '9999'")
    with pytest.raises(UnfitDatabaseError, match="9999, which this version does not know"):
        await upgrade_async(database_url)


def test_ayes_migrate_says_so(
    database_url: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    execute(database_url, "UPDATE alembic_version SET version_num = '9999'")
    monkeypatch.setenv("AYES_DATABASE_URL", database_url)
    assert main(["migrate"]) == 1
    said = capsys.readouterr().err
    assert said.startswith("ayes: the database is at 9999")
    assert "a newer server has migrated it" in said
