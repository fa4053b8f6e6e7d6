"""Close codes. The range of a code alone says whether a client may come back."""

from __future__ import annotations

#: Code → meaning, for each code that the server closes with.
CLOSES: dict[int, str] = {
    4001: "the server is going away",
    4002: "nothing was heard from this client for two heartbeats",
    4004: "a defect of the server",
    4401: "the token expired",
    4402: "the token is not valid yet",
    4408: "no hello came in time",
    4429: "too much, too fast, or too many connections at once",
    4500: "the token is not valid",
    4501: "the server did not understand this client",
    4503: "the user's access was revoked",
    4504: "this user has as many connections as one user may have",
    4505: "the page's origin is not allowed there",
    4506: "the server speaks another protocol",
}


def is_final(code: int | None) -> bool:
    """Return whether a client that was closed with ``code`` must stay away."""
    return code is not None and 4500 <= code <= 4999


def reason(code: int | None) -> str:
    """Describe a close code, for people."""
    if code is None:
        return "the connection broke"
    return CLOSES.get(code, "closed without a known reason") + f" ({code})"
