"""The demo: a real decision on a real server, and a screen with the server's own figures."""

from __future__ import annotations

import asyncio
import io
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from rich.console import Console

from server import demo
from server.config.settings import Settings
from server.demo import bars, picture, stage
from server.demo.address import socket_url
from server.demo.child import Child, environment
from server.demo.failure import DemoError
from server.demo.feed import Feed
from server.demo.ledger import Ledger
from tests.parts import ROOT, apart, database, free_port

SECRET = "a secret of this test with more than thirty-two bytes"
#: Longest that a demo without pauses may take, including the start of its server.
DEMO_SECONDS = 50


@pytest.fixture(scope="module")
def url(postgres_url: str, template: str) -> Iterator[str]:
    with database(postgres_url, template) as found:
        yield found


@pytest.fixture
def settings(url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """Settings of a server for the demo, without pauses."""
    monkeypatch.setenv(stage.PACE_VARIABLE, "0")
    return Settings(port=0, database_url=url, data_dir=tmp_path, database_connections=3)


def rows(url: str, query: str) -> list[Any]:
    async def run() -> list[Any]:
        connection: asyncpg.Connection[Any] = await asyncpg.connect(url)
        try:
            found: list[Any] = await connection.fetch(query)
            return found
        finally:
            await connection.close()

    return apart(lambda: asyncio.run(run()))


LATEST = "(SELECT id FROM events ORDER BY created_at DESC LIMIT 1)"


def test_the_printed_tallies_are_the_servers(
    settings: Settings, url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert demo.run(settings, None) == 0
    shown = capsys.readouterr().out
    printed = re.findall(r"^(\S.*?) +(\d) +(\d) of (\d) +accepted by (votes|an admin)", shown, re.M)
    stored = rows(
        url,
        "SELECT content, agree, resolution, (SELECT count(*) FROM votes v WHERE v.active"
        " AND v.event_id = p.event_id AND v.proposal_id = p.id) AS votes"
        f" FROM proposals p WHERE event_id = {LATEST} AND status = 'accepted' ORDER BY number",
    )
    assert len(stored) == 5
    how = {"auto_votes": "votes", "admin": "an admin"}
    assert [(words, int(given), int(agree), by) for words, given, agree, _, by in printed] == [
        (row["content"], row["votes"], row["agree"], how[row["resolution"]]) for row in stored
    ]
    assert [row["resolution"] for row in stored].count("admin") == 1
    assert "Every vote counted once." in shown


def test_a_repeat_a_double_click_and_a_late_vote_are_shown(
    settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    assert demo.run(settings, None) == 0
    shown = capsys.readouterr().out
    assert len(re.findall(r"Finn: ack #\d+ replayed: true, counted once", shown)) == 1
    assert len(re.findall(r"Gus: ack #\d+ applied: false, already so", shown)) == 1
    decided, closed = re.search(
        r"#(\d+)  vote p_\w+… agree 3 → accepted\n(?:.*\n)*?.*Cleo: already accepted at #(\d+)",
        shown,
    ).groups()  # type: ignore[union-attr]
    assert decided == closed


def test_serving_goes_on_after_the_demo_until_a_signal(settings: Settings) -> None:
    with _run("serve", "--demo", settings=settings) as process:
        assert process.stdout is not None
        shown = ""
        while "What else can be said there" not in shown:
            line = process.stdout.readline()
            assert line, shown
            shown += line
        address = re.search(r"goes on at (http://\S+)", shown)
        assert address is not None
        port = int(address[1].rsplit(":", 1)[1])
        assert _listens(port)
        process.send_signal(signal.SIGINT)
        assert process.wait(DEMO_SECONDS) == 0
        assert process.stderr is not None
        assert "Traceback" not in process.stderr.read()
        assert not _listens(port)


def test_ctrl_c_in_the_middle_leaves_nothing_behind(settings: Settings) -> None:
    with _run("demo", settings=settings, pace="1") as process:
        assert process.stdout is not None
        assert "Starting" in process.stdout.readline()
        assert "Ada opens" in process.stdout.readline()
        servers = _children(process.pid)
        assert servers
        process.send_signal(signal.SIGINT)
        assert process.wait(DEMO_SECONDS) == stage.EXIT_INTERRUPTED
        assert process.stderr is not None
        assert process.stderr.read() == ""
        assert not [pid for pid in servers if Path(f"/proc/{pid}").exists()]


def test_a_running_server_is_shown_with_its_secret(
    settings: Settings, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with _run("serve", settings=settings, AYES_AUTH_SECRET=SECRET) as server:
        assert server.stdout is not None
        address = server.stdout.readline().split()[-1]
        _until_it_listens(int(address.rsplit(":", 1)[1]))
        elsewhere = tmp_path / "elsewhere"
        assert demo.run(Settings(data_dir=elsewhere), address) == 1
        assert "AYES_AUTH_SECRET" in capsys.readouterr().err
        wrong = Settings(data_dir=elsewhere, auth_secret=SECRET[::-1])
        assert demo.run(wrong, address) == 1
        assert "does not take the demo's token" in capsys.readouterr().err
        assert demo.run(Settings(data_dir=elsewhere, auth_secret=SECRET), address) == 0
        assert not elsewhere.exists()
        server.terminate()
        assert server.wait(DEMO_SECONDS) == 0


def test_no_server_is_a_clear_message(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    nobody = f"http://127.0.0.1:{free_port()}"
    assert demo.run(Settings(data_dir=tmp_path, auth_secret=SECRET), nobody) == 1
    assert "ayes demo: no connection to ws://127.0.0.1:" in capsys.readouterr().err
    assert demo.run(Settings(data_dir=tmp_path, auth_secret=SECRET), "ftp://example.org") == 1
    assert "is no address of a server" in capsys.readouterr().err


def test_a_server_that_cannot_start_is_a_clear_message(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        busy = Settings(
            port=taken.getsockname()[1], data_dir=tmp_path, database_url="postgresql://nobody/x"
        )
        assert demo.run(busy, None) == 1
    assert "ayes demo: the server did not start" in capsys.readouterr().err


def test_the_default_port_gives_way_where_it_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        monkeypatch.setattr("server.demo.child.DEFAULT_PORT", port)
        taken.listen()
        assert environment(Settings(port=port))["AYES_PORT"] == "0"
        assert environment(Settings(port=port + 1))["AYES_PORT"] == str(port + 1)


def test_the_picture_is_drawn_from_the_room(url: str, tmp_path: Path) -> None:
    settings = Settings(
        port=0, database_url=url, data_dir=tmp_path, database_connections=3, auth_secret=SECRET
    )
    svg = apart(lambda: asyncio.run(picture.take(settings, pace=0)))
    assert "Where&#160;shall&#160;we&#160;meet&#160;in&#160;spring?" in svg
    assert "2&#160;of&#160;3" in svg
    assert "http" not in svg.replace("http://www.w3.org/2000/svg", "")


def test_the_screen_fits_every_terminal(url: str, tmp_path: Path) -> None:
    settings = Settings(
        port=0, database_url=url, data_dir=tmp_path, database_connections=3, auth_secret=SECRET
    )
    sizes = [(80, 22), (100, 30), (200, 60)]

    async def show() -> list[str]:
        drawn: list[str] = []
        child = await Child.start(settings)

        def scene(name: str) -> None:
            for width, height in sizes:
                paper = Console(width=width, height=height, file=io.StringIO())
                with paper.capture() as capture:
                    paper.print(shown.screen.picture(width, height))
                drawn.append(capture.get())

        try:
            shown = stage.Show(
                settings, child.url, Console(file=io.StringIO()), pace=0, scene=scene
            )
            await shown.play()
        finally:
            await child.stop()
        return drawn

    drawn = apart(lambda: asyncio.run(show()))
    assert len(drawn) == 8 * len(sizes)
    for picture_, (_, height) in zip(drawn, sizes * 8, strict=True):
        assert len(picture_.splitlines()) == height


@pytest.mark.parametrize(
    ("given", "found"),
    [
        ("http://127.0.0.1:8400", "ws://127.0.0.1:8400/v1/socket"),
        ("http://0.0.0.0:8400/", "ws://127.0.0.1:8400/v1/socket"),
        ("http://[::]:8400", "ws://[::1]:8400/v1/socket"),
        ("https://ayes.example", "wss://ayes.example/v1/socket"),
        ("wss://ayes.example/here/v1/socket", "wss://ayes.example/here/v1/socket"),
    ],
)
def test_an_address_leads_to_its_socket(given: str, found: str) -> None:
    assert socket_url(given) == found


@pytest.mark.parametrize(("members", "votes"), [(7, 5), (5, 3), (100, 60), (3, 2), (1, 1)])
def test_a_percentage_is_a_whole_number_of_votes(members: int, votes: int) -> None:
    policy = {"conclusion": {"auto": True, "rule": "percent", "threshold": 60}}
    proposal = {"kind": "conclusion", "agree": 0, "status": "pending"}
    assert bars.needed(proposal, {"policy": policy}, {"members": members}) == votes


def test_a_tally_that_is_not_what_was_sent_fails() -> None:
    ledger = Ledger()
    vote = {"type": "vote.cast", "id": "vote-one", "proposal": "p_1"}
    ack = {"type": "ack", "seq": 1, "hash": "aa", "applied": True, "replayed": False}
    ledger.sent(vote)
    ledger.answered("ada", vote, ack)
    ledger.check({"proposals": {"p_1": {"agree": 1}}}, 1)
    with pytest.raises(DemoError, match="the server counts 2"):
        ledger.check({"proposals": {"p_1": {"agree": 2}}}, 1)
    with pytest.raises(DemoError, match="without a hole"):
        ledger.check({"proposals": {"p_1": {"agree": 1}}}, 2)
    with pytest.raises(DemoError, match="two places"):
        ledger.answered("ada", vote, ack | {"seq": 2, "replayed": True})


def test_a_diff_of_many_steps_is_one_line() -> None:
    feed = Feed()
    message = {"from": 4, "seq": 6, "patch": {"proposals": {"p_abcdefgh": {"agree": 3}}}}
    feed.diff(message, {"proposals": {"p_abcdefgh": {"agree": 3}}})
    feed.diff({"from": 6, "seq": 7, "patch": {}}, {"proposals": {}})
    assert [(line.mark, line.text.plain) for line in feed.lines] == [
        ("#5–6", "vote p_abcd… agree 3"),  # noqa: RUF001
        ("#7", "nothing to change"),
    ]


@contextmanager
def _run(
    *command: str, settings: Settings, pace: str = "0", **environ: str
) -> Iterator[subprocess.Popen[str]]:
    """Run ``ayes …`` as a process; it ends with the block, even after an exception."""
    given = os.environ | environment(settings) | {stage.PACE_VARIABLE: pace} | environ
    with subprocess.Popen(
        [sys.executable, "-u", "-m", "server.cli", *command],
        cwd=ROOT,
        env=given,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            yield process
        finally:
            # A demo ends its server only if it is asked to.
            process.terminate()
            try:
                process.wait(DEMO_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def _until_it_listens(port: int) -> None:
    """Wait until it listens, since it prints its address a moment before."""
    deadline = time.monotonic() + DEMO_SECONDS
    while not _listens(port) and time.monotonic() < deadline:
        time.sleep(0.01)


def _children(pid: int) -> list[int]:
    found = []
    for task in Path(f"/proc/{pid}/task").iterdir():
        found += [int(child) for child in (task / "children").read_text().split()]
    return found
