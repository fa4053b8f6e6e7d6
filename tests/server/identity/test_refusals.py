"""A wrong token: the log and ``ayes token --check`` give the reason, its user gets none."""

from __future__ import annotations

import io
import logging
import secrets
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import jwt
import pytest

from persistence.embedded.data_directory import is_locked, take_lock
from protocol.errors import ErrorCode, RetryableError
from server.cli import main
from server.identity.auth import Authenticator
from server.identity.log_throttle import MAX_KEYS

SECRET = "s" * 64
AUTH = Authenticator(SECRET, audience="ayes, other")
NOW = int(datetime.now(UTC).timestamp())
GOOD = {"sub": "ada", "aud": "ayes", "exp": NOW + 600}


def signed(secret: str = SECRET, algorithm: str = "HS256", **changes: Any) -> str:
    claims = {key: value for key, value in (GOOD | changes).items() if value is not None}
    return jwt.encode(claims, secret, algorithm)


WRONG = {
    "another secret": (signed("x" * 40), "signed with another secret"),
    "no aud": (signed(aud=None), "it has no aud"),
    "wrong aud": (signed(aud="app"), 'its aud is "app", wanted "ayes" or "other"'),
    "no exp": (signed(exp=None), "it has no exp"),
    "milliseconds": (signed(exp=NOW * 1000), "not milliseconds"),
    "no sub": (signed(sub=None), "it has no sub"),
    "empty sub": (signed(sub=""), "can be no user's id"),
    "alg": (signed(algorithm="HS512"), 'its alg is "HS512", wanted HS256'),
    "garbage": ("garbage", "it is no JWT"),
    "dots": ("a.b.c", "its header cannot be read"),
    "long": ("a" * 20_000, "20000 characters"),
}


@pytest.mark.parametrize("name", WRONG)
def test_the_log_says_why_once_and_has_nothing_of_the_token(
    name: str, caplog: pytest.LogCaptureFixture
) -> None:
    token, why = WRONG[name]
    auth = Authenticator(SECRET, audience="ayes, other")
    with caplog.at_level(logging.WARNING, "ayes.auth"):
        for _ in range(3):
            with pytest.raises(RetryableError) as caught:
                auth.check(token)
    assert caught.value.code == ErrorCode.UNAUTHENTICATED
    assert why not in str(caught.value)
    [line] = [record.getMessage() for record in caplog.records]
    assert line.startswith("refused a token: ")
    assert why in line
    assert not any(part in line for part in token.split(".") if len(part) > 8)


def test_any_number_of_wrong_tokens_is_a_bounded_number_of_lines(
    caplog: pytest.LogCaptureFixture,
) -> None:
    auth = Authenticator(SECRET, audience="ayes")
    with caplog.at_level(logging.WARNING, "ayes.auth"):
        for number in range(500):
            with pytest.raises(RetryableError):
                auth.check(signed(aud=f"app-{number}\u202e\n{secrets.token_hex(200)}"))
    [line] = [record.getMessage() for record in caplog.records]
    assert len(line) < 400
    assert line.isprintable()
    assert MAX_KEYS < 500


def test_a_good_an_expired_and_an_early_token_are_no_lines(
    caplog: pytest.LogCaptureFixture,
) -> None:
    AUTH.check(signed())
    for token in (signed(exp=NOW - 5), signed(nbf=NOW + 500)):
        with pytest.raises(RetryableError):
            AUTH.check(token)
    assert not [record for record in caplog.records if "refused" in record.getMessage()]


def token(*arguments: str) -> int:
    return main.main(["token", *arguments])


def test_check_says_what_is_wrong(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    given = ("--auth-secret", SECRET)
    assert token("--check", signed(name="Ada"), *given) == 0
    assert "for ada (Ada)" in capsys.readouterr().out
    assert token("--check", signed(aud="app"), *given) == 1
    assert capsys.readouterr().out == 'not valid: its aud is "app", wanted "ayes"\n'
    monkeypatch.setattr("sys.stdin", io.StringIO(signed(exp=NOW - 5) + "\n"))
    assert token("--check", "-", *given) == 1
    assert "expired" in capsys.readouterr().out


def test_no_secret_is_made_and_one_that_no_server_uses_is_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("AYES_DATABASE_URL", raising=False)
    home = tmp_path / "never"
    given = ("--user", "ada", "--data-dir", str(home))
    assert token(*given) == 2
    assert f"there is no secret in {home}" in capsys.readouterr().err
    assert not home.exists()
    home.mkdir(mode=0o700)
    (home / "auth_secret").write_text(SECRET + "\n")
    (home / "auth_secret").chmod(0o600)
    assert token(*given) == 0
    said = capsys.readouterr()
    assert AUTH.check(said.out.strip()).actor.user == "ada"
    assert f"no server is running on {home}" in said.err
    assert not is_locked(home)
    take_lock(home)
    assert is_locked(home)
    assert token(*given) == 0
    assert capsys.readouterr().err == ""
