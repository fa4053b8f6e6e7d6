"""Waits for a condition on a room."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TypeVar

from ayes_client._rooms.view import RoomView

T = TypeVar("T")

#: The callbacks after which the condition may be true.
_MOVES = ("change", "you", "presence", "closed")


async def until(
    view: RoomView,
    look: Callable[[], T],
    timeout: float | None,  # noqa: ASYNC109
    what: str = "what was waited for was not so",
) -> T:
    """Return what ``look`` returns once that is true: now, or right after a change.

    Raises what it raises, ``TimeoutError`` after ``timeout`` seconds, or the error that closed the
    room. ``what`` was not so, for the message of the ``TimeoutError``.
    """
    found: asyncio.Future[T] = asyncio.get_running_loop().create_future()

    def again(_: object = None) -> None:
        if found.done():
            return
        try:
            if seen := look():
                found.set_result(seen)
            elif view.closed is not None:
                found.set_exception(view.error or view.closed_error())
        except Exception as err:
            found.set_exception(err)

    removers = [view.callbacks.add(name, again) for name in _MOVES]
    again()
    try:
        async with asyncio.timeout(timeout):
            return await found
    except TimeoutError:
        if not found.cancelled():
            # It is what ``look`` raised.
            raise
        raise TimeoutError(f"{what} within {timeout:g} s") from None
    finally:
        for remove in removers:
            remove()
