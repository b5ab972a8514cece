"""Distributions over a cohort as boxes with outliers, or as points where it is small; they link to the subjects."""

from __future__ import annotations

import html
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.ticker import MaxNLocator

from qsmflow.reports.cohort import FEWEST, modified_z, stands_out
from qsmflow.reports.sheet import text_width
from qsmflow.reports.words import counted, with_minus

#: Pixels: of a row, the drawing, the margin, between label and drawing, and of letters, as the style sheet has them.
_ROW, _WIDTH, _EDGE, _GAP, _LETTERS = 26, 560, 24, 10, 12
#: Outliers of one row that are drawn, the furthest first.
_MOST = 12


@dataclass(frozen=True)
class Values:
    """One row: its label, one value and one subject (``sub-01``) an observation, and the side that is `worse`."""

    label: str
    values: Sequence[float]
    subjects: Sequence[str]
    worse: str = "both"

    @property
    def title(self) -> str:
        """The label with the number of values."""
        return f"{self.label}, n = {np.isfinite(self.values).sum()}"


def boxes(title: str, unit: str, rows: Sequence[Values], pages: Collection[str]) -> str:
    """An SVG of one box a row, all on one axis: quartiles, the range of what is no outlier, and the outliers.

    Of fewer than `FEWEST` subjects every value is drawn instead, as a point.

    Parameters
    ----------
    title
        What is shown.
    unit
        Of the values; empty for ratios.
    rows
        What to draw; NaN counts nowhere.
    pages
        Subjects that have a page to link to.
    """
    drawn = [row for row in rows if np.isfinite(row.values).any()]
    everything = np.concatenate([np.asarray(row.values, dtype=float) for row in drawn]) if drawn else np.zeros(1)
    low, high = float(np.nanmin(everything)), float(np.nanmax(everything))
    span = (high - low) or abs(high) or 1.0
    low, high = low - 0.03 * span, high + 0.03 * span
    left = _GAP + _EDGE + max((text_width(row.title, _LETTERS) for row in drawn), default=0.0)

    def place(value: float) -> float:
        return left + _WIDTH * (value - low) / (high - low)

    height = _ROW * len(drawn) + 44
    parts = [_row(row, _ROW * i + _ROW // 2 + 4, left - _GAP, place, pages) for i, row in enumerate(drawn)]
    axis = height - 36
    parts.append(f'<line class="axis" x1="{left:.1f}" x2="{left + _WIDTH:.1f}" y1="{axis}" y2="{axis}"/>')
    for tick in MaxNLocator(5).tick_values(low, high):
        if not low <= tick <= high:
            continue
        x = place(float(tick))
        parts.append(f'<line class="axis" x1="{x:.1f}" x2="{x:.1f}" y1="{axis}" y2="{axis + 4}"/>')
        parts.append(f'<text x="{x:.1f}" y="{axis + 17}" text-anchor="middle">{with_minus(f"{tick:.5g}")}</text>')
    label = html.escape(f"{title} ({unit})" if unit else title)
    parts.append(f'<text x="{left + _WIDTH / 2:.1f}" y="{axis + 33}" text-anchor="middle">{label}</text>')
    width = round(left + _WIDTH + _EDGE)
    return (
        f'<figure class="boxes"><div class="scroll" role="region" tabindex="0" aria-label="{label}">'
        f'<svg viewBox="0 0 {width} {height}" role="group" aria-label="{label}">{"".join(parts)}</svg></div></figure>'
    )


def _row(row: Values, y: float, start: float, place: Callable[[float], float], pages: Collection[str]) -> str:
    values = np.asarray(row.values, dtype=float)
    z = modified_z(values)
    out = np.array([stands_out(one, row.worse) for one in z])
    usual = values[np.isfinite(values) & ~out]
    first, median, third = (place(float(v)) for v in np.percentile(usual, (25, 50, 75)))
    left, right = place(float(usual.min())), place(float(usual.max()))
    count = int(np.isfinite(values).sum())
    told = f"{row.label}: {counted(count, 'value', 'values')}, median {np.median(usual):.4g}, "
    told = with_minus(told) + counted(int(out.sum()), "outlier", "outliers")
    parts = [f'<text x="{start:.1f}" y="{y + 4}" text-anchor="end">{html.escape(row.title)}</text>']
    few = len(set(row.subjects)) < FEWEST
    box = [
        f"<g><title>{html.escape(told)}</title>",
        f'<line class="axis" x1="{left:.1f}" x2="{right:.1f}" y1="{y}" y2="{y}"/>',
        f'<rect x="{first:.1f}" y="{y - 7}" width="{max(third - first, 1):.1f}" height="14"/>',
        f'<line class="median" x1="{median:.1f}" x2="{median:.1f}" y1="{y - 7}" y2="{y + 7}"/></g>',
    ]
    furthest = sorted(np.flatnonzero(out).tolist(), key=lambda at: -abs(z[at]))[:_MOST]
    parts += [] if few else box
    for at in np.flatnonzero(np.isfinite(values)).tolist() if few else furthest:
        subject = html.escape(row.subjects[at])
        words = f"{subject}, {html.escape(row.label)}: {with_minus(f'{values[at]:.4g}')}"
        usually = "" if out[at] else ' class="usual"'
        dot = f'<circle{usually} cx="{place(float(values[at])):.1f}" cy="{y}" r="5"><title>{words}</title></circle>'
        if row.subjects[at] in pages:
            dot = f'<a href="{subject}.html" aria-label="{words}">{dot}</a>'
        parts.append(dot)
    return "".join(parts)
