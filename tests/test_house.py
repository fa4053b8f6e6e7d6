"""The house rules that no linter knows: directions of imports, tables that agree, short files."""

from __future__ import annotations

import ast
import asyncio
import re
from collections.abc import Iterator
from graphlib import TopologicalSorter
from pathlib import Path
from typing import Any, get_type_hints

import msgspec
import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy.ext.asyncio import create_async_engine

from handlers.commands import registry
from handlers.commands.registry import HANDLERS
from handlers.rules.permissions import PERMISSIONS
from handlers.step import Outcome
from persistence.database.tables import metadata
from persistence.event import records
from protocol.commands import COMMANDS
from tests.patches import missing

ROOT = Path(__file__).parents[1]
#: From the ground up; each may import the ones before it.
HOUSE = ("protocol", "persistence", "handlers", "server")
#: A reader finds their way by the tree alone: one noun a file.
MAX_FILE_LINES = 400


def sources(*folders: str) -> list[Path]:
    """The Python files below ``folders``."""
    found = [path for folder in folders for path in (ROOT / folder).rglob("*.py")]
    assert found
    return sorted(found)


def imported(path: Path) -> Iterator[tuple[str, int]]:
    """Every module that ``path`` imports, wherever in the file, and the line."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from ((alias.name, node.lineno) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: a relative import"
            assert node.module is not None
            yield node.module, node.lineno


@pytest.mark.parametrize("package", HOUSE)
def test_imports_run_one_way(package: str) -> None:
    below = HOUSE[: HOUSE.index(package) + 1]
    forbidden = {*HOUSE, "tests", "benchmarks", "web", "clients"} - set(below)
    wrong = [
        f"{path.relative_to(ROOT)}:{line} imports {module}"
        for path in sources(package)
        for module, line in imported(path)
        if module.partition(".")[0] in forbidden
    ]
    assert not wrong, wrong


def test_the_ground_is_pure() -> None:
    """``protocol`` does no I/O, reads no clock, draws no number."""
    impure = {
        *("asyncio", "socket", "os", "pathlib", "random", "secrets", "time", "uuid", "logging"),
        *("asyncpg", "sqlalchemy", "starlette", "uvicorn", "redis", "threading", "subprocess"),
    }
    wrong = [
        f"{path.relative_to(ROOT)}:{line} imports {module}"
        for path in sources("protocol")
        for module, line in imported(path)
        if module.partition(".")[0] in impure
    ]
    assert not wrong, wrong


def test_only_the_server_knows_the_web() -> None:
    wrong = [
        f"{path.relative_to(ROOT)}:{line} imports {module}"
        for path in sources("protocol", "persistence", "handlers")
        for module, line in imported(path)
        if module.partition(".")[0] in ("starlette", "uvicorn", "redis", "websockets", "httptools")
    ]
    assert not wrong, wrong


def test_only_the_lanes_and_readers_touch_a_database() -> None:
    """Handlers and rules are pure: they return what should change."""
    pure = {
        *("audiences", "ballots", "comments", "decide", "events", "prefetch", "items"),
        *("entry", "limits", "requests", "unrecorded"),
        *("memberships", "permissions", "proposals", "registry", "resolution", "step"),
        *("auto_acceptance", "tallies", "timers", "transitions", "views", "votes"),
    }
    wrong = [
        f"{path.name}:{line} imports {module}"
        for path in sources("handlers")
        if path.stem in pure
        for module, line in imported(path)
        if module in ("persistence.database.pool", "persistence.queries.event_reads",
                      "persistence.event.loading", "persistence.queries.lists", "asyncpg",
                      "asyncio")
    ]  # fmt: skip
    assert not wrong, wrong


def test_commands_handlers_and_permissions_are_the_same_set() -> None:
    registry.check()
    assert set(HANDLERS) == set(PERMISSIONS) == set(COMMANDS)
    assert len(COMMANDS) == len(set(COMMANDS)) == 45


def test_each_handler_stands_at_its_own_command() -> None:
    for command, handler in HANDLERS.items():
        hints = get_type_hints(handler)
        assert hints["command"] is command, f"{handler.__qualname__} at {command.__name__}"
        assert hints["return"] is Outcome


#: Table → record; a record leaves out its event, and columns that only storage uses.
RECORDS: dict[str, Any] = {
    "ballots": records.Ballot,
    "comments": records.Comment,
    "events": records.Event,
    "item_history": records.ItemVersion,
    "items": records.Item,
    "memberships": records.Membership,
    "options": records.Option,
    "proposals": records.Proposal,
    "votes": records.Vote,
}


@pytest.mark.parametrize("name", sorted(RECORDS))
def test_records_are_named_as_their_columns(name: str) -> None:
    columns = [column.name for column in metadata.tables[name].columns]
    fields = [field.name for field in msgspec.structs.fields(RECORDS[name])]
    assert sorted(fields) == sorted(set(columns) - {"event_id"})


def test_every_key_begins_with_the_event() -> None:
    looked_up_before = {"users", "entrance_codes", "events", "revocations", "server_keys"}
    for name, table in metadata.tables.items():
        first = next(iter(table.primary_key.columns)).name
        assert name in looked_up_before or first == "event_id", name


async def test_migrations_make_exactly_the_tables(database_url: str) -> None:
    import asyncpg

    engine = create_async_engine(
        "postgresql+asyncpg://",
        async_creator=lambda: asyncpg.connect(database_url),
        poolclass=sa.pool.NullPool,
    )

    def compare(connection: sa.Connection) -> list[Any]:
        context = MigrationContext.configure(
            connection, opts={"compare_type": True, "compare_server_default": True}
        )
        return list(compare_metadata(context, metadata))

    async with engine.connect() as connection:
        differences = await connection.run_sync(compare)
        # Autogenerate ignores check constraints.
        checks = {
            row[0]
            for row in await connection.execute(
                sa.text("SELECT conname FROM pg_constraint WHERE contype = 'c'"
                        " AND connamespace = 'public'::regnamespace")
            )
        }  # fmt: skip
    await engine.dispose()
    assert differences == []
    wanted = {
        str(constraint.name)
        for table in metadata.tables.values()
        for constraint in table.constraints
        if isinstance(constraint, sa.CheckConstraint)
    }
    assert checks == wanted


async def test_a_second_upgrade_changes_nothing_and_two_at_once_take_turns(
    empty_database_url: str,
) -> None:
    from persistence.database.migrate import upgrade_async

    await asyncio.gather(*(upgrade_async(empty_database_url) for _ in range(3)))
    await upgrade_async(empty_database_url)


def test_files_are_short_enough_to_be_read() -> None:
    """Tests, clients and the page too; not what others wrote, and not declarations of types."""
    elsewhere = {"node_modules", "vendor", ".venv", "build"}
    long = {
        str(path.relative_to(ROOT)): count
        for folder in (*HOUSE, "tests", "clients", "web", "benchmarks", "scripts")
        for path in (ROOT / folder).rglob("*")
        if path.suffix in (".py", ".js", ".mjs", ".css")
        and not elsewhere & set(path.relative_to(ROOT).parts)
        and (count := len(path.read_text().splitlines())) > MAX_FILE_LINES
    }
    assert not long, long


def test_every_module_says_what_it_is() -> None:
    silent = [
        str(path.relative_to(ROOT))
        for path in sources(*HOUSE)
        if ast.get_docstring(ast.parse(path.read_text())) is None
    ]
    assert not silent, silent


def test_the_repository_speaks_of_itself_alone() -> None:
    """No path of a machine it was written on."""
    hints = re.compile(r"/(?:home|root|Users|work)/[\w.]")
    wrong = [
        f"{path.relative_to(ROOT)}: {match[0]}"
        for path in sources(*HOUSE, "clients/python")
        if (match := hints.search(path.read_text()))
    ]
    assert not wrong, wrong


#: Each package's folders and files from the ground up. A module may import modules of lower rows;
#: modules of one row do not import each other. ``""`` is the package itself.
LAYERS: dict[str, tuple[tuple[str, ...], ...]] = {
    "persistence": (
        ("", "private_files", "database"),
        ("embedded", "migrations", "event"),
        ("journal", "queries"),
    ),
    "handlers": (
        ("views", "step"),
        ("audiences", "rules"),
        ("commands",),
        ("lanes", "proof"),
        ("",),
    ),
    "server": (
        ("", "config"),
        ("limits", "identity", "bus", "measures"),
        ("transport",),
        ("rooms", "homes", "totals"),
        ("services",),
        ("sessions",),
        ("node", "observability"),
        ("http",),
        ("admin",),
        ("page",),
        ("app", "stop_signals"),
        ("process",),
        ("processes",),
        ("demo", "doctor"),
        ("cli", "test_clock"),
    ),
    "clients/python/ayes_client": (
        ("errors", "state", "ids", "command", "limits", "tally", "happenings", "user", "version"),
        ("_words",),
        ("_wire",),
        ("_typed",),
        ("_pending", "_rooms"),
        ("_connection",),
        ("_client",),
        ("client",),
        ("", "cli", "testing"),
    ),
}
#: A list of names that is read at a glance. ``__init__.py`` counts.
MAX_FILES_PER_FOLDER = 16


@pytest.mark.parametrize("package", LAYERS)
def test_imports_run_from_the_upper_layers_to_the_lower(package: str) -> None:
    """Imports that only a type checker follows count, and those within a function."""
    known = edges(ROOT / package)
    level = {name: number for number, row in enumerate(LAYERS[package]) for name in row}
    place = {module: module.partition(".")[2].partition(".")[0] for module in known}
    assert set(place.values()) == set(level)
    ground = package.startswith("clients")
    wrong = [
        f"{module} imports {found}"
        for module, imports in known.items()
        for found in imports
        if place[found] != place[module]
        and level[place[found]] >= level[place[module]]
        # What users of the client import knows only each other.
        and not (ground and level[place[found]] == level[place[module]] == 0)
    ]
    assert not wrong, wrong


@pytest.mark.parametrize("package", [*HOUSE, "clients/python/ayes_client"])
def test_no_module_imports_itself_by_way_of_others(package: str) -> None:
    """Imports that only a type checker follows count, and those within a function."""
    # Raises ``CycleError`` with the circle.
    TopologicalSorter(edges(ROOT / package)).prepare()


def test_no_folder_lists_more_files_than_a_reader_takes_in() -> None:
    read = sources(*HOUSE, "clients/python/ayes_client", "tests/promises")
    folders = {path.parent for path in read}
    folders |= {path.parent for path in (ROOT / "clients/js/src").rglob("*.js")}
    crowded = {
        str(folder.relative_to(ROOT)): count
        for folder in folders
        if (count := sum(path.suffix in (".py", ".js") for path in folder.iterdir()))
        > MAX_FILES_PER_FOLDER
        # One file for each change of the schema, in the order of their numbers.
        and folder.name != "versions"
    }
    assert not crowded, crowded


def edges(package: Path) -> dict[str, set[str]]:
    """The modules of ``package``, and which of them each imports."""
    modules: dict[str, Path] = {}
    for path in package.rglob("*.py"):
        parts = path.relative_to(package.parent).with_suffix("").parts
        modules[".".join(parts).removesuffix(".__init__")] = path
    return {module: imported_modules(path, set(modules)) for module, path in modules.items()}


def imported_modules(path: Path, modules: set[str]) -> set[str]:
    """The ones of ``modules`` that ``path`` imports."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module is not None:
            names = {f"{node.module}.{alias.name}" for alias in node.names}
            # A name that is not a module is the package's own.
            found |= names if names <= modules else names | {node.module}
    return found & modules


def test_what_tests_replace_is_there() -> None:
    """A renamed constant has its name in texts of tests too, which no type checker reads."""
    assert [what for path in sources("tests") for what in missing(path)] == []


#: Modules of a package that its name alone explains; with more, its docstring is a map of them.
MAX_UNMAPPED_MODULES = 4


@pytest.mark.parametrize("package", HOUSE)
def test_the_docstring_of_a_package_names_its_modules(package: str) -> None:
    lost = []
    for init in (ROOT / package).rglob("__init__.py"):
        named = ast.get_docstring(ast.parse(init.read_text())) or ""
        folders = [path.parent.name for path in init.parent.glob("*/__init__.py")]
        modules = [path.stem for path in init.parent.glob("*.py") if path != init]
        if len(modules) + len(folders) <= MAX_UNMAPPED_MODULES:
            continue
        lost += [
            f"{init.parent.relative_to(ROOT)}: {name}"
            for name in (*modules, *folders)
            if not re.search(rf"^    (\w+, )*{name}\b", named, re.MULTILINE)
        ]
    assert not lost, lost
