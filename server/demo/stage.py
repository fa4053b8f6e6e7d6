"""Starts and stops everything that a demo needs, and checks the result."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import Awaitable, Callable
from datetime import timedelta

from rich.console import Console
from rich.text import Text

from handlers.audiences import FOR_ADMINS
from server.config.settings import Settings
from server.demo import summary
from server.demo.address import socket_url
from server.demo.bot import Bot, Message
from server.demo.child import Child
from server.demo.failure import DemoError
from server.demo.feed import Feed, FeedLine
from server.demo.ledger import Ledger
from server.demo.screen import MIN_HEIGHT, MIN_WIDTH, Screen
from server.demo.story import NAMES, Pace, Story
from server.identity.auth import Authenticator
from server.identity.secret import kept_secret

#: Factor on every pause of the story: 1 for people (some 25 s), 0 for tests.
PACE_VARIABLE = "AYES_DEMO_PACE"
#: Lifetime of a demo's tokens, far longer than a demo.
TOKEN_LIFETIME = timedelta(hours=1)
#: A shell's exit status for a command that Ctrl-C ended.
EXIT_INTERRUPTED = 130
#: The fields of members' ``counts``; an admin's have more.
MEMBERS_COUNTS = frozenset({"members", "ballots", "proposals", "comments"})
_MARK_WIDTH = 5


def run(settings: Settings, url: str | None) -> int:
    """Show a decision on the server at ``url``, or on a new one; return the exit status."""

    async def show() -> int:
        if url is not None:
            await Show(settings, url, _console()).play()
            return 0
        console = _console()
        child = await _start(settings, console)
        try:
            await Show(settings, child.url, console).play()
        finally:
            await child.stop()
        console.print(f"\nRun a server that stays: [bold]{summary.program('ayes')} serve[/]")
        return 0

    return _until_signal(show, interrupted=EXIT_INTERRUPTED)


def serve_and_show(settings: Settings) -> int:
    """Serve, show a decision, and serve until a signal; return the exit status."""

    async def serve() -> int:
        console = _console()
        child = await _start(settings, console)
        try:
            show = Show(settings, child.url, console)
            await show.play()
            summary.how_to_go_on(console, child.url, show.bots[0].event)
            child.pass_log()
            return await child.ended()
        finally:
            await child.stop()

    return _until_signal(serve, interrupted=0)


def _console() -> Console:
    if hasattr(sys.stdout, "reconfigure"):
        # A character that the terminal lacks becomes a question mark, not an error.
        sys.stdout.reconfigure(errors="replace")
    return Console(highlight=False)


def _until_signal(main: Callable[[], Awaitable[int]], *, interrupted: int) -> int:
    """Run ``main``; the first signal cancels it, with everything that it started."""

    async def guarded() -> int:
        loop = asyncio.get_running_loop()
        task = asyncio.current_task()
        assert task is not None
        signals = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
        with contextlib.ExitStack() as handlers:
            for number in signals:
                # Only the first signal: stopping the server has its own deadline.
                loop.add_signal_handler(number, _cancel_once, task, loop, signals)
                handlers.callback(loop.remove_signal_handler, number)
            try:
                return await main()
            except asyncio.CancelledError:
                return interrupted

    try:
        return asyncio.run(guarded())
    except DemoError as err:
        Console(stderr=True, highlight=False).print(Text(f"ayes demo: {err}"), soft_wrap=True)
        return 1


def _cancel_once(
    task: asyncio.Task[object], loop: asyncio.AbstractEventLoop, signals: tuple[int, ...]
) -> None:
    for number in signals:
        loop.add_signal_handler(number, _nothing)
    task.cancel()


def _nothing() -> None:
    pass


async def _start(settings: Settings, console: Console) -> Child:
    waiting = "Starting a server …"
    if not console.is_terminal:
        console.print(waiting)
        return await Child.start(settings)
    with console.status(waiting):
        return await Child.start(settings)


class Show:
    """One decision on the server at ``url``, shown on ``console``."""

    def __init__(
        self,
        settings: Settings,
        url: str,
        console: Console,
        *,
        pace: float | None = None,
        scene: Callable[[str], None] = lambda name: None,
    ) -> None:
        self.console = console
        self.ledger = Ledger()
        self.feed = Feed()
        self._pace = Pace(_pace() if pace is None else pace)
        self._scene = scene
        tokens = Authenticator(
            _secret(settings, url), audience=settings.auth_audience, issuer=settings.auth_issuer
        )
        self.bots = [
            Bot(
                name,
                url=socket_url(url),
                token=tokens.make(f"demo-{name.lower()}", name, TOKEN_LIFETIME),
                ledger=self.ledger,
            )
            for name in NAMES
        ]
        self.screen = Screen(console, self.bots, self.feed)

    async def play(self) -> None:
        """Play, check and sum up; close all sockets. Raises ``DemoError``."""
        watcher = self.bots[0]
        watcher.on_message = self._on_message
        bots = {bot.name: bot for bot in self.bots}
        story = Story(bots, self.feed, self._pace, self._scene)
        try:
            async with asyncio.TaskGroup() as opening:
                for bot in self.bots:
                    opening.create_task(bot.open())
            for bot in self.bots:
                self.feed.knows(bot.user, bot.name)
            if self._has_screen():
                async with self.screen:
                    await story.play()
                size = self.console.size
                self.console.print(self.screen.picture(size.width, size.height - 1))
            else:
                self.feed.on_line = self._print
                await story.play()
            await self._check()
        except ExceptionGroup as group:
            # The first failure is enough to show.
            raise group.exceptions[0] from None
        finally:
            await asyncio.gather(*(bot.close() for bot in self.bots))
        summary.sum_up(self.console, self.ledger, watcher.state, watcher.seq)

    def _has_screen(self) -> bool:
        console = self.console
        return (
            console.is_terminal
            and not console.is_dumb_terminal
            and console.width >= MIN_WIDTH
            and console.height >= MIN_HEIGHT
        )

    def _on_message(self, message: Message) -> None:
        if message["type"] == "presence":
            self.screen.online = message["online"]
        elif message["type"] == "diff":
            self.feed.diff(message, self.bots[0].state)

    def _print(self, line: FeedLine) -> None:
        self.console.print(
            Text.assemble((f"{line.mark:>{_MARK_WIDTH}}  ", line.style), line.text),
            soft_wrap=True,
        )

    async def _check(self) -> None:
        """Check that all rooms are equal, and every tally matches the sent votes."""
        watcher = self.bots[0]
        top = max(bot.seq for bot in self.bots)
        await watcher.reach(top)
        # Without the parts that only admins see.
        seen = {part: value for part, value in watcher.state.items() if part not in FOR_ADMINS}
        seen["counts"] = {
            what: count for what, count in seen["counts"].items() if what in MEMBERS_COUNTS
        }
        for bot in self.bots:
            await bot.reach(top)
            if bot is not watcher and bot.state != seen:
                raise DemoError(f"{bot.name}'s room is not {watcher.name}'s at #{watcher.seq}")
        # A new snapshot, so that the server's state is checked and not the bot's folding.
        await watcher.subscribe(watcher.event)
        self.ledger.check(watcher.state, watcher.seq)


def _pace() -> float:
    text = os.environ.get(PACE_VARIABLE, "1")
    try:
        return max(float(text), 0.0)
    except ValueError:
        raise DemoError(f"{PACE_VARIABLE}: {text!r} is no number") from None


def _secret(settings: Settings, url: str) -> str:
    """Return the secret for tokens: the configured one, or the one in the data directory."""
    if settings.auth_secret is not None:
        return settings.auth_secret
    if (settings.data_dir / "auth_secret").exists():
        return kept_secret(settings.data_dir)
    raise DemoError(
        f"tokens for {url} need its secret: give it in AYES_AUTH_SECRET, "
        f"or name its data directory in AYES_DATA_DIR"
    )
