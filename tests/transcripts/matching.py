"""Lines of a transcript: filled in before they are sent, matched when they are expected."""

from __future__ import annotations

import base64
import re
import uuid
from collections.abc import Callable
from typing import Any, TypeAlias

Json: TypeAlias = Any
#: Makes the token of a ``$token`` placeholder.
TokenMaker: TypeAlias = Callable[[dict[str, Any]], str]

_TIME = re.compile(r"\A\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z\Z")
_HASH = re.compile(r"\A[0-9a-f]{64}\Z")
_CODE = re.compile(r"\A[A-Z0-9]{6}\Z")
KINDS: dict[str, Callable[[Any], bool]] = {
    "anything": lambda value: True,
    "string": lambda value: isinstance(value, str),
    "integer": lambda value: isinstance(value, int) and not isinstance(value, bool),
    "boolean": lambda value: isinstance(value, bool),
    "object": lambda value: isinstance(value, dict),
    "array": lambda value: isinstance(value, list),
    "time": lambda value: isinstance(value, str) and bool(_TIME.match(value)),
    "hash": lambda value: isinstance(value, str) and bool(_HASH.match(value)),
    "code": lambda value: isinstance(value, str) and bool(_CODE.match(value)),
}


class Mismatch(AssertionError):
    """A message differs from the transcript."""


def fresh_id(name: str) -> str:
    """An idempotency id that was never used."""
    return f"{name[:24]}-{uuid.uuid4().hex}"


class Memory:
    """The bound names, and the ids made for this play."""

    def __init__(self, token: TokenMaker) -> None:
        self._token = token
        self._bound: dict[str, Json] = {}
        self._ids: dict[str, str] = {}

    def id(self, name: str) -> str:
        """The idempotency id called ``name`` in this play."""
        return self._ids.setdefault(name, fresh_id(name))

    def bound(self, name: str) -> Json:
        """The value of ``name``."""
        if name not in self._bound:
            raise Mismatch(f"${name} was not bound yet")
        return self._bound[name]

    def name(self, name: str, value: Json) -> Json:
        """Bind ``name`` to ``value``, and return it."""
        self._bound[name] = value
        return value

    # Sending

    def fill(self, value: Json) -> Json:
        """``value`` with its placeholders replaced."""
        if isinstance(value, list):
            return [self.fill(inner) for inner in value]
        if not isinstance(value, dict):
            return value
        match value:
            case {"$ref": name}:
                return self.bound(name)
            case {"$id": name}:
                return self.id(name)
            case {"$token": _}:
                return self._token(value)
            case {"$repeat": [text, count]}:
                return text * count
        return {self._key(key): self.fill(inner) for key, inner in value.items()}

    def _key(self, key: str) -> str:
        return str(self.bound(key[5:])) if key.startswith("$ref:") else key

    # Receiving

    def match(self, pattern: Json, value: Json, path: str = "$") -> None:
        """Compare ``value`` with ``pattern`` and bind its names; raises ``Mismatch``."""
        match pattern:
            case {"$any": kind}:
                self._is(kind, value, path)
            case {"$bind": name}:
                self._is(pattern.get("is", "anything"), value, path)
                self._bound[name] = value
            case {"$ref": _} | {"$id": _} | {"$repeat": _}:
                self._equal(self.fill(pattern), value, path)
            case dict():
                self._fields(pattern, value, path)
            case list():
                self._items(pattern, value, path)
            case _:
                self._equal(pattern, value, path)

    def fits(self, pattern: Json, value: Json) -> bool:
        """Whether ``value`` matches; binds names only if it does."""
        before = dict(self._bound)
        try:
            self.match(pattern, value)
        except Mismatch:
            self._bound = before
            return False
        return True

    def _is(self, kind: str, value: Json, path: str) -> None:
        if not KINDS[kind](value):
            raise Mismatch(f"{path}: {value!r} is no {kind}")

    def _equal(self, wanted: Json, value: Json, path: str) -> None:
        if wanted != value or isinstance(wanted, bool) != isinstance(value, bool):
            raise Mismatch(f"{path}: {value!r} instead of {wanted!r}")

    def _items(self, pattern: list[Json], value: Json, path: str) -> None:
        if not isinstance(value, list) or len(value) != len(pattern):
            raise Mismatch(f"{path}: {value!r} instead of {len(pattern)} items")
        for index, (wanted, found) in enumerate(zip(pattern, value, strict=True)):
            self.match(wanted, found, f"{path}[{index}]")

    def _fields(self, pattern: dict[str, Json], value: Json, path: str) -> None:
        if not isinstance(value, dict):
            raise Mismatch(f"{path}: {value!r} instead of an object")
        left = dict(value)
        unknown = {}
        for key, wanted in pattern.items():
            if key == "$more":
                continue
            if key.startswith("$bind:"):
                unknown[key[6:]] = wanted
                continue
            name = self._key(key)
            if name not in left:
                raise Mismatch(f"{path}: there is no {name}, only {sorted(left)}")
            self.match(wanted, left.pop(name), f"{path}.{name}")
        for name, wanted in unknown.items():
            found = self._entry(wanted, left, path)
            self._bound[name] = found
            del left[found]
        if left and not pattern.get("$more"):
            raise Mismatch(f"{path}: {left!r} beside what is expected")

    def _entry(self, wanted: Json, left: dict[str, Json], path: str) -> str:
        """The first key whose value matches ``wanted``."""
        for key in sorted(left):
            if self.fits(wanted, left[key]):
                return key
        raise Mismatch(f"{path}: nothing like {wanted!r} in {left!r}")


def payload_of(line: dict[str, Any], memory: Memory) -> str | bytes | Json:
    """The payload of a client's line: raw text, bytes, or the message with placeholders filled."""
    if "text" in line:
        return memory.fill(line["text"])
    if "binary" in line:
        return base64.b64decode(line["binary"])
    return memory.fill(line["message"])
