"""The documents as the server serves them."""

from __future__ import annotations

import re
from typing import Any

import httpx
import pytest
from jsonschema import Draft7Validator
from openapi_spec_validator import validate
from starlette.routing import Route

from protocol.commands import COMMANDS
from protocol.published import asyncapi, json_schema, openapi
from protocol.requests import REQUESTS, Subscribe
from server.app import make_app
from server.http.metrics import metrics_of
from tests.promises.running import Running, running
from tests.protocol_schema.test_schema import nodes

PATHS = {"/v1/schema": json_schema, "/v1/asyncapi.json": asyncapi, "/v1/openapi.json": openapi}


@pytest.mark.parametrize("path", PATHS)
async def test_it_is_served_to_anybody_and_need_not_be_sent_twice(
    server: Running, path: str
) -> None:
    async with httpx.AsyncClient(
        base_url=f"http://127.0.0.1:{server.port}", trust_env=False
    ) as http:
        first = await http.get(path)
        assert first.status_code == 200
        assert first.content == json_schema.encode(PATHS[path].document())
        assert "json" in first.headers["content-type"]
        assert "max-age" in first.headers["cache-control"]
        for tag in (first.headers["etag"], f'"other", W/{first.headers["etag"]}', "*"):
            again = await http.get(path, headers={"if-none-match": tag})
            assert (again.status_code, again.content) == (304, b"")
            assert again.headers["etag"] == first.headers["etag"]
        other = await http.get(path, headers={"if-none-match": '"other"'})
        assert other.status_code == 200


async def test_it_has_the_limits_of_this_server(database_url: str) -> None:
    async with (
        running(database_url, comment_length=77) as small,
        httpx.AsyncClient(base_url=f"http://127.0.0.1:{small.port}", trust_env=False) as http,
    ):
        served = (await http.get("/v1/schema")).json()
    assert served["$defs"]["CommentAdd"]["properties"]["content"]["maxLength"] == 77


async def test_every_route_is_published_and_nothing_else(server: Running) -> None:
    routes = make_app(server.node, metrics_of(server.node)).routes
    there = {
        route.path
        for route in routes
        if isinstance(route, Route) and re.match(r"/(v1/|healthz|readyz|metrics)", route.path)
    }
    assert there == openapi.document()["paths"].keys()


def test_the_openapi_document_is_valid() -> None:
    validate(openapi.document())


def test_enumerations_for_generators_are_of_plain_values() -> None:
    """A generator that meets an enumeration of lists leaves out every type that refers to it."""
    values = [value for node in nodes(openapi.document()) for value in node.get("enum", ())]
    assert values
    assert not [value for value in values if isinstance(value, list | dict)]


def test_the_operations_of_openapi_have_names_of_their_own() -> None:
    names = [node["operationId"] for node in nodes(openapi.document()) if "operationId" in node]
    assert len(set(names)) == len(names)


def _found(document: Any, ref: str) -> Any:
    for part in ref.removeprefix("#/").split("/"):
        document = document[part]
    return document


def test_the_asyncapi_document_holds_together() -> None:
    """``scripts/check-schemas`` runs AsyncAPI's own parser; this test needs no installation."""
    document = asyncapi.document()
    assert document["asyncapi"] == "3.0.0"
    refs = [node["$ref"] for node in nodes(document) if "$ref" in node]
    for ref in refs:
        _found(document, ref)
    channel = document["channels"]["socket"]
    for name, operation in document["operations"].items():
        assert re.match(r"\A[A-Za-z0-9_-]+\Z", name)
        assert operation["action"] in ("send", "receive")
        for message in operation["messages"] + operation.get("reply", {}).get("messages", []):
            assert (
                message["$ref"].removeprefix("#/channels/socket/messages/") in channel["messages"]
            )
    received = {
        _found(document, _found(document, operation["messages"][0]["$ref"])["$ref"])["name"]
        for operation in document["operations"].values()
        if operation["action"] == "receive"
    }
    assert received == {kind.__struct_config__.tag for kind in (*COMMANDS, *REQUESTS)}


def test_the_schemas_of_asyncapi_are_those_of_draft_7() -> None:
    for made in asyncapi.document()["components"]["schemas"].values():
        Draft7Validator.check_schema(made)
        assert not [node for node in nodes(made) if "prefixItems" in node or "$defs" in node]
        assert not [node for node in nodes(made) if "$ref" in node and len(node) > 1]


def test_the_asyncapi_error_has_one_type_for_each_property() -> None:
    """Cases that narrow the properties made ``effect`` an ``ErrorCode`` in generated clients."""
    error = asyncapi.document()["components"]["schemas"]["Error"]
    assert "oneOf" not in error
    assert error["properties"]["effect"]["enum"] == ["none", "unknown"]


def test_what_a_hello_resumes_comes_without_being_asked_for_each_time() -> None:
    assert set(asyncapi.REPLIES[Subscribe]) <= set(asyncapi.PUSHED)
