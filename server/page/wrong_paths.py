"""Paths that mail programs and people changed: asked for as HTML, they lead into the page.

An invitation's ``#`` becomes ``%23`` in some mail programs, and people leave it out. The page knows
what to do with what stands behind it, and says so where that is nothing.
"""

from __future__ import annotations

from urllib.parse import quote

from starlette.requests import Request

#: Longest path in bytes that is led anywhere: several times an invitation. Longer ones are a
#: plain 404.
MAX_LED_PATH_BYTES = 512
#: Paths of programs: an error in JSON is what they understand.
_PROGRAMS = ("/v1/", "/app/", "/sdk/")
#: Names that other servers have for the page of a folder.
_INDEXES = ("index.html", "index.htm", "index.php", "default.html")
#: What a fragment may hold as it is (RFC 3986, 3.5), but for ``%``.
_FRAGMENT = "/?:@!$&'()*+,;=-._~"


def way_in(request: Request) -> str | None:
    """The relative address in the page that ``request`` meant, or None for a program's request.

    It is relative, since a proxy may have put the server below a path, and the Host header is
    nobody's to trust.
    """
    path: str = request.scope["path"]
    if request.method not in ("GET", "HEAD") or f"{path}/".startswith(_PROGRAMS):
        return None
    if "text/html" not in request.headers.get("accept", ""):
        return None
    raw: bytes = request.scope.get("raw_path") or path.encode()
    if len(raw) > MAX_LED_PATH_BYTES:
        return None
    root = request.scope.get("root_path", "").encode()
    if path.rpartition("/")[2].lower() in _INDEXES:
        # No fragment: the browser keeps its own, which may lead to a room.
        return "./"
    depth = raw.split(b"?")[0].removeprefix(root).count(b"/") - 1
    fragment = path.lstrip("/#")
    if not fragment:
        # The page itself is missing; a redirect would lead here again.
        return None
    return f"{'../' * depth or './'}#/{quote(fragment, safe=_FRAGMENT)}"
