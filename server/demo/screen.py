"""The live picture: members, proposals with their votes, and the feed.

Everything on it comes from the admin bot's socket. It is drawn from the event loop, some
times a second and only where something changed.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterable
from typing import Any

from rich.align import Align
from rich.console import Console, Group, RenderableType
from rich.layout import Layout
from rich.live import Live
from rich.panel import Panel
from rich.rule import Rule
from rich.table import Table
from rich.text import Text

from server.demo.bars import result_bar, tally
from server.demo.bot import Bot, Message
from server.demo.feed import Feed, short

#: Seconds between two redraws, if something changed.
SCREEN_INTERVAL_S = 1 / 15
#: Columns and lines that the picture needs; a smaller terminal gets plain lines.
MIN_WIDTH, MIN_HEIGHT = 80, 22
#: Columns from which the members are shown too.
_WIDTH_FOR_PEOPLE = 100
_BAR, _SHORT_BAR = 18, 8
#: Lines for head, note and borders.
_FRAME_LINES = 8
_COLOURS = ("cyan", "magenta", "yellow", "green", "blue", "red", "bright_cyan")
_PILLS = {
    "not_started": ("not started", "black on yellow"),
    "in_progress": ("in progress", "black on green"),
    "paused": ("paused", "black on yellow"),
    "finished": ("finished", "black on cyan"),
}


class Screen:
    """The picture of one room, as ``bots[0]`` sees it."""

    def __init__(self, console: Console, bots: list[Bot], feed: Feed) -> None:
        self._console = console
        self._bots = bots
        self._watcher = bots[0]
        self._feed = feed
        self._colours = {
            bot.name: _COLOURS[index % len(_COLOURS)] for index, bot in enumerate(bots)
        }
        self.online = 0
        """The last count of connected members."""
        self._is_wide = True
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Screen:
        """Begin to draw."""
        self._task = asyncio.create_task(self._draw(), name="screen")
        return self

    async def __aexit__(self, *_: object) -> None:
        """Give the terminal back; raises what went wrong with the drawing."""
        assert self._task is not None
        self._task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._task

    async def _draw(self) -> None:
        live = Live(console=self._console, screen=True, auto_refresh=False, transient=True)
        with live:
            while True:
                size = self._console.size
                live.update(self.picture(size.width, size.height), refresh=True)
                await asyncio.sleep(SCREEN_INTERVAL_S)

    # The picture.

    def picture(self, width: int, height: int) -> RenderableType:
        """The room now, in as many columns and lines."""
        self._is_wide = width >= _WIDTH_FOR_PEOPLE
        layout = Layout(size=height)
        layout.split_column(
            Layout(self._head(), size=3),
            Layout(name="body"),
            Layout(self._note(), size=3),
        )
        room = height - _FRAME_LINES
        parts = [Layout(self._middle(room), ratio=1), Layout(self._stream(room), ratio=1)]
        if self._is_wide:
            parts.insert(0, Layout(self._people(), size=20))
        layout["body"].split_row(*parts)
        return layout

    def _head(self) -> RenderableType:
        event = self._state("event")
        words, style = _PILLS.get(event.get("status", ""), ("", ""))
        left = Text.assemble(("ayes  ", "bold green"), (event.get("subject", ""), "bold"))
        pill = Text.assemble((f" {words} ", style)) if words else Text()
        right = Text.assemble(
            ("● ", "green"), f"{self.online} online   ", (f"#{self._watcher.seq}", "bold cyan")
        )
        grid = Table.grid(expand=True, padding=(0, 1))
        grid.add_column(ratio=1, no_wrap=True, overflow="ellipsis")
        grid.add_column(no_wrap=True)
        grid.add_column(justify="right", no_wrap=True)
        grid.add_row(left, pill, right)
        return Panel(grid, border_style="green")

    def _note(self) -> RenderableType:
        note = Text(self._feed.note, style="bold", no_wrap=True, overflow="ellipsis")
        return Panel(Align.center(note), border_style="dim")

    def _people(self) -> RenderableType:
        members, requests = self._state("members"), self._state("requests")
        table = Table.grid(padding=(0, 1))
        table.add_column(width=1)
        table.add_column()
        table.add_column(style="dim")
        for bot in self._bots:
            role = members.get(bot.user, {}).get("role")
            what = "admin" if role == "admin" else "waits" if bot.user in requests else ""
            if role is None and not what:
                continue
            dot = Text("●", "green") if bot.online else Text("○", "red")
            table.add_row(dot, self._name(bot.name), what)
        parts: list[RenderableType] = [table]
        if options := self._state("options"):
            parts += [Text(), Rule("options", style="dim"), *self._options(options)]
        return Panel(Group(*parts), title="members", border_style="dim", padding=(0, 1))

    def _options(self, options: Message) -> Iterable[RenderableType]:
        results = self._state("results")
        votes = {line["option"]: line for line in results.get("options", ())}
        for id, option in sorted(options.items(), key=lambda pair: pair[1]["position"]):
            line = votes.get(id)
            first = line is not None and line["rank"] == 1
            yield Text(option["content"], "bold green" if first else "", no_wrap=True)
            if line is not None:
                yield result_bar(line["votes"], results["ballots"], first=first)
        if not results and (given := self._state("counts").get("ballots")):
            yield Text(f"{given} ballots given", "dim")

    def _middle(self, room: int) -> RenderableType:
        agreed = list(self._agreed())
        proposals = sorted(
            self._state("proposals").items(),
            key=lambda pair: (pair[1]["created_at"], self._number(pair[0])),
        )
        space = room - len(agreed) - 2
        airy = 3 * len(proposals) <= space + 1
        # The oldest decided ones make way: what they decided stands below.
        fits = max(space // 2, 1)
        pending = [pair for pair in proposals if pair[1]["status"] == "pending"]
        decided = [pair for pair in proposals if pair[1]["status"] != "pending"]
        shown = {id for id, _ in pending}
        shown |= {id for id, _ in decided[max(len(decided) - fits + len(pending), 0) :]}
        rows = [self._proposal(id, p) for id, p in proposals if id in shown]
        if airy:
            rows = [part for row in rows for part in (row, Text())]
        top = Panel(Group(*rows), title="proposals", border_style="dim", padding=(0, 1))
        bottom = Panel(Group(*agreed), title="agreed", border_style="dim", padding=(0, 1))
        body = Layout()
        body.split_column(Layout(top), Layout(bottom, size=max(len(agreed), 1) + 2))
        return body

    def _number(self, id: str) -> int:
        return list(self._state("proposals")).index(id)

    def _proposal(self, id: str, proposal: Message) -> RenderableType:
        accepted = proposal["status"] == "accepted"
        mark = Text("✓ ", "bold green") if accepted else Text("◇ ", "cyan")
        author = next((bot.name for bot in self._bots if bot.user == proposal["author"]), "")
        head = Text.assemble(mark, (proposal["content"], "bold"), no_wrap=True, overflow="ellipsis")
        width = _BAR if self._is_wide else _SHORT_BAR
        bar = tally(proposal, self._state("event"), self._state("counts"), width=width)
        line = Text.assemble("  ", bar, no_wrap=True, overflow="ellipsis")
        comments = sum(c.get("proposal") == id for c in self._state("comments").values())
        if accepted:
            by_votes = proposal["resolution"] == "auto_votes"
            by = "votes" if by_votes else self._feed.name(proposal.get("resolved_by"))
            line.append(f"  accepted by {by}", "green")
        else:
            line.append_text(Text.assemble("  ", self._name(author), (f"  {short(id)}", "dim")))
        if comments:
            line.append(f"  ✎ {comments}", "dim")
        return Group(head, line)

    def _agreed(self) -> Iterable[RenderableType]:
        for collection, mark in (("assumptions", "assumption"), ("criteria", "criterion")):
            items = self._state(collection).values()
            for item in sorted(items, key=lambda item: item["position"]):
                yield Text.assemble(
                    (f"{mark:<11}", "dim"), item["content"], no_wrap=True, overflow="ellipsis"
                )
                if conclusion := item.get("conclusion"):
                    yield Text.assemble(
                        (f"{'':<11}→ {conclusion}", "cyan"), no_wrap=True, overflow="ellipsis"
                    )

    def _stream(self, room: int) -> RenderableType:
        table = Table.grid(padding=(0, 1), expand=True)
        table.add_column(justify="right", no_wrap=True, width=6)
        table.add_column(ratio=1, no_wrap=True, overflow="ellipsis")
        shown = [line for line in self._feed.lines if line.mark != "·"][-room:]
        for line in shown:
            text = line.text.copy()
            if line.mark.startswith("#"):
                text.stylize("cyan")
            elif line.style == "red":
                text.stylize("red")
            table.add_row(Text(line.mark, f"bold {line.style}"), text)
        return Panel(table, title="what comes in", border_style="dim", padding=(0, 1))

    def _name(self, name: str) -> Text:
        return Text(name, self._colours.get(name, ""))

    def _state(self, part: str) -> dict[str, Any]:
        found: dict[str, Any] = self._watcher.state.get(part, {})
        return found
