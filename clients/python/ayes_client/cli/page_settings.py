"""Settings of the server that it shows to its page."""

from __future__ import annotations

import asyncio

import orjson

from ayes_client._connection.http import HttpClient
from ayes_client._wire.address import http_url, socket_url

#: Seconds for the server's answer. Beyond, a command goes on without its hint.
ANSWER_TIMEOUT_S = 3.0


async def takes_no_guests(url: str) -> bool:
    """Whether the server says that it takes no guests. An error counts as no."""
    http = HttpClient(http_url(socket_url(url)))
    try:
        async with asyncio.timeout(ANSWER_TIMEOUT_S):
            answer = await http.request("GET", "/v1/page.json", {"Accept": "application/json"})
        return answer.status == 200 and orjson.loads(answer.body).get("guests") is False
    except (OSError, ValueError, AttributeError):
        return False
    finally:
        http.close()
