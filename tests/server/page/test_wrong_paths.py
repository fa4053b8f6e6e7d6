"""Addresses that people and mail programs changed."""

from __future__ import annotations

import pytest
from starlette.requests import Request

from server.page.wrong_paths import way_in


def asked(path: str, accept: str = "text/html") -> Request:
    return Request(
        {
            "type": "http",
            "method": "GET",
            "path": path,
            "raw_path": path.encode(),
            "root_path": "",
            "headers": [(b"accept", accept.encode())],
        }
    )


@pytest.mark.parametrize("path", ["/", "//", "/#", "/#/"])
def test_a_page_that_is_missing_leads_nowhere(path: str) -> None:
    """A redirect would lead to the same address, again and again."""
    assert way_in(asked(path)) is None


def test_a_changed_invitation_leads_into_the_page() -> None:
    assert way_in(asked("/join/ABC234")) == "../#/join/ABC234"
    assert way_in(asked("/#/join/ABC234")) == "../../#/join/ABC234"


def test_a_program_gets_its_error() -> None:
    assert way_in(asked("/join/ABC234", "application/json")) is None
    assert way_in(asked("/v1/nothing")) is None
