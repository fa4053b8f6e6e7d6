"""``ayes revoke``."""

from __future__ import annotations

import pytest

from server.cli import main


def test_the_command_line_revokes(
    database_url: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AYES_DATABASE_URL", database_url)
    assert main.main(["migrate"]) == 0
    assert main.main(["revoke", "--user", "Zoe\u0308"]) == 0
    # A subject is compared by its bytes.
    assert "tokens of Zoe\u0308 issued before 20" in capsys.readouterr().out
    assert main.main(["revoke", "--user", "ada", "--before", "2026-01-02T03:04:05+01:00"]) == 0
    assert "before 2026-01-02T02:04:05+00:00 are" in capsys.readouterr().out
    for wrong in ("yesterday", "2026-01-02T03:04:05", ""):
        assert main.main(["revoke", "--user", "ada", "--before", wrong]) == 2
    assert main.main(["revoke", "--user", "a\0"]) == 2
    assert "--before" in capsys.readouterr().err


def test_a_database_without_the_table_is_a_clear_message(
    empty_database_url: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AYES_DATABASE_URL", empty_database_url)
    assert main.main(["revoke", "--user", "ada"]) == 1
    assert capsys.readouterr().err.startswith("ayes: ")
