"""Every answer over HTTP is published: no 5xx, no other status, type or body.

schemathesis makes valid and invalid requests from the OpenAPI document; the server is a real one.
``scripts/fuzz-http`` does the same for longer.
"""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path

import httpx
import pytest

from protocol.published import json_schema, openapi
from tests.promises.running import ROOT, Running, running, token

#: Random requests per operation. In addition, every edge of every parameter is tried once.
EXAMPLES = int(os.environ.get("AYES_FUZZ_EXAMPLES", "8"))
#: Also every edge of every field of every command: some 2,000 requests.
THOROUGH = "AYES_FUZZ_EXAMPLES" in os.environ
SEED = int(os.environ.get("AYES_FUZZ_SEED", "1"))
#: Seconds for all of them.
LONGEST = 150 + EXAMPLES * 3 + THOROUGH * 300
CONFIG = """
[[operations]]
include-path = "/v1/commands"
phases.coverage.enabled = {thorough}
"""
CHECKS = (
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_headers_conformance",
    "response_schema_conformance",
    "ignored_auth",
)


async def an_event(server: Running) -> str:
    """A running event of ada's, with every kind of record in it."""
    headers = {"authorization": f"Bearer {token('ada')}"}
    async with httpx.AsyncClient(
        base_url=f"http://127.0.0.1:{server.port}", headers=headers, trust_env=False
    ) as http:

        async def do(type: str, **fields: object) -> dict[str, str]:
            command = {"type": type, "id": f"fuzz-{type.replace('.', '-')}"} | fields
            answer = await http.post("/v1/commands", json=command)
            assert answer.status_code == 200, answer.text
            result: dict[str, str] = answer.json()["result"]
            return result

        made = await do("event.create", subject="Fuzz", options=["Yes"], criteria=["Any"])
        event = made["event"]
        await do("event.start", event=event)
        proposal = await do(
            "proposal.create", event=event, kind="assumption", category="create", content="It holds"
        )
        await do("comment.add", event=event, proposal=proposal["proposal"], content="Does it?")
        return event


@pytest.mark.timeout(LONGEST + 30)
async def test_no_request_gets_an_answer_that_is_not_published(
    database_url: str, tmp_path: Path
) -> None:
    document = tmp_path / "openapi.json"
    document.write_bytes(json_schema.encode(openapi.document()))
    config = CONFIG.format(thorough=str(THOROUGH).lower())
    (tmp_path / "schemathesis.toml").write_text(config)
    # The rate limit has the same answer everywhere; here it would only hide the others.
    async with running(
        database_url, commands_per_second=1_000_000, commands_burst=1_000_000
    ) as server:
        event = await an_event(server)
        fuzzing = await asyncio.create_subprocess_exec(
            *(sys.executable, "-W", "ignore", "-m", "schemathesis.cli", "run", str(document)),
            *("--url", f"http://127.0.0.1:{server.port}"),
            *("--header", f"Authorization: Bearer {token('ada')}"),
            *("--checks", ",".join(CHECKS), "--phases", "coverage,fuzzing", "--mode", "all"),
            *("--max-examples", str(EXAMPLES), "--seed", str(SEED), "--continue-on-failure"),
            *("--generation-database", "none", "--warnings", "off", "--no-color"),
            *("--request-timeout", "10", "--suppress-health-check", "all"),
            cwd=tmp_path,
            env=os.environ
            | {
                "AYES_FUZZ_EVENT": event,
                "SCHEMATHESIS_HOOKS": "tests.protocol_schema.fuzz_hooks",
                "PYTHONPATH": str(ROOT),
                "NO_PROXY": "*",
            },
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        assert fuzzing.stdout is not None
        try:
            async with asyncio.timeout(LONGEST):
                told = (await fuzzing.stdout.read()).decode()
                status = await fuzzing.wait()
        finally:
            if fuzzing.returncode is None:
                fuzzing.kill()
                await fuzzing.wait()
    assert status == 0, told
    assert "operations" in told.lower(), told
