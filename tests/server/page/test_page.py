"""The page's files are served, and no others, with the headers that confine them."""

from __future__ import annotations

import asyncio
import gzip
import os
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from server.config import loading
from server.config.loading import SettingsError
from server.page import page
from server.page.files import MAX_FILE_BYTES, Folder
from tests.fixtures.servers import Start
from tests.parts import ROOT
from tests.promises.running import Running
from tests.server.raw import raw

POLICY = {
    "default-src": "'none'",
    "script-src": "'self'",
    "style-src": "'self'",
    "img-src": "'self' data:",
    "font-src": "'self'",
    "manifest-src": "'self'",
    "base-uri": "'none'",
    "form-action": "'none'",
    "frame-ancestors": "'none'",
    "require-trusted-types-for": "'script'",
    "trusted-types": "'none'",
}


@pytest.fixture
async def http(server: Running) -> AsyncIterator[httpx.AsyncClient]:
    """A client of the server."""
    async with client(server) as made:
        yield made


def client(server: Running) -> httpx.AsyncClient:
    """A client without a token."""
    return httpx.AsyncClient(base_url=f"http://127.0.0.1:{server.port}", trust_env=False)


def policy(response: httpx.Response) -> dict[str, str]:
    """The content security policy, by directive."""
    directives = response.headers["content-security-policy"].split("; ")
    return {name: value for name, _, value in (each.partition(" ") for each in directives)}


async def test_the_page_is_at_the_root_whatever_the_query(http: httpx.AsyncClient) -> None:
    for path in ("/", "/?code=abc&state=def"):
        answer = await http.get(path)
        assert answer.status_code == 200
        assert answer.headers["content-type"] == "text/html; charset=utf-8"
        assert answer.text == (ROOT / "web" / "index.html").read_text()


async def test_the_page_may_do_what_it_needs_and_no_more(
    server: Running, http: httpx.AsyncClient
) -> None:
    answer = await http.get("/")
    found = policy(answer)
    sockets = found.pop("connect-src").split()
    assert found == POLICY
    assert sockets[0] == "'self'"
    assert set(sockets[1:]) == {f"ws://{host}:{server.port}" for host in ("127.0.0.1", "localhost")}
    for name, value in {
        "x-content-type-options": "nosniff",
        "x-frame-options": "DENY",
        "referrer-policy": "no-referrer",
        "cross-origin-opener-policy": "same-origin",
        "cross-origin-resource-policy": "same-origin",
        "cache-control": "no-cache",
    }.items():
        assert answer.headers[name] == value
    assert "camera=()" in answer.headers["permissions-policy"]
    assert "server" not in answer.headers


async def test_pages_that_the_operator_names_may_show_it_in_a_frame(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    named = ("https://app.example", "https://intranet.example:8443")
    server = await start(frame_ancestors=named, admin_token="t" * 40)
    async with client(server) as http:
        answer = await http.get("/")
        assert policy(answer)["frame-ancestors"] == " ".join(named)
        assert "x-frame-options" not in answer.headers
        # No site can lure a user into pressing a hidden button of the admin's page.
        answer = await http.get("/admin")
        assert policy(answer)["frame-ancestors"] == "'none'"
        assert answer.headers["x-frame-options"] == "DENY"
    for wrong in ("*", "https://a.example https://b.example", "https://a.example;x", "a.example"):
        monkeypatch.setenv("AYES_FRAME_ANCESTORS", wrong)
        with pytest.raises(SettingsError, match="AYES_FRAME_ANCESTORS"):
            loading.load()


async def test_every_file_has_its_type_and_the_same_headers(http: httpx.AsyncClient) -> None:
    root = await http.get("/")
    for folder, prefix in (
        (Folder(ROOT / "web"), "/app/"),
        (Folder(ROOT / "clients" / "js", only=page.SDK_PARTS), "/sdk/"),
    ):
        folder.look()
        for name in folder.names():
            if name in (page.INDEX, page.ADMIN):
                continue
            answer = await http.get(prefix + name)
            file = folder.find(name)
            assert file is not None
            assert (answer.status_code, answer.content) == (200, file.body), name
            assert answer.headers["content-type"] == file.media_type
            for header in ("content-security-policy", "x-content-type-options"):
                assert answer.headers[header] == root.headers[header]


async def test_pages_of_any_origin_may_import_the_sdk_and_nothing_else(
    http: httpx.AsyncClient,
) -> None:
    elsewhere = {"origin": "https://elsewhere.example"}
    for path, is_open in (("/sdk/elements.js", True), ("/app/main.js", False), ("/", False)):
        answer = await http.get(path, headers=elsewhere)
        policy = answer.headers["cross-origin-resource-policy"]
        assert policy == ("cross-origin" if is_open else "same-origin")
        assert answer.headers.get("access-control-allow-origin") == ("*" if is_open else None)
        assert "access-control-allow-credentials" not in answer.headers


async def test_a_copy_is_asked_for_and_not_sent_again(http: httpx.AsyncClient) -> None:
    first = await http.get("/")
    tag = first.headers["etag"]
    for known in (tag, f"W/{tag}", f'"other", {tag}', "*"):
        again = await http.get("/", headers={"if-none-match": known})
        assert (again.status_code, again.content) == (304, b"")
        assert again.headers["etag"] == tag
        assert "content-security-policy" in again.headers
    for unknown in ('"other"', tag.strip('"'), ""):
        again = await http.get("/", headers={"if-none-match": unknown})
        assert again.status_code == 200


async def test_head_is_get_without_a_body(http: httpx.AsyncClient) -> None:
    plain = {"accept-encoding": "identity"}
    answer, whole = await http.head("/", headers=plain), await http.get("/", headers=plain)
    assert answer.content == b""
    for name in ("content-length", "etag", "content-type"):
        assert answer.headers[name] == whole.headers[name]


async def test_no_other_method_is_there(http: httpx.AsyncClient) -> None:
    for method in ("POST", "PUT", "DELETE", "PATCH", "OPTIONS"):
        for path in ("/", "/app/index.html", "/sdk/ayes.js"):
            assert (await http.request(method, path)).status_code == 405


#: Request targets as sent; httpx would correct some of them.
ABSENT = [
    *("/app", "/app/", "/sdk", "/sdk/", "/app/index.html", "/app/nothing.js", "//", "/index.html"),
    *("/app/../README.md", "/app/..%2fREADME.md", "/app/%2e%2e/README.md", "/app/..\\README.md"),
    *("/app/../server/app.py", "/sdk/../../pyproject.toml", "/sdk/../package.json"),
    *("/app//etc/passwd", "/app/%2fetc%2fpasswd", "/app/file:///etc/passwd", "/app/C:/x.js"),
    *("/app/./index.html", "/app/%2e/index.html", "/app/index.html/", "/app/index.html%00.js"),
    *("/app/.git/config", "/app/.env", "/sdk/.npmrc", "/app/%00", "/app/%ff", "/app/index.html~"),
    *("/app/INDEX.HTML", "/sdk/package.json", "/sdk/README.md", "/web/index.html", "/app/vendor"),
    *("/sdk/node_modules/x.js", "/sdk/conformance/driver.mjs", "/static/app/index.html"),
]


@pytest.mark.parametrize("target", ABSENT)
async def test_nothing_else_is_served(server: Running, target: str) -> None:
    async with raw(server) as peer:
        await peer.say(f"GET {target} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n".encode())
        answer = await peer.hear_all()
    assert answer.startswith(b"HTTP/1.1 404 "), answer[:200]
    assert b"README" not in answer
    assert b"root:" not in answer


def test_a_folder_shows_no_links_no_dotfiles_nothing_of_another_kind(tmp_path: Path) -> None:
    site = tmp_path / "site"
    for name in ("a.js", "deep/er/b.css", ".hidden.js", ".git/c.js", "d.py", "e", "f.map", "g.md"):
        path = site / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)
    (tmp_path / "secret.js").write_text("secret")
    (site / "link.js").symlink_to(tmp_path / "secret.js")
    (site / "loop").symlink_to(site)
    (site / "large.js").write_bytes(b"x" * (MAX_FILE_BYTES + 1))
    os.mkfifo(site / "pipe.js")
    folder = Folder(site)
    folder.look()
    assert folder.names() == ["a.js", "deep/er/b.css"]
    only = Folder(site, only=("deep", "missing.js"))
    only.look()
    assert only.names() == ["deep/er/b.css"]


def test_a_folder_that_is_looked_at_again_shows_what_is_there_now(tmp_path: Path) -> None:
    folder = Folder(tmp_path)
    folder.look()
    assert folder.names() == []
    path = tmp_path / "a.js"
    path.write_text("one")
    folder.look()
    first = folder.find("a.js")
    path.write_text("another")
    folder.look()
    second = folder.find("a.js")
    assert first is not None
    assert second is not None
    assert (first.body, second.body) == (b"one", b"another")
    assert first.etag != second.etag
    path.unlink()
    folder.look()
    assert folder.find("a.js") is None


async def test_a_page_is_packed_for_those_who_can_unpack_it(
    start: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "app").mkdir()
    text = "<p>Ayes</p>" * 1_000
    (tmp_path / "app" / "index.html").write_text(text)
    monkeypatch.setattr(page, "_INSTALLED", tmp_path)
    async with client(await start()) as http:
        tags = set()
        for offered in ("gzip", "br, GZIP;q=0.5", "gzip;q=1.0, *;q=0"):
            headers = {"accept-encoding": offered}
            async with http.stream("GET", "/", headers=headers) as answer:
                body = b"".join([chunk async for chunk in answer.aiter_raw()])
            assert answer.headers["content-encoding"] == "gzip"
            assert answer.headers["vary"] == "accept-encoding"
            assert gzip.decompress(body).decode() == text
            tags.add(answer.headers["etag"])
        for offered in ("", "identity", "br", "gzip;q=0", "gzip; q=0.0"):
            plain = await http.get("/", headers={"accept-encoding": offered})
            assert "content-encoding" not in plain.headers
            assert plain.text == text
            tags.add(plain.headers["etag"])
        assert len(tags) == 2


async def test_the_public_address_is_named_in_the_policy(start: Start) -> None:
    server = await start(public_url="https://vote.example.org/ayes")
    async with client(server) as http:
        sources = policy(await http.get("/"))["connect-src"].split()
    assert "wss://vote.example.org" in sources


async def test_all_who_ask_in_the_same_moment_share_one_look_at_the_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("server.page.page.FILE_CHECK_INTERVAL_S", 60.0)
    (tmp_path / "a.js").write_text("1")
    folder, looks = Folder(tmp_path), 0
    look = folder.look

    def counted() -> None:
        nonlocal looks
        looks += 1
        look()

    monkeypatch.setattr(folder, "look", counted)
    looking = page._Looking(folder)
    await asyncio.gather(*(looking.look() for _ in range(10)))
    await looking.look()
    assert (looks, folder.names()) == (1, ["a.js"])
    monkeypatch.setattr("server.page.page.FILE_CHECK_INTERVAL_S", 0.0)
    looking = page._Looking(folder)
    (tmp_path / "b.js").write_text("2")
    for _ in range(2):
        await looking.look()
    assert (looks, folder.names()) == (3, ["a.js", "b.js"])
