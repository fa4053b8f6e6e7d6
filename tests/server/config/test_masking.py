"""A printed setting never shows its secret, however wrong the setting is."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest

from server.config import loading
from server.config.masking import MASK, mask_url

#: No part of it may be printed.
CANARY = "c4n4ry"

HIDDEN = [
    f"postgresql://u:{CANARY}@h/db",
    f"postgresql://u:{CANARY}@h:5432,h2:5433/db?sslmode=require",
    f"postgresql://u:p{CANARY}@@h/db",
    *(f"postgresql://u:p{sign}{CANARY}@h/db" for sign in "/#?@:\\;&% ,[]"),
    *(f"postgresql://u:{CANARY}{sign}x@h/db" for sign in "/#?@:\\;&% ,[]"),
    *(f"redis://:{CANARY}{sign}x@h:6379/0" for sign in "/#?@:\\;&% ,[]"),
    f"postgresql://u:{CANARY}/x@h/db?user=a@b",
    f"postgresql:/u:{CANARY}@h/db",
    f"postgresql:u:{CANARY}@h",
    f"u:{CANARY}@h/db",
    f"postgresql://u:{CANARY}",
    f"postgresql://u:{CANARY}/db",
    f"redis://{CANARY}@h/0",
    f"rediss+cluster://:{CANARY}@a:1,b:2",
    *(
        f"postgresql://h/db?sslmode=require{sign}{name}={CANARY}{sign}port=5432"
        for sign, name in itertools.product(
            "&;",
            [
                *(
                    "password",
                    "PASSWORD",
                    "pass%77ord",
                    "%70assword",
                    "sslpassword",
                    "ssl_password",
                ),
                *(
                    "token",
                    "key",
                    "secret",
                    "passwd",
                    "pwd",
                    "options",
                    "new-name",
                    " password",
                    "",
                ),
            ],
        )
    ),
    f"redis://h/0?{CANARY}",
    f"redis://h/0?db=0#{CANARY}",
    f"redis://h/0#password={CANARY}",
    f"https://issuer.example/keys?api_key={CANARY}",
    f"https://{CANARY}@issuer.example/keys",
    f"https://x:{CANARY}@issuer.example/keys",
]


@pytest.mark.parametrize("url", HIDDEN)
def test_no_url_shows_its_secret(url: str) -> None:
    assert CANARY not in mask_url(url), mask_url(url)
    assert MASK in mask_url(url)


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("postgresql://ayes@postgres:5432/ayes", "postgresql://ayes@postgres:5432/ayes"),
        ("postgresql://ayes:p@h/db", f"postgresql://ayes:{MASK}@h/db"),
        ("postgresql://ayes@/db?host=/run/pg", "postgresql://ayes@/db?host=/run/pg"),
        ("postgresql://h:1,[::1]:2/db?sslmode=verify-full&sslrootcert=/ca", None),
        ("redis://redis:6379/0", None),
        ("rediss://h/2?ssl_ca_certs=/ca.pem&ssl_cert_reqs=required", None),
        ("unix:///run/redis.sock?db=1", None),
        ("https://issuer.example/.well-known/jwks.json", None),
        ("http://[::1]:8400", None),
        ("capacitor://localhost", None),
    ],
)
def test_what_is_no_secret_is_shown(url: str, shown: str | None) -> None:
    assert mask_url(url) == (url if shown is None else shown)


@pytest.mark.parametrize("variable", ["DATABASE_URL", "REDIS_URL", "PUBLIC_URL", "AUTH_JWKS_URL",
                                      "OIDC_ISSUER", "ALLOWED_ORIGINS", "AUTH_ISSUER"])  # fmt: skip
@pytest.mark.parametrize("url", HIDDEN)
def test_settings_are_printed_or_refused_without_the_secret(
    monkeypatch: pytest.MonkeyPatch, variable: str, url: str
) -> None:
    monkeypatch.setenv(f"AYES_{variable}", url)
    monkeypatch.setenv("AYES_OIDC_CLIENT_ID" if variable == "OIDC_ISSUER" else "AYES_HOST", "::1")
    try:
        shown = repr(loading.printable(loading.load()))
    except loading.SettingsError as err:
        shown = str(err)
    assert CANARY not in shown, shown


@pytest.mark.parametrize("sign", "/?#")
def test_a_password_that_cannot_be_read_is_said_to_be_that(
    monkeypatch: pytest.MonkeyPatch, sign: str
) -> None:
    monkeypatch.setenv("AYES_DATABASE_URL", f"postgresql://u:{CANARY}{sign}x@h/db")
    with pytest.raises(loading.SettingsError, match="%2F for a slash"):
        loading.load()


# The tokens' secret


def test_the_secret_is_read_from_a_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    file = tmp_path / "secret"
    file.write_text(f"{CANARY * 8}\n\n")
    monkeypatch.setenv("AYES_AUTH_SECRET_FILE", str(file))
    settings = loading.load()
    assert settings.auth_secret == CANARY * 8
    assert CANARY not in repr(loading.printable(settings))
    with pytest.raises(loading.SettingsError, match="give one"):
        loading.load({"auth_secret": "x" * 40})


@pytest.mark.parametrize("content", [None, b"", b"\n", b"\xff\xfe", b"short"])
def test_a_file_without_a_secret_is_refused(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, content: bytes | None
) -> None:
    file = tmp_path / "secret"
    if content is not None:
        file.write_bytes(content)
    monkeypatch.setenv("AYES_AUTH_SECRET_FILE", str(file))
    with pytest.raises(loading.SettingsError, match="AYES_AUTH_SECRET"):
        loading.load()
