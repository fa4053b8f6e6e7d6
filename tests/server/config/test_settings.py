"""The table of settings: one row per setting, and one source for each default."""

from __future__ import annotations

import pytest

from persistence.event.limits import DomainLimits
from protocol.fields import TextLimits
from server.config import loading
from server.config.settings import SETTINGS, Settings
from server.config.unread import unread


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


@pytest.mark.parametrize("name", ["compression", "forward", "guests", "traces"])
@pytest.mark.parametrize("text", ["yes", "true", "1", "On"])
def test_a_switch_is_on_or_off_and_nothing_else(name: str, text: str) -> None:
    with pytest.raises(loading.SettingsError, match=f"AYES_{name.upper()}.*neither on nor off"):
        loading.load({name: text})


@pytest.mark.parametrize("text", [" 127.0.0.1", "127.0.0.1\r", "127.0.0.1 \n"])
def test_blanks_around_a_value_are_no_part_of_it(text: str) -> None:
    """Files of another system end their lines with a carriage return."""
    assert loading.load({"host": text}).host == "127.0.0.1"
    assert loading.load({"guests": "on\r", "host": " "}).host == Settings().host


@pytest.mark.parametrize(
    "url",
    [
        *("ayes.example", "ftp://ayes.example", "https://", "https://ayes.example/x?y=1"),
        *("https://ayes.example/#/", "https://user:secret@ayes.example", "https://a b.example"),
    ],
)
def test_a_public_address_that_no_browser_can_open_is_refused(url: str) -> None:
    with pytest.raises(loading.SettingsError, match="AYES_PUBLIC_URL") as failure:
        loading.load({"public_url": url})
    assert "secret" not in str(failure.value)


@pytest.mark.parametrize("url", ["https://ayes.example", "http://192.0.2.1:8400/decide/"])
def test_a_public_address_may_have_a_port_and_a_path(url: str) -> None:
    assert loading.load({"public_url": url}).public_url == url


def test_an_address_of_a_kubernetes_service_is_said_to_be_that() -> None:
    with pytest.raises(loading.SettingsError, match="enableServiceLinks"):
        loading.load({"port": "tcp://10.0.0.7:8400"})


def test_a_variable_that_nothing_reads_is_named_with_the_one_that_was_meant() -> None:
    """Variables of the clients and of Kubernetes are others' own."""
    others = dict.fromkeys(
        ("AYES_URL", "AYES_TOKEN", "AYES_SERVICE_HOST", "AYES_PORT_8400_TCP_ADDR", "AYES_PORT"), ""
    )
    found = unread({"AYES_PROT": "8400", "AYES_NONSENSE_AT_ALL": "", "PATH": ""} | others)
    assert found == [
        ("AYES_NONSENSE_AT_ALL", None),
        ("AYES_PROT", "AYES_PORT"),
    ]


@pytest.mark.parametrize(
    "address",
    ["javascript:alert(1)", "help", "//host", "https://", "https://a:b@host/", "http://a b"],
)
def test_help_is_a_web_address(address: str) -> None:
    with pytest.raises(loading.SettingsError, match="AYES_HELP_URL"):
        loading.load({"help_url": address})
