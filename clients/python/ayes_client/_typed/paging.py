"""Lists that come in pages."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

from ayes_client.state import Json

#: Entries of one page: the most that the server gives.
PAGE_SIZE = 200


async def pages(ask: Callable[[Json], Awaitable[Json]], question: Json) -> AsyncIterator[Any]:
    """Yield the entries of ``question``, a query for a list, page after page."""
    cursor = "after" if question["type"] == "events.list" else "before"
    question = {"limit": PAGE_SIZE, **question}
    while True:
        page = await ask(question)
        for entry in page[page["type"]]:
            yield entry
        if (following := page.get("next")) is None:
            return
        question = {**question, cursor: following}
