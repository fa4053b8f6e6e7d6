"""``ayes doctor`` names each planted misconfiguration, and its remedy.

The PostgreSQL, the Redis and the PgBouncer are real; all tests share one start of each.
"""

from __future__ import annotations

import asyncio
import json
import secrets
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from server.config.settings import Settings
from server.doctor import report
from server.doctor.finding import Finding, Level
from tests.campaign.equipment import needed
from tests.campaign.pooler import Pooler
from tests.parts import ROOT, RedisServer, execute, folder, free_port, named
from tests.promises.proxy import proxy_before
from tests.promises.running import Running
from tests.server.issuing import issuing, key_set

#: All addresses: no server here listens on them.
ANY = "0.0.0.0"  # noqa: S104
SECRET = "a secret of the tests, long enough for HS256"


@pytest.fixture(scope="module")
def redis() -> Iterator[RedisServer]:
    """A Redis with a user who may not publish."""
    server = RedisServer()
    server.start()
    with server_client(server) as client:
        client.execute_command("ACL", "SETUSER", "narrow", "on", ">secret", "+subscribe", "+ping")
    yield server
    server.stop()


def server_client(server: RedisServer) -> Any:
    """A client of ``server``."""
    from redis import Redis

    return Redis.from_url(server.url)


async def examine(environment: dict[str, str] | None = None, **changes: Any) -> list[Finding]:
    """The report for these settings."""
    given = Settings(**{"auth_secret": SECRET} | changes)
    return [finding async for finding in report.findings(given, environment or {})]


def bad(findings: list[Finding], *, but: tuple[str, ...] = ("fsync", "full_page")) -> list[Finding]:
    """The findings with a problem; the tests' own PostgreSQL does not sync."""
    return [
        finding
        for finding in findings
        if finding.level is not Level.OK and not finding.fact.startswith(but)
    ]


def assert_names(findings: list[Finding], level: Level, fact: str, cure: str) -> None:
    """Check that exactly one finding has a problem, with this ``fact`` and this ``cure``."""
    [found] = bad(findings)
    assert found.level is level
    assert fact in found.fact
    assert cure in found.cure
    assert "\n" not in str(found)


async def test_what_is_well_is_said_to_be_well(database_url: str, redis: RedisServer) -> None:
    found = await examine(database_url=database_url, redis_url=redis.url)
    assert bad(found) == []
    subjects = {finding.subject for finding in found}
    assert {"settings", "database", "schema", "connections", "redis", "issuer"} <= subjects
    [database] = [f for f in found if f.subject == "database" and f.level is Level.OK]
    assert "synchronous_commit=on as a session has it" in database.fact


async def test_a_database_that_syncs_nothing(database_url: str) -> None:
    found = bad(await examine(database_url=database_url), but=())
    assert [finding.fact.split()[0] for finding in found] == ["fsync", "full_page_writes"]
    assert all(finding.level is Level.FAIL for finding in found)


async def test_a_database_out_of_reach() -> None:
    found = await examine(database_url=f"postgresql://ayes:hunter2@127.0.0.1:{free_port()}/ayes")
    assert_names(found, Level.FAIL, "out of reach", "AYES_DATABASE_URL")
    assert "hunter2" not in "".join(map(str, found))


async def test_a_schema_from_the_future(database_url: str) -> None:
    await asyncio.to_thread(
        execute, database_url, "UPDATE alembic_version SET version_num = '9999'"
    )
    found = await examine(database_url=database_url)
    assert_names(found, Level.FAIL, "is at 9999, which this version does not know", "backup")


async def test_a_database_that_takes_no_writes(database_url: str) -> None:
    name = urlsplit(database_url).path[1:]
    await asyncio.to_thread(
        execute, database_url, f"ALTER DATABASE {name} SET default_transaction_read_only = on"
    )
    found = await examine(database_url=database_url)
    assert_names(found, Level.FAIL, "takes no writes", "default_transaction_read_only")


async def test_a_role_whose_other_sessions_commit_without_waiting(database_url: str) -> None:
    name = urlsplit(database_url).path[1:]
    await asyncio.to_thread(
        execute, database_url, f"ALTER DATABASE {name} SET synchronous_commit = off"
    )
    found = await examine(database_url=database_url)
    assert_names(found, Level.WARN, "synchronous_commit is off for the role", "RESET")
    assert any("synchronous_commit=on as a session has it" in finding.fact for finding in found)


async def test_too_few_connections(database_url: str) -> None:
    name = urlsplit(database_url).path[1:]
    await asyncio.to_thread(execute, database_url, f"ALTER DATABASE {name} CONNECTION LIMIT 7")
    found = await examine(database_url=database_url)
    assert_names(found, Level.FAIL, "CONNECTION LIMIT of the database leaves 7", "raise it")


async def test_a_database_of_another_encoding(postgres_url: str) -> None:
    name = f"latin_{secrets.token_hex(4)}"
    made = f"CREATE DATABASE {name} ENCODING 'LATIN1' LOCALE 'C' TEMPLATE template0"
    await asyncio.to_thread(execute, postgres_url, made)
    try:
        found = await examine(database_url=named(postgres_url, name))
    finally:
        await asyncio.to_thread(execute, postgres_url, f"DROP DATABASE {name} WITH (FORCE)")
    assert_names(found, Level.FAIL, "encoding is LATIN1", "UTF8")


@pytest.fixture
async def pooled(database_url: str) -> AsyncIterator[str]:
    """The database through a PgBouncer in transaction mode."""
    needed("PgBouncer")
    with folder() as path:
        async with proxy_before(database_url) as relay:
            pooler = Pooler(relay.url, path / "pooler", "transaction")
            await pooler.begin()
            yield pooler.url
            await pooler.end()


async def test_a_pooler_in_transaction_mode(pooled: str) -> None:
    found = await examine(database_url=pooled)
    assert_names(found, Level.FAIL, "another session for each transaction", "pool_mode=session")


async def test_a_redis_user_without_a_right(database_url: str, redis: RedisServer) -> None:
    url = f"redis://narrow:secret@127.0.0.1:{redis.port}/0"
    found = await examine(database_url=database_url, redis_url=url)
    assert_names(found, Level.FAIL, "lacks a right", "+publish")
    assert "secret@" not in "".join(map(str, found))


async def test_a_redis_out_of_reach_or_of_another_kind(
    database_url: str, redis: RedisServer
) -> None:
    gone = await examine(database_url=database_url, redis_url=f"redis://127.0.0.1:{free_port()}")
    assert_names(gone, Level.FAIL, "out of reach", "start it")
    url = f"redis+cluster://127.0.0.1:{redis.port}"
    other = await examine(database_url=database_url, redis_url=url)
    assert_names(other, Level.FAIL, "is no cluster", "redis://")


async def test_several_servers_with_a_secret_each(database_url: str, redis: RedisServer) -> None:
    found = await examine(database_url=database_url, redis_url=redis.url, auth_secret=None)
    assert_names(found, Level.FAIL, "each makes a secret of its own", "AYES_AUTH_SECRET_FILE")


async def test_an_issuer_with_a_wrong_clock_without_keys_or_gone(database_url: str) -> None:
    async with issuing() as issuer:
        given: dict[str, Any] = {
            "database_url": database_url,
            "auth_jwks_url": issuer.url,
            "auth_issuer": "x",
        }
        assert bad(await examine(**given)) == []
        late = format_datetime(datetime.now(UTC) + timedelta(minutes=10), usegmt=True)
        issuer.headers = f"date: {late}\r\n"
        assert_names(await examine(**given), Level.FAIL, "ahead of this machine's", "NTP")
        issuer.headers, issuer.body = "", key_set()
        assert_names(await examine(**given), Level.FAIL, "no usable key", "ES256")
    assert_names(await examine(**given), Level.FAIL, "gives no keys", "HTTPS_PROXY")


async def test_a_variable_that_nothing_reads(database_url: str) -> None:
    found = await examine({"AYES_ALLOWED_ORIGIN": "https://a.example"}, database_url=database_url)
    assert_names(found, Level.FAIL, "AYES_ALLOWED_ORIGIN is no setting", "AYES_ALLOWED_ORIGINS?")


async def test_a_data_directory_that_cannot_be_one(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    found = await examine(data_dir=tmp_path / "file" / "ayes")
    assert_names(found, Level.FAIL, "cannot be made", "AYES_DATA_DIR")


@pytest.mark.parametrize(
    ("changes", "environment", "level", "fact", "cure"),
    [
        ({"host": ANY}, {}, Level.WARN, "no public one", "AYES_PUBLIC_URL"),
        (
            {"host": ANY, "allowed_origins": ("http://ayes.example",)},
            *({}, Level.WARN, "not encrypted", "TLS"),
        ),
        (
            {"host": ANY, "allowed_origins": ("https://ayes.example",)},
            *({"FORWARDED_ALLOW_IPS": "*"}, Level.FAIL, "any address", "FORWARDED_ALLOW_IPS"),
        ),
        ({"commands_burst": 10}, {}, Level.WARN, "a full frame is partly refused", "AYES_BATCH"),
        ({"connections": 900_000}, {}, Level.FAIL, "open files are allowed", "LimitNOFILE"),
    ],
    ids=["no-public-url", "no-tls", "forged-addresses", "burst", "files"],
)
async def test_settings_that_do_not_go_together(
    database_url: str,
    changes: dict[str, Any],
    environment: dict[str, str],
    level: Level,
    fact: str,
    cure: str,
) -> None:
    assert_names(
        await examine(environment, database_url=database_url, **changes), level, fact, cure
    )


async def test_a_proxy_that_lets_no_websocket_through(database_url: str) -> None:
    async with issuing() as page:
        # Any server that answers an upgrade with a page.
        found = await examine(database_url=database_url, public_url=page.url.removesuffix("/keys"))
        assert_names(found, Level.FAIL, "answers 200, and opens no WebSocket", "Upgrade")
        page.status = "502 Bad Gateway"
        found = await examine(database_url=database_url, public_url=page.url.removesuffix("/keys"))
        assert_names(found, Level.FAIL, "finds no server", "upstream")


async def test_a_server_that_does_not_know_its_public_address(
    server: Running, database_url: str
) -> None:
    well = await examine(database_url=database_url, public_url=server.base)
    assert bad(well) == []
    async with proxy_before(server.base) as relay:
        wrong = f"http://127.0.0.1:{urlsplit(relay.url).port}"
        found = await examine(database_url=database_url, public_url=wrong)
    assert_names(found, Level.FAIL, "refuses pages of", f"AYES_PUBLIC_URL={wrong}")


def doctor(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """The output of ``ayes doctor``."""
    command = [sys.executable, "-m", "server.cli", "doctor", *arguments]
    return subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=100
    )


def test_the_command_prints_a_line_a_finding_and_fails_if_one_does(tmp_path: Path) -> None:
    well = doctor("--json", AYES_DATA_DIR=str(tmp_path))
    assert well.returncode == 0, well.stdout
    lines = [json.loads(line) for line in well.stdout.splitlines()]
    assert {"level", "subject", "fact", "cure"} == set(lines[0])
    strict = doctor("--strict", "--host", ANY, AYES_DATA_DIR=str(tmp_path))
    assert strict.returncode == 1
    assert "warn  origins:" in strict.stdout
    unread = doctor("--port", "many", AYES_DATA_DIR=str(tmp_path))
    assert unread.returncode == 1
    assert unread.stdout.startswith("FAIL  settings: AYES_PORT: 'many' is no whole number")
