"""Settings about tokens: the ones that they accept, and settings that are refused."""

from __future__ import annotations

from pathlib import Path

import jwt
import msgspec
import pytest

from protocol.errors import ErrorCode, RetryableError
from server.cli import main
from server.config import loading
from server.config.loading import SettingsError
from server.config.settings import Settings
from server.identity.auth import Authenticator, authenticator_for
from server.identity.secret import kept_secret
from tests.server.issuing import AUDIENCE, claims

SECRET = "a secret of the tests, long enough for HS256"
#: No issuer is asked: the test is whether a token can be decided without the keys.
KEYS_URL = "https://issuer.example/keys"


def test_beside_keys_a_secret_counts_only_where_it_was_given(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path, auth_jwks_url=KEYS_URL)
    made = jwt.encode(claims(), kept_secret(tmp_path), "HS256")
    with pytest.raises(RetryableError) as refused:
        authenticator_for(settings).check(made)
    assert refused.value.code == ErrorCode.UNAUTHENTICATED
    assert authenticator_for(Settings(data_dir=tmp_path)).check(made).actor.user == "ada"
    given = msgspec.structs.replace(settings, auth_secret=SECRET)
    assert authenticator_for(given).check(jwt.encode(claims(), SECRET, "HS256")).actor.user == "ada"


def test_beside_a_provider_a_secret_counts_only_where_it_was_given(tmp_path: Path) -> None:
    settings = Settings(
        data_dir=tmp_path, oidc_issuer="https://issuer.example", oidc_client_id="page"
    )
    made = jwt.encode(claims(), kept_secret(tmp_path), "HS256")
    with pytest.raises(RetryableError) as refused:
        authenticator_for(settings).check(made)
    assert refused.value.code == ErrorCode.UNAUTHENTICATED
    given = msgspec.structs.replace(settings, auth_secret=SECRET)
    assert authenticator_for(given).check(jwt.encode(claims(), SECRET, "HS256")).actor.user == "ada"


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("AYES_AUTH_SECRET", "x" * 31),
        ("AYES_AUTH_AUDIENCE", " , "),
        *(
            (variable, url)
            for variable in ("AYES_AUTH_JWKS_URL", "AYES_OIDC_ISSUER")
            for url in (
                *("http://issuer.example/keys", "http://127.0.0.1.nip.io/keys", "issuer.example"),
                *("file:///etc/passwd", "ftp://issuer.example/keys", "https://", "https:///keys"),
                *("https://user:word@issuer.example/", "https://issuer.example:x/", "http://[::1"),
                *("https://issuer.example/a b", "https://issüer.example/", "data:,{}"),
                *("http://10.0.0.1/keys", "HTTPS//issuer.example", "https://a\n.example/"),
            )
        ),
    ],
)
def test_a_setting_that_would_let_others_in_is_refused(
    variable: str, value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(variable, value)
    with pytest.raises(SettingsError, match=variable):
        loading.load()


@pytest.mark.parametrize(
    "url",
    [
        *("https://issuer.example/.well-known/jwks.json", "https://[2001:db8::1]:8443/keys?a=b"),
        *("http://127.0.0.1:8080/keys", "http://localhost/keys", "http://[::1]:9/"),
    ],
)
def test_https_or_loopback(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AYES_AUTH_JWKS_URL", url)
    assert loading.load().auth_jwks_url == url


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"OIDC_CLIENT_ID": ""}, "AYES_OIDC_CLIENT_ID"),
        ({"OIDC_ISSUER": ""}, "AYES_OIDC_ISSUER"),
        ({"OIDC_ISSUER": "https://issuer.example?tenant=a"}, "AYES_OIDC_ISSUER"),
        ({"OIDC_ISSUER": "https://issuer.example/#a"}, "AYES_OIDC_ISSUER"),
        ({"OIDC_CLIENT_ID": "pagé"}, "AYES_OIDC_CLIENT_ID"),
        ({"OIDC_CLIENT_ID": "a\nb"}, "AYES_OIDC_CLIENT_ID"),
        ({"OIDC_SCOPES": "profile email"}, "AYES_OIDC_SCOPES"),
    ],
)
def test_a_provider_is_set_up_as_a_whole(
    changes: dict[str, str], named: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = {"OIDC_ISSUER": "https://issuer.example", "OIDC_CLIENT_ID": "page"}
    for name, value in (whole | changes).items():
        monkeypatch.setenv(f"AYES_{name}", value)
    with pytest.raises(SettingsError, match=named):
        loading.load()


def test_an_issuer_s_tokens_are_not_ours_to_make(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given = ["--data-dir", str(tmp_path), "--auth-jwks-url", KEYS_URL]
    assert main.main(["token", "--user", "ada", *given]) == 2
    provider = ["--oidc-issuer", "https://issuer.example", "--oidc-client-id", "page"]
    assert main.main(["token", "--user", "ada", "--data-dir", str(tmp_path), *provider]) == 2
    assert capsys.readouterr().err.count("issuer's to make") == 2
    assert not (tmp_path / "auth_secret").exists()
    assert main.main(["token", "--user", "ada", *given, "--auth-secret", SECRET]) == 0
    token = capsys.readouterr().out.strip()
    assert Authenticator(SECRET, audience=AUDIENCE).check(token).actor.user == "ada"
