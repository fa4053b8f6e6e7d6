"""Security headers of every answer to the page: what a browser may do with it."""

from __future__ import annotations

import functools
from typing import Final
from urllib.parse import urlsplit

#: Browser features that the page does not use; they are off, so that injected code cannot use them.
_POWERS: Final = (
    *("accelerometer", "camera", "display-capture", "geolocation", "gyroscope", "magnetometer"),
    *("microphone", "midi", "payment", "usb"),
)
FIXED_HEADERS: Final = {
    "cache-control": "no-cache",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": ", ".join(f"{power}=()" for power in _POWERS),
    # The fragment can contain an entrance code, and the query a sign-in's answer; neither may reach
    # another site.
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
}
#: For the SDK: pages of any origin may import it. It holds nothing of a user, and the origins that
#: may connect are another matter (``AYES_ALLOWED_ORIGINS``).
OPEN_HEADERS: Final = {
    "access-control-allow-origin": "*",
    "cross-origin-resource-policy": "cross-origin",
}
_SOCKETS: Final = {"http": "ws", "https": "wss"}


@functools.lru_cache(maxsize=64)
def headers(
    own: frozenset[str], elsewhere: frozenset[str], ancestors: tuple[str, ...] = ()
) -> dict[str, str]:
    """Return the headers of a page at the origins ``own`` that may connect to ``elsewhere``.

    Pages of the origins ``ancestors`` may show it in a frame; by default no page may. WebSocket
    origins of ``own`` are listed, since older browsers do not include them in ``'self'``.
    """
    sockets = {
        f"{_SOCKETS[parts.scheme]}://{parts.netloc}"
        for parts in map(urlsplit, own)
        # The policy cannot express an IPv6 address (CSP Level 3, 2.3.1).
        if parts.scheme in _SOCKETS and "[" not in parts.netloc
    }
    sources = ["'self'", *sorted(sockets), *sorted(elsewhere)]
    framed = " ".join(ancestors) or "'none'"
    policy = (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' data:",
        "font-src 'self'",
        f"connect-src {' '.join(sources)}",
        "manifest-src 'self'",
        "base-uri 'none'",
        "form-action 'none'",
        f"frame-ancestors {framed}",
        # No text can become markup or script: the page needs none of that.
        "require-trusted-types-for 'script'",
        "trusted-types 'none'",
    )
    made = FIXED_HEADERS | {"content-security-policy": "; ".join(policy)}
    if ancestors:
        # It cannot name an origin, and would refuse them all.
        del made["x-frame-options"]
    return made
