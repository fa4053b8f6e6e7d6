"""The table of settings: one row per setting, and one source for each default."""

from __future__ import annotations

import pytest

from persistence.event.limits import DomainLimits
from protocol.fields import TextLimits
from server.config import loading
from server.config.settings import SETTINGS, Settings


def test_every_setting_is_described_and_every_number_has_a_range() -> None:
    assert list(SETTINGS) == list(Settings.__struct_fields__)
    assert all(rule.help for rule in SETTINGS.values())
    unbounded = {
        name
        for name, rule in SETTINGS.items()
        if isinstance(getattr(Settings(), name), int) and None in (rule.min, rule.max)
    }
    assert not unbounded


def test_defaults_are_within_their_range() -> None:
    for name, rule in SETTINGS.items():
        value = getattr(Settings(), name)
        if isinstance(value, int) and rule.min is not None and rule.max is not None:
            assert rule.min <= value <= rule.max, name


def test_limits_of_events_and_texts_have_one_default() -> None:
    assert Settings().domain() == DomainLimits()
    assert Settings().texts() == TextLimits()


@pytest.mark.parametrize("number", ["65536", "-1", "many"])
def test_a_number_out_of_range_names_its_variable(number: str) -> None:
    with pytest.raises(loading.SettingsError, match="AYES_PORT"):
        loading.load({"port": number})


def test_a_flag_wins_over_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AYES_BATCH", "7")
    assert loading.load().batch == 7
    assert loading.load({"batch": "9"}).batch == 9
    assert loading.load({"batch": None}).batch == 7
