"""The arguments and options that this version knows.

A server ignores a field that it does not know, so that a newer client can talk to it. A misspelt
field would change what a command does, and nobody would hear of it.
"""

from __future__ import annotations

import difflib
import inspect
import re
import typing
from collections.abc import Callable, Iterable, Mapping
from functools import cache
from typing import Any, TypeAlias

from ayes_client._typed import args, asked, event_args
from ayes_client.command import CommandOptions

#: The names that a dictionary may have, each with those of its value.
Shape: TypeAlias = "dict[str, Shape | None]"

_RAW_COMMAND = "for a field of a newer server, send(Command(...)) checks nothing"
_RAW_QUERY = "for a field of a newer server, ask({...}) checks nothing"


def check_args(type: str, given: Mapping[str, Any], *, in_room: bool) -> None:
    """Raise ``ValueError`` for a field of a command that this version does not know.

    A type that it does not know is not checked. ``in_room``: the room gives the event.
    """
    shape = _shape_of(_class_of(type), (args,) if in_room else (event_args, args))
    if shape is not None:
        _check(type, given, shape, _RAW_COMMAND)


def check_question(type: str, given: Mapping[str, Any], *, in_room: bool) -> None:
    """Do the same for a query."""
    name = _class_of(type)
    shape = None if in_room else _shape_of(f"{name}In", (asked,))
    shape = shape or _shape_of(name, (asked,))
    if shape is not None:
        _check(type, given, shape, _RAW_QUERY)


def check_options(given: Iterable[str], method: Callable[..., Any] | None = None) -> None:
    """Raise ``TypeError`` for an option that no command has. ``method`` has more names."""
    for name in given:
        if name not in CommandOptions.__annotations__:
            known = [*CommandOptions.__annotations__]
            if method is not None:
                known += inspect.signature(method).parameters
            called = "command" if method is None else method.__name__
            what = f"{called}() got an unexpected keyword argument {name!r}"
            raise TypeError(what + _hint(name, known))


def _class_of(type: str) -> str:
    return "".join(part.capitalize() for part in re.split(r"[._]", type))


@cache
def _shape_of(name: str, modules: tuple[Any, ...]) -> Shape | None:
    """Return the names of the first typed dictionary ``name`` in ``modules``."""
    found = (getattr(module, name, None) for module in modules)
    return next((_shape(hint) for hint in found if hint is not None), None)


def _shape(hint: Any) -> Shape | None:
    if typing.is_typeddict(hint):
        hints = typing.get_type_hints(hint)
        return {name: _shape(value) for name, value in hints.items()}
    inner = (_shape(part) for part in typing.get_args(hint))
    return next((shape for shape in inner if shape is not None), None)


def _check(path: str, given: Any, shape: Shape, raw: str, *, top: bool = True) -> None:
    if isinstance(given, Mapping):
        for name, value in given.items():
            if name not in shape:
                raise ValueError(f"{path} has no {name!r}{_hint(str(name), shape)}; {raw}")
            if (inner := shape[name]) is not None:
                _check(name if top else f"{path}.{name}", value, inner, raw, top=False)
    elif isinstance(given, list | tuple):
        for number, value in enumerate(given):
            _check(f"{path}[{number}]", value, shape, raw, top=False)


def _hint(name: str, known: Iterable[str]) -> str:
    near = difflib.get_close_matches(name, list(known), 1)
    return f"; did you mean {near[0]!r}?" if near else ""
