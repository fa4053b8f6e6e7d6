"""Every code with which this server closes a WebSocket, in one table.

The range alone says what to do, so that a client needs no table. 4000-4499: reconnect with
full-jitter backoff, and resume. 4500-4999: stop. Codes below 4000 are the library's (RFC 6455
7.4.1); 1011 is never sent.
"""

from __future__ import annotations

from enum import IntEnum


class CloseCode(IntEnum):
    """Why the server closed."""

    DRAINING = 4001
    NO_HEARTBEAT = 4002
    INTERNAL = 4004
    TOKEN_EXPIRED = 4401
    TOKEN_EARLY = 4402
    NO_HELLO = 4408
    FLOOD = 4429
    BAD_TOKEN = 4500
    PROTOCOL_VIOLATION = 4501
    REVOKED = 4503
    TOO_MANY_CONNECTIONS = 4504
    ORIGIN_NOT_ALLOWED = 4505
    NO_COMMON_SUBPROTOCOL = 4506


CLOSES: dict[CloseCode, str] = {
    CloseCode.DRAINING: "The server is shutting down; another one, or its successor, takes over.",
    CloseCode.NO_HEARTBEAT: "The client sent nothing for two heartbeats.",
    CloseCode.INTERNAL: "A defect of the server; it was logged.",
    CloseCode.TOKEN_EXPIRED: "The token expired and was not renewed within its grace.",
    CloseCode.TOKEN_EARLY: "The token is not valid yet.",
    CloseCode.NO_HELLO: "The client sent no hello in time.",
    CloseCode.FLOOD: "Too many messages, too fast, or too many connections at once.",
    CloseCode.BAD_TOKEN: "The token is not valid, and a retry with it will not be either.",
    CloseCode.PROTOCOL_VIOLATION: "The client broke the rules of this protocol.",
    CloseCode.REVOKED: "The user's access was revoked.",
    CloseCode.TOO_MANY_CONNECTIONS: "This user has as many connections as one user may have.",
    CloseCode.ORIGIN_NOT_ALLOWED: "The page's origin is not allowed here.",
    CloseCode.NO_COMMON_SUBPROTOCOL: "None of the offered sub-protocols is known here.",
}


def may_reconnect(code: int) -> bool:
    """Whether a client that was closed with ``code`` should come back."""
    return not 4500 <= code <= 4999
