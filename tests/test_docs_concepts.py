"""``docs/concepts.md``: its numbers and its tables are those of the code."""

from __future__ import annotations

import ast
import json
import re
from typing import Any, get_args

import msgspec
import pytest

from handlers.rules.auto_acceptance import base_of, enough, quorum_met
from protocol.policy import KINDS, Policy, PolicyPatch, Terms, merge_policy
from protocol.state import ProposalStatus, Resolution
from tests.parts import ROOT

_PAGE = ROOT / "docs" / "concepts.md"
_PLURALS = {"assumption": "assumptions", "criterion": "criteria", "conclusion": "conclusions"}
#: Functions of the handlers that close a proposal; the third argument is the status.
_CLOSING = {"accept": "accepted", "_take_away": "deleted"}


def table(name: str) -> list[list[str]]:
    """The rows of the table that the comment ``name`` introduces."""
    [found] = re.findall(rf"<!-- {name} -->\n(.*?)<!-- end -->", _PAGE.read_text(), re.DOTALL)
    rows = found.strip().splitlines()[2:]
    return [[cell.strip() for cell in row.strip("|").split("|")] for row in rows]


def test_the_default_policy_is_the_default_policy() -> None:
    policy = Policy()
    assert table("default policy") == [
        [_PLURALS[kind], "yes" if rule.auto else "no", f"`{rule.rule}`", str(rule.threshold)]
        for kind in KINDS
        for rule in [policy.of(kind)]
    ]
    assert (policy.membership_auto, policy.terms()) == (False, Terms())
    assert (Terms().stances, Terms().tally, Terms().votes) == (("agree",), "live", "secret")
    for none in ("quorum_percent", "min_open_seconds", "ttl_seconds"):
        assert getattr(policy, none) is None


_RULE = re.compile(
    r"(count|percent|share|more than) ([\d/]+)(?: of (votes))?(?:, quorum (\d+))?", re.ASCII
)


def worked() -> list[tuple[dict[str, Any], list[str]]]:
    """The policy of each worked example, and its row."""
    return [(written(row[0]), row) for row in table("worked")]


def written(words: str) -> dict[str, Any]:
    """The policy that ``words`` describe."""
    found = _RULE.fullmatch(words)
    assert found is not None, words
    name, number, of, quorum = found.groups()
    if name in ("count", "percent"):
        rule: dict[str, Any] = {"rule": name, "threshold": int(number)}
    else:
        rule = {"rule": "share", "share": number, "more_than": name == "more than"}
        rule |= {"of": of} if of else {}
    return {"assumption": rule} | ({"quorum_percent": int(quorum)} if quorum else {})


def test_the_rule_is_written_in_full_once() -> None:
    [text] = re.findall(r'is `(\{"rule".*?\})`', _PAGE.read_text())
    assert {"assumption": json.loads(text)} == written("more than 1/2 of votes")


@pytest.mark.parametrize(("given", "row"), worked(), ids=lambda value: str(value)[:40])
def test_a_worked_example_ends_as_the_server_decides(given: dict[str, Any], row: list[str]) -> None:
    closes = given["assumption"].get("of") == "votes"
    patch = given | ({"decide": "close", "ttl_seconds": 60} if closes else {})
    policy = merge_policy(Policy(), msgspec.convert(patch, PolicyPatch))
    agree, against, voters, eligible = (int(cell) for cell in row[1:5])
    rule = policy.assumption
    base = eligible if base_of(rule, policy.terms()) == "members" else agree + against
    passes = enough(rule, agree=agree, eligible=base) and quorum_met(
        policy, voters=voters, eligible=eligible
    )
    assert ("yes" if passes else "no") == row[5]
    for left, sign, right in re.findall(r"([\d,]+) ([≥<>]) ([\d,]+)", row[6]):
        numbers = (int(left.replace(",", "")), int(right.replace(",", "")))
        compared = {"≥": numbers[0] >= numbers[1], "<": numbers[0] < numbers[1]}
        assert compared.get(sign, numbers[0] > numbers[1])


def test_floating_point_says_no_to_58_of_100() -> None:
    """The page has the statement."""
    assert 58 / 100 * 100 < 58


def closings() -> set[tuple[str, str]]:
    """Each status and resolution that the handlers give a proposal."""
    found = set()
    for path in sorted((ROOT / "handlers").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Name):
                continue
            words = {
                each.arg: each.value.value
                for each in node.keywords
                if isinstance(each.value, ast.Constant)
            }
            last = node.args[-1] if node.args else None
            if node.func.id == "close" and {"status", "resolution"} <= words.keys():
                found.add((str(words["status"]), str(words["resolution"])))
            elif node.func.id in _CLOSING and isinstance(last, ast.Constant):
                found.add((_CLOSING[node.func.id], str(last.value)))
    return found


def test_each_end_of_a_proposal_has_its_row_and_no_other() -> None:
    rows = [tuple(cell.strip("`") for cell in row[:2]) for row in table("resolutions")]
    assert rows[0] == ("pending", "")
    assert len(rows) == len(set(rows))
    assert set(rows[1:]) == closings()
    assert {resolution for _, resolution in rows[1:]} == set(get_args(Resolution))
    assert {status for status, _ in rows} == set(get_args(ProposalStatus))
