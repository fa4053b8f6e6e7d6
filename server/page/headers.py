"""The headers that every answer to the page carries: what a browser may do with it, and no more."""

from __future__ import annotations

import functools
from typing import Final
from urllib.parse import urlsplit

#: Whatever the page does not use is off, so that a hole in it opens nothing.
_POWERS: Final = (
    *("accelerometer", "camera", "display-capture", "geolocation", "gyroscope", "magnetometer"),
    *("microphone", "midi", "payment", "usb"),
)
FIXED_HEADERS: Final = {
    "cache-control": "no-cache",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": ", ".join(f"{power}=()" for power in _POWERS),
    # An entrance code stands in the fragment, and a sign-in's answer in the query: no other place
    # learns of either.
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
}
_SOCKETS: Final = {"http": "ws", "https": "wss"}


@functools.lru_cache(maxsize=64)
def headers(own: frozenset[str], elsewhere: frozenset[str]) -> dict[str, str]:
    """The headers of a page that is reached at the origins ``own`` and may ask ``elsewhere``.

    The sockets of ``own`` are named, since older browsers do not take them for ``'self'``.
    """
    sockets = {
        f"{_SOCKETS[parts.scheme]}://{parts.netloc}"
        for parts in map(urlsplit, own)
        # There is no way to write an IPv6 address there (CSP Level 3, 2.3.1).
        if parts.scheme in _SOCKETS and "[" not in parts.netloc
    }
    sources = ["'self'", *sorted(sockets), *sorted(elsewhere)]
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
        "frame-ancestors 'none'",
        # No text becomes markup or script: the page makes none, and nothing in it can start to.
        "require-trusted-types-for 'script'",
        "trusted-types 'none'",
    )
    return FIXED_HEADERS | {"content-security-policy": "; ".join(policy)}
