"""The table of docs/clients: every method of both SDKs, and the command that does the same."""

from __future__ import annotations

import inspect
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "clients" / "python"))

from ayes_client import Client, Room  # noqa: E402
from ayes_client.cli.verbs import VERBS  # noqa: E402

_TYPES = ROOT / "clients" / "js" / "ayes.d.ts"
_MEMBER = re.compile(
    r"^(?:  /\*\* (?P<said>[^*]*?) \*/\n)?  (?:readonly )?(?P<name>\[?\w[\w.]*\]?)[<(:?]",
    re.MULTILINE,
)
#: Left out of JavaScript: its other ways to do what ``on`` and iteration do, and its constructors.
_LEFT_OUT = {"constructor", "addEventListener", "removeEventListener"}
_SAME = {"[Symbol.asyncIterator]": "changes"}
#: A verb of the command line → the method that it stands for, if that has another name.
_VERBS = {
    "events": "paged",
    "status": "state",
    "watch": "changes",
    "wait": "decided",
    "create": "create_event",
    "admit": "approve_all",
    "deny": "reject_all",
    "send": "command",
}
_CLIENT_VERBS = {"events", "create", "join", "send"}


def methods() -> str:
    """Every method and property, side by side."""
    told = []
    alone = {verb.name for verb in VERBS}
    for name, kind in (("Client", Client), ("Room", Room)):
        python, javascript = dict(_python(kind)), dict(_javascript(name))
        told += [f"\n**{name}**\n\n", "| does | Python | JavaScript | command line |\n"]
        told.append("| --- | --- | --- | --- |\n")
        for key in sorted({*python, *javascript}):
            their, said = javascript.get(key, ("", ""))
            verb = next((word for word in sorted(alone) if _method(word) == (name, key)), "")
            alone.discard(verb)
            cells = [f"`{cell}`" if cell else "" for cell in (python.get(key), their, verb)]
            does = _does(getattr(kind, key, None)) or _first(said)
            told.append(f"| {does} | {' | '.join(cells)} |\n")
    words = ", ".join(f"`{word}`" for word in sorted(alone))
    told.append(f"\nOf the command line alone: {words}.\n")
    return "".join(told).lstrip("\n")


def _method(verb: str) -> tuple[str, str]:
    """The class and the method that a verb of the command line stands for."""
    found = _VERBS.get(verb, verb)
    return ("Client" if verb in _CLIENT_VERBS else "Room"), found


def _python(kind: type) -> Iterator[tuple[str, str]]:
    """Public names: methods, properties, and attributes of an instance."""
    text = "".join(inspect.getsource(each) for each in kind.__mro__[:-1])
    own = set(re.findall(r"^        self\.([a-z]\w*)(?::.*)? = ", text, re.MULTILINE))
    for name in {*dir(kind), *own}:
        if not name.startswith("_"):
            yield name, name


def _javascript(name: str) -> Iterator[tuple[str, tuple[str, str]]]:
    """Key → the name, and the first sentence of its comment."""
    text = _TYPES.read_text()
    [body] = re.findall(rf"^export class {name} .*?^}}", text, re.MULTILINE | re.DOTALL)
    for found in _MEMBER.finditer(body):
        member = found["name"]
        if member not in _LEFT_OUT:
            key = re.sub(r"([A-Z])", lambda big: f"_{big[1].lower()}", member)
            yield _SAME.get(member, key), (member, found["said"] or "")


def _does(member: Any) -> str:
    """The first sentence of the member's docstring."""
    if isinstance(member, str | int | float | type(None)):
        return ""
    return _first(inspect.getdoc(member) or "")


def _first(text: str) -> str:
    said = " ".join(text.split()).partition(". ")[0].partition(": ")[0].rstrip(".")
    return said.replace("|", "\\|")
