"""Merge patch: RFC 7396's own examples, and the two laws that a stream of patches needs."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from protocol.merge_patch import apply, compose, difference
from tests.promises.fold import fold

#: RFC 7396, appendix A: target, patch, result.
EXAMPLES: list[tuple[Any, Any, Any]] = [
    ({"a": "b"}, {"a": "c"}, {"a": "c"}),
    ({"a": "b"}, {"b": "c"}, {"a": "b", "b": "c"}),
    ({"a": "b"}, {"a": None}, {}),
    ({"a": "b", "b": "c"}, {"a": None}, {"b": "c"}),
    ({"a": ["b"]}, {"a": "c"}, {"a": "c"}),
    ({"a": "c"}, {"a": ["b"]}, {"a": ["b"]}),
    ({"a": {"b": "c"}}, {"a": {"b": "d", "c": None}}, {"a": {"b": "d"}}),
    ({"a": [{"b": "c"}]}, {"a": [1]}, {"a": [1]}),
    (["a", "b"], ["c", "d"], ["c", "d"]),
    ({"a": "b"}, ["c"], ["c"]),
    ({"a": "foo"}, None, None),
    ({"a": "foo"}, "bar", "bar"),
    ({"e": None}, {"a": 1}, {"e": None, "a": 1}),
    ([1, 2], {"a": "b", "c": None}, {"a": "b"}),
    ({}, {"a": {"bb": {"ccc": None}}}, {"a": {"bb": {}}}),
]
#: Examples whose document and patch are objects, as in every room.
OBJECTS = [e for e in EXAMPLES if isinstance(e[0], dict) and isinstance(e[1], dict)]


@pytest.mark.parametrize(("target", "patch", "result"), EXAMPLES)
def test_the_client_folds_as_the_rfc_says(target: Any, patch: Any, result: Any) -> None:
    held = copy.deepcopy(target)
    assert fold(target, patch) == result
    assert target == held


@pytest.mark.parametrize(("target", "patch", "result"), OBJECTS)
def test_apply_folds_as_the_rfc_says(target: Any, patch: Any, result: Any) -> None:
    given = copy.deepcopy(patch)
    assert apply(copy.deepcopy(target), patch) == result
    assert patch == given


_leaves = (
    st.booleans()
    | st.integers(-3, 3)
    | st.sampled_from("xyz")
    | st.lists(st.integers(0, 2), max_size=2)
)
_keys = st.sampled_from("abc")
_documents: Any = st.recursive(
    _leaves, lambda inner: st.dictionaries(_keys, inner, max_size=3), max_leaves=8
)
documents = st.dictionaries(_keys, _documents, max_size=3)
_patches: Any = st.recursive(
    _leaves | st.none(), lambda inner: st.dictionaries(_keys, inner, max_size=3), max_leaves=8
)
patches = st.dictionaries(_keys, _patches, max_size=3)


@given(documents, patches)
def test_apply_agrees_with_the_rfc_s_own_words(document: Any, patch: Any) -> None:
    assert apply(copy.deepcopy(document), copy.deepcopy(patch)) == fold(document, patch)


@given(documents, documents)
def test_a_difference_leads_from_one_to_the_other(before: Any, after: Any) -> None:
    patch = difference(before, after)
    assert fold(before, patch) == after
    if before == after and type(before) is type(after):
        assert patch == {} or fold(before, {}) == after


@given(documents)
def test_there_is_no_difference_between_equals(document: Any) -> None:
    assert difference(document, copy.deepcopy(document)) == {}


@given(documents, documents, documents)
def test_overlapping_patches_do_no_harm(one: Any, two: Any, three: Any) -> None:
    """A client that is a step ahead of a patch's beginning ends in the same state."""
    first, second = difference(one, two), difference(two, three)
    assume(composes(first, second))
    both = compose(copy.deepcopy(first), copy.deepcopy(second))
    assert fold(two, both) == three


def composes(first: Any, second: Any) -> bool:
    """Whether each object of ``second`` meets an object, or no value, in ``first``."""
    return all(
        not isinstance(value, dict)
        or key not in first
        or (isinstance(first[key], dict) and composes(first[key], value))
        for key, value in second.items()
    )


@given(documents, patches, patches)
def test_a_composition_is_both_one_after_the_other(document: Any, first: Any, second: Any) -> None:
    assume(composes(first, second))
    expected = fold(fold(document, first), second)
    composed = compose(copy.deepcopy(first), copy.deepcopy(second))
    assert fold(document, composed) == expected
    assert apply(copy.deepcopy(document), composed) == expected


@given(documents, st.lists(patches, max_size=5))
def test_many_patches_are_one(document: Any, many: list[Any]) -> None:
    composed: dict[str, Any] = {}
    expected: Any = document
    for patch in many:
        assume(composes(composed, patch))
        compose(composed, copy.deepcopy(patch))
        expected = fold(expected, patch)
    assert fold(document, composed) == expected


def test_what_is_made_anew_names_what_it_lacks() -> None:
    """The one trap: null, then an object, does not compose; explicit nulls solve it."""
    document = {"m": {"name": "Ada", "role": "admin"}}
    gone: dict[str, Any] = {"m": None}
    anew: dict[str, Any] = {"m": {"name": "Ada", "role": None}}
    composed = compose(copy.deepcopy(gone), anew)
    assert fold(document, composed) == fold(fold(document, gone), anew) == {"m": {"name": "Ada"}}
