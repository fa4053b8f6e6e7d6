"""Plots as SVG: lines against a logarithmic axis, readable on a light and on a dark page."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from html import escape

WIDTH, HEIGHT = 360, 260
LEFT, RIGHT, TOP, BOTTOM = 58, 16, 34, 60
COLOURS = ("#2f6feb", "#d9730d", "#2da44e")

_STYLE = """<style>
text{font:12px system-ui,sans-serif;fill:#57606a}.title{font-weight:600;fill:#24292f}
.grid{stroke:#d0d7de}.frame{fill:none;stroke:#8c959f}
@media(prefers-color-scheme:dark){text{fill:#9198a1}.title{fill:#f0f6fc}.grid{stroke:#3d444d}}
</style>"""


def chart(
    panels: Sequence[tuple[str, str, Mapping[str, Sequence[tuple[float, float]]]]], title: str
) -> str:
    """Panels side by side: title, what grows, and a line of points for each party."""
    width = WIDTH * len(panels)
    drawn = [
        f'<g transform="translate({number * WIDTH},0)">{_panel(*panel)}</g>'
        for number, panel in enumerate(panels)
    ]
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {HEIGHT}" width="{width}" '
        f'height="{HEIGHT}" role="img" aria-label="{escape(title, quote=True)}">\n'
        f"<title>{escape(title)}</title>\n{_STYLE}\n" + "\n".join(drawn) + "\n</svg>\n"
    )


def _panel(title: str, grows: str, lines: Mapping[str, Sequence[tuple[float, float]]]) -> str:
    places = sorted({x for points in lines.values() for x, _ in points})
    top = _round_up(max(y for points in lines.values() for _, y in points))
    step = (WIDTH - LEFT - RIGHT) / max(1, len(places) - 1)
    across = {x: LEFT + number * step for number, x in enumerate(places)}
    high = HEIGHT - TOP - BOTTOM

    def down(y: float) -> float:
        return TOP + high * (1 - y / top)

    out = [f'<text class="title" x="{LEFT}" y="18">{escape(title)}</text>']
    for part in range(5):
        y = top * part / 4
        out.append(
            f'<path class="grid" d="M{LEFT} {down(y):.1f}H{WIDTH - RIGHT}"/>'
            f'<text x="{LEFT - 6}" y="{down(y) + 4:.1f}" text-anchor="end">{_shown(y)}</text>'
        )
    for x, place in across.items():
        out.append(
            f'<text x="{place:.1f}" y="{HEIGHT - BOTTOM + 18}" text-anchor="middle">{x:,.0f}</text>'
        )
    middle = (LEFT + WIDTH - RIGHT) / 2
    out.append(
        f'<text x="{middle:.0f}" y="{HEIGHT - BOTTOM + 36}" text-anchor="middle">'
        f"{escape(grows)}</text>"
    )
    for number, (name, points) in enumerate(lines.items()):
        colour = COLOURS[number % len(COLOURS)]
        path = " ".join(f"{across[x]:.1f},{down(y):.1f}" for x, y in points)
        out.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>')
        out += [
            f'<circle cx="{across[x]:.1f}" cy="{down(y):.1f}" r="3" fill="{colour}"/>'
            for x, y in points
        ]
        place = LEFT + number * 120
        out.append(
            f'<path d="M{place} {HEIGHT - 10}h16" stroke="{colour}" stroke-width="2"/>'
            f'<text x="{place + 22}" y="{HEIGHT - 6}">{escape(name)}</text>'
        )
    return "\n".join(out)


def _round_up(value: float) -> float:
    """The next of 1, 2, 4, 6, 8, 10 times a power of ten."""
    power: float = 10 ** math.floor(math.log10(max(value, 1e-9)))
    return next(n for n in (1, 2, 4, 6, 8, 10) if n * power >= value * 0.999) * power


def _shown(value: float) -> str:
    return f"{value:,.0f}" if value >= 10 or value == 0 else f"{value:.2g}"
