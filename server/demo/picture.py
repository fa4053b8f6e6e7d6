"""A picture of the demo's screen, as SVG: ``python -m server.demo.picture FILE``.

It shows a real decision on a real server, halfway through.
"""

from __future__ import annotations

import argparse
import asyncio
import io
import re
import sys
from pathlib import Path

from rich.console import Console
from rich.terminal_theme import TerminalTheme

from server.config import loading
from server.config.settings import Settings
from server.demo.child import Child
from server.demo.failure import DemoError
from server.demo.stage import Show

#: Columns and lines of the picture.
SIZE = (128, 29)
#: The scene before which it is taken, with decided and open proposals.
SCENE = "an_admin_decides"
#: Seconds between two acts; long enough for presence to be sent.
PICTURE_PACE_S = 0.3

_MARGIN = 10
_VIEW_BOX = re.compile(r'viewBox="0 0 ([0-9.]+) ([0-9.]+)"')
_THEME = TerminalTheme(
    (13, 17, 23),
    (222, 228, 236),
    [
        (13, 17, 23),
        (255, 123, 114),
        (86, 211, 100),
        (227, 179, 65),
        (121, 166, 255),
        (210, 153, 255),
        (86, 212, 221),
        (177, 186, 196),
    ],
    [
        (110, 118, 129),
        (255, 161, 152),
        (126, 231, 135),
        (242, 204, 96),
        (165, 195, 255),
        (226, 186, 255),
        (126, 231, 245),
        (240, 246, 252),
    ],
)
#: rich's own template, without its window and without remote fonts.
_FORMAT = """\
<svg viewBox="0 0 {terminal_width} {terminal_height}" xmlns="http://www.w3.org/2000/svg">
<style>
.{unique_id}-matrix {{
font-family: "Fira Code", "JetBrains Mono", "DejaVu Sans Mono", Menlo, Consolas, monospace;
font-size: {char_height}px; line-height: {line_height}px; font-variant-ligatures: none;
}}
{styles}
</style>
<defs>
<clipPath id="{unique_id}-clip-terminal">
<rect width="{terminal_width}" height="{terminal_height}"/>
</clipPath>
{lines}
</defs>
<rect fill="#0d1117" x="-10" y="-10" width="100%" height="100%" rx="12"/>
<g clip-path="url(#{unique_id}-clip-terminal)">
{backgrounds}
<g class="{unique_id}-matrix">
{matrix}
</g>
</g>
</svg>
"""


async def take(settings: Settings, pace: float = PICTURE_PACE_S) -> str:
    """Take the picture of a decision on a server that is started for it."""
    width, height = SIZE
    recorder = Console(
        record=True,
        width=width,
        height=height,
        file=io.StringIO(),
        force_terminal=True,
        color_system="standard",
        legacy_windows=False,
    )

    def scene(name: str) -> None:
        if name == SCENE:
            recorder.print(show.screen.picture(width, height), end="")

    child = await Child.start(settings)
    try:
        show = Show(settings, child.url, Console(file=io.StringIO()), pace=pace, scene=scene)
        await show.play()
    finally:
        await child.stop()
    svg = recorder.export_svg(title="", theme=_THEME, code_format=_FORMAT, unique_id="ayes")
    return _VIEW_BOX.sub(_with_margin, svg, count=1)


def _with_margin(view_box: re.Match[str]) -> str:
    width, height = (float(size) + 2 * _MARGIN for size in view_box.groups())
    return f'viewBox="{-_MARGIN} {-_MARGIN} {width:g} {height:g}"'


def main() -> int:
    """Take the picture and write it; return the exit status."""
    parser = argparse.ArgumentParser(description="A picture of the demo's screen.")
    parser.add_argument("file", type=Path, help="the SVG to write")
    arguments = parser.parse_args()
    try:
        svg = asyncio.run(take(loading.load()))
    except (DemoError, loading.SettingsError) as err:
        sys.stderr.write(f"picture: {err}\n")
        return 1
    arguments.file.write_text("\n".join(line.rstrip() for line in svg.splitlines()) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
