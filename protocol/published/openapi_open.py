"""The part of the HTTP interface that needs no token: probes, documents, sign-in."""

from __future__ import annotations

from typing import Any

import msgspec

from protocol.fields import TextLimits
from protocol.published.definitions import Schema, clean, first_line
from protocol.published.openapi_parts import failures, json_of, ref, response, unguarded
from protocol.published.page import (
    EntryToken,
    GuestName,
    InvitationSecret,
    LocalName,
    LocalToken,
    OidcClient,
    PageSettings,
)


def open_paths() -> dict[str, Any]:
    """Return the routes that need no token."""
    ready = {
        "type": "object",
        "properties": {"ready": {"type": "boolean"}},
        "required": ["ready"],
    }
    plain = {"text/plain": {"schema": {"type": "string"}}}
    healthz = {"200": response("The process answers.", plain)}
    metrics = {"200": response("In Prometheus' text format.", plain)}
    readyz = {
        status: response(description, {"application/json": {"schema": ready}})
        for status, description in (
            ("200", "The server takes clients."),
            ("503", "The server starts, drains, or has no database."),
        )
    }
    documents = {
        "/v1/schema": ("getSchema", "The JSON Schema of every message.", "schema+json"),
        "/v1/asyncapi.json": (
            "getAsyncApi",
            "The AsyncAPI document of the socket.",
            "vnd.aai.asyncapi+json",
        ),
        "/v1/openapi.json": ("getOpenApi", "This document.", "vnd.oai.openapi+json"),
    }
    made = {
        "/healthz": unguarded("getHealth", "Check that the process answers.", healthz),
        "/readyz": unguarded("getReadiness", "Check that the server takes clients.", readyz),
        "/metrics": unguarded("getMetrics", "The server's metrics.", metrics),
    }
    for path, (name, description, kind) in documents.items():
        content = {f"application/{kind}": {"schema": {"type": "object"}}}
        answers = {
            "200": response(description, content),
            "304": response("The document has not changed."),
        }
        made[path] = unguarded(name, description, answers)
    return {path: {"get": operation} for path, operation in made.items()} | _page_paths()


def _page_paths() -> dict[str, Any]:
    """Return the routes for signing in."""
    settings = unguarded(
        "getPageSettings",
        first_line(PageSettings),
        {"200": json_of(PageSettings, "The ways to sign in from the caller's address and origin.")},
    )
    token = unguarded(
        "signInByName",
        "A token for a name; only on the server's own machine, with no other way to sign in.",
        {"200": json_of(LocalToken, first_line(LocalToken)), **failures((400, 404, 413, 429))},
    )
    named = {"application/json": {"schema": ref(LocalName)}}
    token["requestBody"] = {"required": True, "content": named}
    made = {"/v1/page.json": {"get": settings}, "/v1/local/token": {"post": token}}
    for path, name, description, kind in (
        ("guests", "enterAsGuest", "A token for a guest of an event.", GuestName),
        ("invitations", "openInvitation", "A token for an invited person.", InvitationSecret),
    ):
        answers = {"201": json_of(EntryToken, first_line(EntryToken))}
        entry = unguarded(name, description, {**answers, **failures((400, 403, 404, 413, 429))})
        body = {"application/json": {"schema": ref(kind)}}
        entry["requestBody"] = {"required": True, "content": body}
        made[f"/v1/{path}"] = {"post": entry}
    return made


def open_schemas(limits: TextLimits) -> dict[str, Schema]:
    """Return name → schema of the parts that are not messages."""
    kinds = (
        *(OidcClient, PageSettings, LocalName, LocalToken),
        *(GuestName, InvitationSecret, EntryToken),
    )
    _, made = msgspec.json.schema_components(kinds, ref_template="#/components/schemas/{name}")
    schemas: dict[str, Schema] = {name: clean(schema) for name, schema in made.items()}
    for named in ("LocalName", "GuestName"):
        schemas[named]["properties"]["name"] |= {"minLength": 1, "maxLength": limits.name}
    return schemas
