"""The SDK's constants equal the server's: they share no code, so they are compared."""

from __future__ import annotations

import ast
import re
import tomllib
from importlib.metadata import requires
from pathlib import Path
from typing import get_args

import msgspec
import pytest

import ayes_client
from ayes_client import errors, state
from ayes_client._connection import opening
from ayes_client._wire import closes
from ayes_client._wire.error_message import from_message
from ayes_client.cli.acting import QUERIES
from ayes_client.cli.verbs import VERBS
from ayes_client.limits import Limits
from protocol import SUBPROTOCOL, commands, requests
from protocol import closes as server_closes
from protocol import state as server_state
from protocol.commands import type_of
from protocol.errors import ERRORS
from protocol.messages import Limits as ServerLimits
from protocol.policy import BallotMethod, BallotPolicy, KindPolicy, ProposalKind, Rule
from server.cli.client import COMMANDS
from tests.parts import ROOT
from tests.test_house import HOUSE, MAX_FILE_LINES, imported

PACKAGE = ROOT / "clients" / "python"
SOURCES = sorted((PACKAGE / "ayes_client").rglob("*.py"))


def test_every_code_of_the_server_has_its_class() -> None:
    known = {
        code: (found.effect, found.retry, found.meaning) for code, found in errors.CODES.items()
    }
    said = {str(code): (rule.effect, rule.retry, rule.meaning) for code, rule in ERRORS.items()}
    assert known == said


def test_the_tree_is_drawn_whole() -> None:
    drawn = set(re.findall(r"\b[A-Z]\w+\b", (errors.__doc__ or "").partition("Two attributes")[0]))
    classes = {
        name for name, found in vars(errors).items()
        if isinstance(found, type) and issubclass(found, errors.AyesError)
    }  # fmt: skip
    assert classes <= drawn


def test_an_unknown_code_is_the_class_of_its_retry() -> None:
    said = {"code": "of_tomorrow", "retry": "fix", "effect": "none", "message": "…", "details": {}}
    error = from_message(said)
    assert type(error) is errors.NeedsFix
    assert error.code == "of_tomorrow"


def test_close_codes_have_the_servers_verdict() -> None:
    assert set(closes.CLOSES) == {int(code) for code in server_closes.CloseCode}
    for code in range(4000, 5000):
        assert closes.is_final(code) is not server_closes.may_reconnect(code)


def test_questions_are_those_that_the_server_answers() -> None:
    socket_only = {"hello", "auth", "ping", "subscribe", "unsubscribe"}
    asked = {str(found.__struct_config__.tag) for found in requests.REQUESTS} - socket_only
    assert set(QUERIES) == asked
    assert not set(QUERIES) & {type_of(command) for command in commands.COMMANDS}


def test_limits_and_protocol_are_named_as_the_server_does() -> None:
    assert Limits._fields == ServerLimits.__struct_fields__
    assert str(opening.SUBPROTOCOL) == SUBPROTOCOL


def test_the_server_forwards_every_command_of_the_client() -> None:
    assert set(COMMANDS) == {verb.name for verb in VERBS} | {"completion"}


def test_the_version_is_told_once() -> None:
    project = tomllib.loads((PACKAGE / "pyproject.toml").read_text())["project"]
    assert project["version"] == ayes_client.__version__


def test_it_depends_on_two_packages() -> None:
    found = [
        re.split(r"[<>=;\[ ]", line)[0]
        for line in requires("ayes-client") or ()
        if "extra" not in line
    ]
    assert sorted(found) == ["orjson", "websockets"]


@pytest.mark.parametrize(
    "path", SOURCES, ids=lambda path: str(path.relative_to(PACKAGE / "ayes_client"))
)
def test_a_module_is_short_says_what_it_is_and_imports_nothing_of_the_server(path: Path) -> None:
    text = path.read_text()
    assert len(text.splitlines()) <= MAX_FILE_LINES
    assert ast.get_docstring(ast.parse(text))
    roots = {module.partition(".")[0] for module, _ in imported(path)}
    assert not roots & {*HOUSE, "tests", "benchmarks"}


#: Fields that are left out for applicants alone, who are not shown them.
HIDDEN: dict[str, set[str]] = {"Event": {"id", "subject", "status"}, "Counts": set()}
SHAPES = {
    **{name: getattr(server_state, name) for name in (
        "EventPolicy", "Event", "Option", "Assumption", "Criterion", "Decision", "Proposal",
        "Comment", "Member", "JoinRequest", "Invitation", "Counts", "OptionResult",
        "CriterionResult", "Results",
        "RoundCount", "Round",
        "Membership", "Ballot", "You",
    )},
    "State": server_state.AdminState,
    "KindPolicy": KindPolicy,
    "BallotPolicy": BallotPolicy,
}  # fmt: skip


@pytest.mark.parametrize("name", sorted(SHAPES))
def test_a_shape_has_the_fields_that_the_server_sends(name: str) -> None:
    mine = getattr(state, name)
    fields = msgspec.structs.fields(SHAPES[name])
    assert set(mine.__annotations__) == {field.name for field in fields}
    always = {field.name for field in fields if field.required}
    if name == "State":
        always -= {"requests", "invitations"}
    assert set(mine.__required_keys__) == always & HIDDEN.get(name, always)


@pytest.mark.parametrize(
    ("mine", "theirs"),
    [
        (state.EventStatus, server_state.EventStatus),
        (state.MembershipStatus, server_state.MembershipStatus),
        (state.ProposalStatus, server_state.ProposalStatus),
        (state.Resolution, server_state.Resolution),
        (state.Kind, ProposalKind),
        (state.Category, commands.Category),
        (state.Role, commands.Role),
        (state.Rule, Rule),
        (state.BallotMethod, BallotMethod),
    ],
)
def test_words_are_those_of_the_server(mine: object, theirs: object) -> None:
    assert get_args(mine) == get_args(theirs)
