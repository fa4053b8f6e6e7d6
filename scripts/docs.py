"""Writes the parts of docs/ that follow from the code, so that they cannot contradict it.

A generated part stands between ``<!-- generated: NAME -->`` and ``<!-- end -->``; ``fields TYPE``
is the one with an argument. ``--check`` writes nothing and fails where a part is not current.
"""

from __future__ import annotations

import argparse
import ast
import re
import sys
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import get_args

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

import msgspec  # noqa: E402

from handlers.rules import transitions  # noqa: E402
from handlers.rules.permissions import PERMISSIONS, Permission, RequiredRole  # noqa: E402
from protocol import state as shown  # noqa: E402
from protocol.closes import CLOSES, may_reconnect  # noqa: E402
from protocol.commands import COMMANDS, Command, type_of  # noqa: E402
from protocol.errors import ERRORS, FINAL, ErrorCode  # noqa: E402
from protocol.messages import ErrorDetails, Reply  # noqa: E402
from protocol.replies import MESSAGES  # noqa: E402
from protocol.requests import REQUESTS, Request  # noqa: E402
from protocol.results import RESULTS  # noqa: E402
from scripts.client_methods import methods  # noqa: E402
from scripts.wording import fields_of  # noqa: E402
from server.cli.main import build_parser  # noqa: E402
from server.config.settings import PREFIX, SETTINGS, Settings  # noqa: E402
from server.http.metric_table import METRICS, unit_of  # noqa: E402

_PART = re.compile(r"(<!-- generated: (\w+)(?: ([\w.]+))? -->\n).*?(<!-- end -->)", re.DOTALL)
_STATUSES = ("not_started", "in_progress", "paused", "finished")
#: Where bounds are declared: constants with a ``#:`` comment, and the fields of ``Budgets``.
_BOUNDED = ("protocol", "persistence", "handlers", "server")


def table(heads: list[str], rows: Iterator[list[str]] | list[list[str]]) -> str:
    """A Markdown table."""
    lines = [heads, ["---"] * len(heads), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def errors() -> str:
    """Every error code."""
    return table(
        ["code", "meaning", "effect", "retry", "remembered", "HTTP"],
        [
            [
                f"`{code.value}`",
                rule.meaning,
                rule.effect,
                rule.retry,
                _remembered(code),
                str(rule.http),
            ]
            for code, rule in ERRORS.items()
        ],
    )


def _remembered(code: ErrorCode) -> str:
    if code is ErrorCode.BAD_REQUEST:
        return "where only the event's state showed it"
    return "yes" if code in FINAL else ""


def closes() -> str:
    """Every close code that the server uses."""
    return table(
        ["code", "why", "then"],
        [
            [f"`{int(code)}`", why, "reconnect" if may_reconnect(code) else "stop"]
            for code, why in CLOSES.items()
        ],
    )


def commands() -> str:
    """Every command: its effect, its fields, the roles that may give it, and the ack's result."""
    told, group = [], ""
    for command in COMMANDS:
        kind = type_of(command)
        if kind.partition(".")[0] != group:
            group = kind.partition(".")[0]
            told.append(f"\n#### {group}.*\n")
        told.append(f"\n**`{kind}`** — {_sentence(command)}\n\n{_fields(command)}")
        told.append(f"- result: {', '.join(fields_of(RESULTS[command])) or 'none'}\n")
        told.append(f"- who: {_who(PERMISSIONS[command])}\n")
    return "".join(told).lstrip("\n") + "\n"


def _who(permission: Permission) -> str:
    who = {RequiredRole.ANYONE: "any user", RequiredRole.MEMBER: "members"}
    who[RequiredRole.VOTER] = "members who are not organisers"
    role = who.get(permission.role, "admins and organisers")
    if len(permission.statuses) == len(_STATUSES):
        return role
    when = [status.replace("_", " ") for status in _STATUSES if status in permission.statuses]
    return f"{role}, while {' or '.join(when)}"


def _sentence(message: type[msgspec.Struct]) -> str:
    text = textwrap.dedent(f"    {message.__doc__ or ''}").strip()
    return " ".join(text.split()).replace("``", "`")


def _fields(message: type[msgspec.Struct]) -> str:
    known = {"ref"} if issubclass(message, Request | Reply) else set()
    if issubclass(message, Command):
        known = {"id", "not_after", "event"}
    told = [field for field in fields_of(message) if not _is_one_of(field, known)]
    return f"- fields: {', '.join(told) or 'none'}\n"


def _is_one_of(field: str, names: set[str]) -> bool:
    return field.lstrip("[").split("`")[1] in names


def fields(kind: str) -> str:
    """The fields of one message."""
    messages: tuple[type[msgspec.Struct], ...] = (*REQUESTS, *MESSAGES, *COMMANDS, ErrorDetails)
    for message in messages:
        if kind in (message.__struct_config__.tag, message.__name__):
            return f"{_sentence(message)}\n\n{_fields(message)}"
    raise SystemExit(f"no message has the type {kind}")


def permissions() -> str:
    """The permissions: role and status of each command."""

    def row(command: type[Command], permission: Permission) -> list[str]:
        cells = []
        for status in _STATUSES:
            finished = ErrorCode.EVENT_FINISHED
            otherwise = finished if status == "finished" else permission.otherwise
            cells.append("✓" if status in permission.statuses else f"`{otherwise.value}`")
        return [f"`{type_of(command)}`", permission.role.value, *cells]

    heads = ["command", "who", *(status.replace("_", " ") for status in _STATUSES)]
    return table(heads, [row(command, found) for command, found in PERMISSIONS.items()])


def statuses() -> str:
    """The transitions of events and of memberships."""
    event = [
        [f"`event.{act}`", start.replace("_", " "), end.replace("_", " ")]
        for act, steps in transitions.EVENT.items()
        for start, end in steps.items()
    ]
    membership = [
        [act, start or "(none)", end or "(none)"]
        for act, steps in transitions.MEMBERSHIP.items()
        for start, end in steps.items()
    ]
    heads = ["from", "to"]
    return f"{table(['command', *heads], event)}\n{table(['act', *heads], membership)}"


def settings() -> str:
    """Every setting."""
    defaults = Settings()

    def default(name: str) -> str:
        if name == "data_dir":
            return "`/var/lib/ayes` as root, else a folder of the user's"
        value = getattr(defaults, name)
        return "" if value in (None, ()) else f"`{value}`"

    def span(name: str) -> str:
        rule = SETTINGS[name]
        return "" if rule.min is None else f"{rule.min:,} to {rule.max:,}"

    return table(
        ["variable", "what", "default", "range"],
        [
            [f"`{PREFIX}{name.upper()}`", rule.help, default(name), span(name)]
            for name, rule in SETTINGS.items()
        ],
    )


def bounds() -> str:
    """Every named limit and deadline, by module, with its comment in the code."""
    told = []
    for package in _BOUNDED:
        for path in sorted((ROOT / package).rglob("*.py")):
            if "demo" not in path.parts and (found := list(_constants(path))):
                told.append(f"\n**{path.relative_to(ROOT)}**\n\n")
                told.append(table(["name", "value", "what"], found))
    return "".join(told).lstrip("\n")


def _constants(path: Path) -> Iterator[list[str]]:
    source = path.read_text()
    lines = source.splitlines()
    told_at = 0
    for node in ast.parse(source).body:
        if isinstance(node, ast.ClassDef) and node.name == "Budgets":
            yield from _budgets(node)
        target, value = _assigned(node)
        if target is None or value is None or not _is_figure(value):
            continue
        comment: list[str] = []
        at = node.lineno - 2
        while at >= 0 and lines[at].startswith("#: "):
            comment.insert(0, lines[at][3:])
            at -= 1
        if not comment and node.lineno == told_at + 1:
            comment = ["(with the one above)"]
        if comment and not target.startswith("_"):
            told_at = node.end_lineno or 0
            yield [f"`{target}`", f"`{ast.unparse(value)}`", " ".join(comment)]


def _assigned(node: ast.stmt) -> tuple[str | None, ast.expr | None]:
    if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
        return node.targets[0].id, node.value
    if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
        return node.target.id, node.value
    return None, None


def _is_figure(value: ast.expr) -> bool:
    if isinstance(value, ast.BinOp):
        return _is_figure(value.left) and _is_figure(value.right)
    if isinstance(value, ast.Call):
        return ast.unparse(value.func) == "timedelta"
    return isinstance(value, ast.Constant) and type(value.value) in (int, float)


def _budgets(node: ast.ClassDef) -> Iterator[list[str]]:
    for field, text in zip(node.body, node.body[1:], strict=False):
        name, value = _assigned(field)
        if name and value and isinstance(text, ast.Expr) and isinstance(text.value, ast.Constant):
            words = " ".join(str(text.value.value).split())
            yield [f"`Budgets.{name}`", f"`{ast.unparse(value)}`", words]


def state() -> str:
    """The objects that a room shows, one kind after another."""
    told = []
    for name, kind in vars(shown).items():
        if isinstance(kind, type) and issubclass(kind, shown.View) and kind.__struct_fields__:
            told.append(f"\n**{_spaced(name)}** — {_sentence(kind)}\n")
            if kind is not shown.ApplicantState:
                told.append(f"\n{_fields(kind)}")
    for name in ("EventStatus", "MembershipStatus", "ProposalStatus", "Resolution"):
        values = ", ".join(f"`{value}`" for value in get_args(getattr(shown, name)))
        told.append(f"\n**{_spaced(name)}** — {values}\n")
    return "".join(told).lstrip("\n")


def _spaced(name: str) -> str:
    return re.sub(r"(?<!^)([A-Z])", r" \1", name).lower()


def metrics() -> str:
    """Every metric."""
    rows = []
    for name, declared in METRICS.items():
        shown = f"{name}_total" if declared.kind == "counter" else name
        labels = ", ".join(f"`{label}`" for label in declared.labels)
        buckets = ", ".join(f"{bound:g}" for bound in declared.buckets)
        rows.append([f"`{shown}`", declared.kind, unit_of(name), declared.help, labels, buckets])
    return table(["name", "kind", "unit", "what", "labels", "buckets"], rows)


def cli() -> str:
    """Every command of ``ayes``, with its own arguments; every one takes the settings too."""
    rows = []
    for name, command in _subcommands(build_parser()).items():
        for verb, parser in (_subcommands(command) or {"": command}).items():
            own = [a for a in parser._actions if a.dest not in SETTINGS and a.dest != "help"]
            usage = " ".join(map(_usage, own)).replace("|", "\\|")
            helped = _help_of(command if verb else build_parser(), verb or name)
            rows.append(
                [f"`{f'ayes {name} {verb}'.strip()}`", f"`{usage}`" if usage else "", helped]
            )
    return table(["command", "arguments", "does"], rows)


def _subcommands(parser: argparse.ArgumentParser) -> dict[str, argparse.ArgumentParser]:
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            return dict(action.choices)
    return {}


def _help_of(parser: argparse.ArgumentParser, name: str) -> str:
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            found = [each.help for each in action._choices_actions if each.dest == name]
            return found[0] or "" if found else ""
    return ""


def _usage(action: argparse.Action) -> str:
    name = action.option_strings[0] if action.option_strings else action.metavar or action.dest
    shown = str(name)
    if action.option_strings and action.nargs != 0:
        shown += f" {action.metavar or action.dest.upper()}"
    is_needed = action.required if action.option_strings else action.nargs != "?"
    return shown if is_needed else f"[{shown}]"


PARTS: dict[str, Callable[[], str]] = {
    part.__name__: part
    for part in (
        errors,
        closes,
        commands,
        permissions,
        statuses,
        settings,
        bounds,
        state,
        metrics,
        cli,
        methods,
    )
}


def current(text: str) -> str:
    """``text`` with its generated parts as the code has them now."""

    def part(match: re.Match[str]) -> str:
        begin, name, argument, end = match.groups()
        made = fields(argument) if argument else PARTS[name]()
        return f"{begin}{made.replace('``', '`')}{end}"

    return _PART.sub(part, text)


def main() -> int:
    """Write, or compare; the exit status."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--check", action="store_true", help="only tell what is not current")
    check = parser.parse_args().check
    behind = []
    for path in sorted((ROOT / "docs").rglob("*.md")):
        text = path.read_text()
        made = current(text)
        if made != text:
            behind.append(str(path.relative_to(ROOT)))
            if not check:
                path.write_text(made)
    for name in behind:
        print(f"{name}: {'not current, run scripts/docs' if check else 'written'}")
    return 1 if check and behind else 0


if __name__ == "__main__":
    sys.exit(main())
