"""Writes the parts of the Python client that follow from the server and the page.

``--check`` writes nothing, and fails if a file is not current. A test runs it.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import types
import typing
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "clients" / "python")]

import msgspec  # noqa: E402

from ayes_client import state as client_state  # noqa: E402
from protocol.commands import COMMANDS, EventCommand, type_of  # noqa: E402
from protocol.messages import Ack, Error  # noqa: E402
from protocol.replies import MESSAGES  # noqa: E402
from protocol.requests import REQUESTS, Request  # noqa: E402
from protocol.results import RESULTS  # noqa: E402

CLIENT = ROOT / "clients" / "python" / "ayes_client"
#: Where the page's words are, or will be: the first that exists.
_WORDS = ("clients/js/src/words/{}.js", "web/strings/{}/refusals.js")
_LANGUAGES = ("en", "ko")
_PAIR = re.compile(r'^\s*("[\w.]+"):\s*("(?:[^"\\]|\\.)*"),?$', re.MULTILINE)
#: Fields of every command; the client gives ``id`` and ``not_after`` by options.
_OWN = {"id", "ref"}
_EVERY = {"not_after", "traceparent"}
#: Query → the type of its answer, if that is not its first word.
_ANSWERS = {
    "command.status": "status",
    "event.overview": "overview",
    "event.preview_policy": "policy_preview",
    "ballot.receipt": "receipt",
}
_PLAIN: dict[Any, str] = {str: "str", int: "int", bool: "bool", float: "float", datetime: "str"}
_HEAD = '''"""{about}

Written by ``scripts/client_types.py`` from the server's types.
"""

from __future__ import annotations

'''


def words(language: str) -> str:
    """The page's words for refusals, as JSON."""
    paths = (ROOT / place.format(language) for place in _WORDS)
    text = next(path for path in paths if path.exists()).read_text()
    # A long text stands on the line below its key.
    found = _PAIR.findall(re.sub(r':\s*\n\s*"', ': "', text))
    assert len(found) == len(re.findall(r'^\s*"[\w.]+":', text, re.MULTILINE))
    pairs = {json.loads(key): json.loads(value) for key, value in found}
    return json.dumps(pairs, ensure_ascii=False, indent=1) + "\n"


class Shapes:
    """Typed dictionaries, each written once, after those that it needs."""

    def __init__(self) -> None:
        self.known: dict[str, str] = {}
        self.imported: set[str] = set()

    def annotation(self, hint: Any) -> str:
        """The annotation of ``hint`` in the client."""
        origin, args = typing.get_origin(hint), typing.get_args(hint)
        if hint in _PLAIN:
            return str(_PLAIN[hint])
        if hint is type(None):
            return "None"
        if origin is typing.Literal:
            return f"Literal[{', '.join(map(json.dumps, args))}]"
        if origin in (list, tuple):
            return f"list[{self.annotation(args[0])}]"
        if origin in (typing.Union, types.UnionType):
            return " | ".join(self.annotation(arg) for arg in args if arg is not msgspec.UnsetType)
        if hint in (Ack, Error):
            return self.take("Json")
        assert isinstance(hint, type), hint
        return self.struct(hint)

    def take(self, name: str) -> str:
        """Import ``name`` of the client's own shapes."""
        self.imported.add(name)
        return name

    def struct(self, struct: type[msgspec.Struct]) -> str:
        """Write ``struct``, unless the client has it; return its name."""
        name = struct.__name__
        if hasattr(client_state, name):
            return self.take(name)
        if name not in self.known:
            base = struct.__bases__[0].__name__
            inherits = name.startswith("Listed") and hasattr(client_state, base)
            above: Any = struct.__bases__[0]
            without = set(above.__struct_fields__) if inherits else set()
            tag = struct.__struct_config__
            more = {}
            if tag.tag is not None:
                more[str(tag.tag_field)] = f'Literal["{tag.tag}"]'
                # That of a message is the client's; one within a message is the user's.
                without |= {"ref"}
            self.write(
                name, struct, base=self.take(base) if inherits else "TypedDict",
                without=without, more=more, keep_id=True,
            )  # fmt: skip
        return name

    def write(
        self,
        name: str,
        struct: type[msgspec.Struct],
        *,
        base: str = "TypedDict",
        without: set[str] | frozenset[str] = frozenset(),
        more: dict[str, str] | None = None,
        keep_id: bool = False,
    ) -> None:
        """Write one shape; ``without`` these fields."""
        hints = typing.get_type_hints(struct)
        lines = [f"{key}: {value}" for key, value in (more or {}).items()]
        odd = []
        for field in msgspec.structs.fields(struct):
            if field.encode_name in without - ({"id"} if keep_id else set()):
                continue
            found = self.annotation(hints[field.name])
            if not field.required:
                found = f"NotRequired[{found}]"
            if field.encode_name == "as":
                odd.append((field.encode_name, found))
            else:
                lines.append(f"{field.encode_name}: {found}")
        said = (struct.__doc__ or name).strip().partition("\n")[0].partition(":")[0].rstrip(".")
        said = f'"""{said}."""'
        if odd:
            pairs = ", ".join(f'"{key}": {value!r}' for key, value in odd)
            self.known[f"_{name}"] = f'_{name} = TypedDict("_{name}", {{{pairs}}})\n'
            base = f"_{name}, {base}" if base != "TypedDict" else f"_{name}"
        body = "\n    ".join([said, *(["\n    ".join(lines)] if lines else [])])
        self.known[name] = f"class {name}({base}):\n    {body}\n"

    def text(self, about: str) -> str:
        """The whole module."""
        body = "\n\n".join(self.known.values())
        taken = f"from ayes_client.state import {', '.join(sorted(self.imported))}\n\n"
        names = [name for name in ("Literal", "NotRequired", "TypedDict") if name in body]
        imports = f"from typing import {', '.join(names)}\n\n"
        return _HEAD.format(about=about) + imports + (taken if self.imported else "") + body


_ANY = '''class AnyCommand(TypedDict, total=False):
    """Fields that every command takes. ``traceparent``: the trace that it belongs to."""

    not_after: str | None
    traceparent: str | None
'''


def arguments() -> str:
    """The arguments of every command, within a room and with its event."""
    shapes = Shapes()
    shapes.known["AnyCommand"] = _ANY
    for command in COMMANDS:
        shapes.write(
            command.__name__, command, base="AnyCommand", without=_OWN | _EVERY | {"event"}
        )
    return shapes.text("The arguments of every command, as a room takes them.")


def in_event() -> str:
    """The arguments of the commands to an event, with the event."""
    commands = [command for command in COMMANDS if issubclass(command, EventCommand)]
    with_event = '    """The same, with the id of the event."""\n    event: str\n\n\n'
    names = [command.__name__ for command in commands]
    body = "".join(f"class {name}(args.{name}):\n{with_event}" for name in names)
    about = "The arguments of every command to an event, with the event."
    return _HEAD.format(about=about) + "from ayes_client._typed import args\n\n\n" + body


def results() -> str:
    """The result of every command."""
    shapes = Shapes()
    for result in RESULTS.values():
        shapes.struct(result)
    return shapes.text("The result that an ack brings, for each command.")


def _needs_args(struct: type[msgspec.Struct], but: set[str]) -> bool:
    fields = msgspec.structs.fields(struct)
    return any(field.required and field.encode_name not in but for field in fields)


_EVENT = '''    @property
    def event(self) -> str:
        """The event's id."""
        raise NotImplementedError

'''
_OPTIONS = "**options: Unpack[CommandOptions]"


def commands(name: str, about: str, *, has_event: bool) -> str:
    """The overloads of ``command``."""
    lines = []
    for command in COMMANDS:
        if not (is_event := issubclass(command, EventCommand)) and has_event:
            continue
        module = "args" if has_event or not is_event else "event_args"
        given = f"args: {module}.{command.__name__}"
        if not _needs_args(command, {"id", "event"} if has_event else {"id"}):
            given += " | None = None"
        result = RESULTS[command].__name__
        lines.append(
            f'@overload\nasync def command(self, type: Literal["{type_of(command)}"], {given}, '
            f"{_OPTIONS}) -> Ack[results.{result}]: ..."
        )
    modules = "args, results" if has_event else "args, event_args, results"
    body = "\n".join(lines).replace("\n", "\n    ")
    event = "self.event" if has_event else 'given.pop("event", None)'
    return (
        _HEAD.format(about=about)
        + "from typing import Any, Literal, Unpack, overload\n\n"
        + f"from ayes_client._typed import {modules}\n"
        + "from ayes_client._typed.known import check_args, check_options\n"
        + "from ayes_client.command import Ack, Command, CommandOptions\n"
        + "from ayes_client.ids import new_id\n\n\n"
        + f"class {name}:\n"
        + '    """``command`` for every command, with its arguments and result."""\n\n'
        + (_EVENT if has_event else "")
        + "    async def send(self, command: Command) -> Ack:\n"
        + '        """Give a command that was made before, or one of a newer server."""\n'
        + "        raise NotImplementedError\n\n    "
        + body
        + "\n    async def command(self, type: str, args: Any = None, "
        + f"{_OPTIONS}) -> Ack[Any]:\n"
        + _DOCS[has_event]
        + "        given = dict(args or {})\n        check_options(options)\n"
        + f"        check_args(type, given, in_room={has_event})\n"
        + '        id = options.get("id")\n'
        + "        found = Command(type=type, args=given, "
        + f"event={event}, id=new_id() if id is None else id, "
        + 'not_after=options.get("not_after"), once=options.get("once", False))\n'
        + "        return await self.send(found)\n"
    )


_DOCS = {
    True: '        """Give any command to this event; see ``Client.command``."""\n',
    False: '''        """Do something once. Return the ack, which means that it is durable.

        ``args`` are the fields other than ``type`` and ``id``, the ``event`` among them. The same
        ``id`` with the same fields is the same command for ever; if left out, a new one is made.
        Raises the error that refuses the command.

        Past ``not_after`` the command has no effect, and ``TooLate`` is raised: a time with a zone,
        or seconds from now by the server's clock. With ``once``, no later connection sends the
        command, and no outbox keeps it: ``NotSent`` if there is no connection now.

        Raises ``ValueError`` for an unknown argument, ``TypeError`` for an unknown option. ``send``
        takes those of a newer server.
        """
''',
}


def _questions() -> Iterator[tuple[str, type[Request], Any]]:
    replies = {str(message.__struct_config__.tag): message for message in MESSAGES}
    for request in REQUESTS:
        tag = str(request.__struct_config__.tag)
        if "." in tag:
            yield tag, request, replies[_ANSWERS.get(tag, tag.partition(".")[0])]


def answers() -> str:
    """The answers of queries."""
    shapes = Shapes()
    for _, _, reply in _questions():
        shapes.struct(reply)
    return shapes.text("The answers of the server to queries.")


def asked() -> str:
    """The arguments of queries, within a room and with the event."""
    shapes = Shapes()
    for _, request, _ in _questions():
        shapes.write(request.__name__, request, without=_OWN | _EVERY | {"event"})
        if "event" in request.__struct_fields__:
            shapes.known[f"{request.__name__}In"] = (
                f"class {request.__name__}In({request.__name__}):\n"
                f'    """The same, with the id of the event."""\n    event: str\n'
            )
    return shapes.text("The arguments of queries, as a room takes them, and with the event.")


def questions(name: str, about: str, *, has_event: bool) -> str:
    """The overloads of ``query`` and ``paged``."""
    asks, pages = [], []
    for tag, request, reply in _questions():
        if not (in_event := "event" in request.__struct_fields__) and has_event:
            continue
        given = f"args: asked.{request.__name__}{'In' if in_event and not has_event else ''}"
        if not _needs_args(request, {"event"} if has_event else set()):
            given += " | None = None"
        head = f'@overload\n{{}}def {{}}(self, type: Literal["{tag}"], {given})'
        asks.append(f"{head.format('async ', 'query')} -> answers.{reply.__name__}: ...")
        if tag.endswith(".list"):
            [item] = typing.get_args(typing.get_type_hints(reply)[tag.partition(".")[0]])
            pages.append(
                f"{head.format('', 'paged')} -> AsyncIterator[answers.{item.__name__}]: ..."
            )
    body = "\n".join([*asks, "{query}", *pages, "{paged}"]).replace("\n", "\n    ")
    event = '"event": self.event, ' if has_event else ""
    query = f'''async def query(self, type: str, args: Any = None) -> Any:
        """Return the answer to a query. Raises its refusal; ``ValueError``: an unknown argument."""
        check_question(type, args or {{}}, in_room={has_event})
        return await self.ask({{"type": type, {event}**(args or {{}})}})
'''
    paged = f'''async def paged(self, type: str, args: Any = None) -> AsyncIterator[Any]:
        """Yield what a list has, page after page, in the order of the list."""
        check_question(type, args or {{}}, in_room={has_event})
        async for found in pages(self.ask, {{"type": type, {event}**(args or {{}})}}):
            yield found
'''
    return (
        _HEAD.format(about=about)
        + "from collections.abc import AsyncIterator\nfrom typing import Any, Literal, overload\n\n"
        + "from ayes_client._typed import answers, asked\n"
        "from ayes_client._typed.known import check_question\n"
        + "from ayes_client._typed.paging import pages\n"
        + "from ayes_client.state import Json\n\n\n"
        + f'class {name}:\n    """``query`` and ``paged``, with arguments and answers."""\n\n'
        + (_EVENT if has_event else "")
        + "    async def ask(self, question: Json) -> Json:\n"
        + '        """Send a query of any type, such as of a newer server."""\n'
        + "        raise NotImplementedError\n\n    "
        + body.replace("{query}", query).replace("{paged}", paged)
    )


def files() -> Iterator[tuple[Path, str]]:
    """Every generated file and its text."""
    for language in _LANGUAGES:
        yield CLIENT / "_words" / f"{language}.json", words(language)
    of_room = "Commands of a room, typed."
    modules = {
        "args": arguments(),
        "event_args": in_event(),
        "results": results(),
        "answers": answers(),
        "asked": asked(),
        "commands": commands("TypedCommands", "Commands of a client, typed.", has_event=False),
        "room_commands": commands("TypedRoomCommands", of_room, has_event=True),
        "questions": questions("TypedQuestions", "Queries of a client, typed.", has_event=False),
        "room_questions": questions(
            "TypedRoomQuestions", "Queries of a room, typed.", has_event=True
        ),
    }
    for name, text in modules.items():
        yield CLIENT / "_typed" / f"{name}.py", formatted(text, f"{name}.py")


def formatted(text: str, name: str) -> str:
    """``text`` as the house formats it."""
    path = str(CLIENT / "_typed" / name)
    ruff = [sys.executable, "-m", "ruff"]
    for step in (["check", "--fix", "-q", "--exit-zero"], ["format", "-q"]):
        command = [*ruff, *step, "--stdin-filename", path, "-"]
        ran = subprocess.run(command, input=text, capture_output=True, text=True, check=True)
        text = ran.stdout
    return text


def main(arguments: list[str]) -> int:
    """Write the files, or with ``--check`` compare them."""
    behind = [(path, text) for path, text in files() if not _is_current(path, text)]
    for path, text in behind:
        if "--check" in arguments:
            print(f"{path.relative_to(ROOT)} is not current: python -m scripts.client_types")
        else:
            path.write_text(text)
    return int("--check" in arguments and bool(behind))


def _is_current(path: Path, text: str) -> bool:
    return path.exists() and path.read_text() == text


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
