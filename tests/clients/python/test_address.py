"""An address has the same meaning everywhere: the socket's is below the server's path."""

from __future__ import annotations

import pytest

from ayes_client._wire.address import socket_url


@pytest.mark.parametrize(
    ("given", "socket"),
    [
        ("https://h", "wss://h/v1/socket"),
        ("https://h/", "wss://h/v1/socket"),
        ("http://h:8400", "ws://h:8400/v1/socket"),
        ("https://h/decide", "wss://h/decide/v1/socket"),
        ("https://h/decide/", "wss://h/decide/v1/socket"),
        ("https://h/a/b", "wss://h/a/b/v1/socket"),
        ("wss://h/decide", "wss://h/decide/v1/socket"),
        ("wss://h/decide/v1/socket", "wss://h/decide/v1/socket"),
        ("wss://h/v1/socket/", "wss://h/v1/socket"),
        ("http://[::1]:8400/x", "ws://[::1]:8400/x/v1/socket"),
    ],
)
def test_an_address_with_or_without_a_path_leads_to_its_socket(given: str, socket: str) -> None:
    assert socket_url(given) == socket


@pytest.mark.parametrize(
    "given", ["h", "ftp://h", "https://", "https://u:p@h", "https://h?token=t", "https://h#f"]
)
def test_an_address_that_could_carry_a_token_is_refused(given: str) -> None:
    with pytest.raises(ValueError, match=r"http|carries"):
        socket_url(given)
