"""Pictures of volumes: three-plane mosaics, maps side by side, and registration overlays, as PNG."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.ticker import MaxNLocator, ScalarFormatter
from numpy.typing import NDArray
from scipy import ndimage

from qsmflow.reports.scales import Scale, magnitude_scale
from qsmflow.reports.sheet import OUTLINE_COLOURS, Sheet
from qsmflow.reports.volume import PLANES, Cuts, Volume, coordinate, cut, cut_size
from qsmflow.reports.words import with_minus

WIDTH = 1240  # pixels of the slices, without the colour bar
_BAR = 134
_GAP = 6
_FOOT = 32
_MARGIN = 14
_LABEL, _TITLE = 20, 26  # heights of the strip below each slice for its labels, and above a row for its name
_ROOM = 130  # narrower slices have their letters on them, for the coordinate fills the strip
_LENGTHS = (50, 20, 10, 5, 2, 1)  # mm of the bar below the slices, the longest that is short enough


@dataclass(frozen=True)
class _Panel:
    plane: str
    index: int
    row: int
    column: int
    height: int
    width: int
    label: int  # row of the middle of the strip below it


def _widths(volume: Volume, cuts: Cuts) -> dict[str, tuple[float, float]]:
    extent = [(b - a) * size for a, b, size in zip(cuts.low, cuts.high, volume.voxel_size, strict=True)]
    return {plane: (extent[right], extent[up]) for plane, (_, right, up, *_) in PLANES.items()}


class Canvas:
    """Slices laid out in rows at one scale; every volume drawn on it must lie on the voxels of `frame`.

    Their labels stand below them, and above each row is room for its name where the rows are `named`.
    """

    def __init__(
        self, frame: Volume, cuts: Cuts, rows: Sequence[Sequence[tuple[str, int]]], *, named: bool = False
    ) -> None:
        self.frame, self.cuts = frame, cuts
        extent = _widths(frame, cuts)
        self.pixel = max(
            sum(extent[plane][0] for plane, _ in row) / (WIDTH - _GAP * (len(row) - 1)) for row in rows if row
        )
        self.panels: list[list[_Panel]] = []
        self.tops: list[int] = []
        top = 0
        for row in rows:
            sizes = [cut_size(frame, cuts, plane, self.pixel) for plane, _ in row]
            left = (WIDTH - sum(width for _, width in sizes) - _GAP * (len(row) - 1)) // 2
            height = max(height for height, _ in sizes)
            self.tops.append(top)
            top += _TITLE if named else 0
            line = []
            for (plane, index), (h, w) in zip(row, sizes, strict=True):
                place = top + (height - h) // 2
                line.append(_Panel(plane, index, place, max(left, 0), h, w, place + h + _LABEL // 2))
                left += w + _GAP
            self.panels.append(line)
            top += height + _LABEL + _GAP
        self.height = top - _GAP

    def _slice(self, volume: Volume, plane: str, index: int, order: int = 1) -> NDArray[np.float32]:
        return cut(volume, self.cuts, plane, index, self.pixel, order)

    def draw(self, volumes: Sequence[Volume], order: int = 1) -> NDArray[np.float32]:
        """Lay `volumes`, one a row, or one for all rows, onto a picture; NaN where there is no slice."""
        if not all(self.frame.matches(volume) for volume in volumes):
            raise ValueError("volumes of one figure must share shape and affine")
        picture = np.full((self.height, WIDTH), np.nan, np.float32)
        for i, line in enumerate(self.panels):
            volume = volumes[i] if len(volumes) > 1 else volumes[0]
            for panel in line:
                image = self._slice(volume, panel.plane, panel.index, order)
                width = min(panel.width, WIDTH - panel.column)
                area = np.s_[panel.row : panel.row + panel.height, panel.column : panel.column + width]
                picture[area] = image[:, :width]
        return picture


def three_planes(frame: Volume, cuts: Cuts) -> Canvas:
    """A canvas of three rows: axial, coronal, sagittal."""
    return Canvas(frame, cuts, [[(plane, index) for index in cuts.planes[plane]] for plane in PLANES])


def mosaic(
    volume: Volume,
    cuts: Cuts,
    scale: Scale,
    *,
    mask: NDArray[np.bool_] | None = None,
    contours: Mapping[str, Volume] | None = None,
) -> bytes:
    """Axial, coronal and sagittal slices of one volume as PNG.

    Parameters
    ----------
    volume
        What is shown.
    cuts
        Which slices.
    scale
        Range and colours.
    mask
        Bool, shape (X, Y, Z): what lies outside is left dark. None shows every slice whole.
    contours
        Masks, by the name the legend gives them, whose outlines are drawn in the order of `OUTLINE_COLOURS`.
    """
    canvas = three_planes(volume, cuts)
    return _render(canvas, _masked(canvas, [volume], mask, 0 if scale.wraps else 1), scale, contours=contours or {})


def side_by_side(
    maps: Mapping[str, Volume], cuts: Cuts, scale: Scale, *, mask: NDArray[np.bool_] | None = None
) -> bytes:
    """The same three axial, two coronal and two sagittal slices of several maps, one map a row, as PNG."""
    chosen: list[tuple[str, int]] = []
    for plane, wanted in (("axial", 3), ("coronal", 2), ("sagittal", 2)):
        numbers = cuts.planes[plane]
        at = np.linspace(0, len(numbers) - 1, wanted + 2)[1:-1]
        chosen += [(plane, index) for index in dict.fromkeys(numbers[round(float(a))] for a in at)]
    volumes = list(maps.values())
    canvas = Canvas(volumes[0], cuts, [chosen] * len(volumes), named=True)
    return _render(canvas, _masked(canvas, volumes, mask), scale, row_names=list(maps))


def edge_overlay(reference: Volume, moved: Volume, cuts: Cuts) -> bytes:
    """Magnitude `moved` with the edges of `reference` drawn over it, as PNG."""
    from skimage.feature import canny

    canvas = three_planes(reference, cuts)
    under, over = canvas.draw([moved]), canvas.draw([reference])
    inside = np.isfinite(over)
    top = magnitude_scale(reference).high
    edges = canny(np.nan_to_num(over) / top, sigma=2.5, mask=inside, low_threshold=0.04, high_threshold=0.12)
    return _render(canvas, under, magnitude_scale(moved), edges=edges)


def _masked(
    canvas: Canvas, volumes: Sequence[Volume], mask: NDArray[np.bool_] | None, order: int = 1
) -> NDArray[np.float32]:
    picture = canvas.draw(volumes, order)
    if mask is not None:
        frame = canvas.frame
        inside = canvas.draw([Volume(mask.astype(np.float32), frame.voxel_size, frame.affine)])
        picture[~(inside > 0.5)] = np.nan
    return picture


def _render(
    canvas: Canvas,
    picture: NDArray[np.float32],
    scale: Scale,
    *,
    contours: Mapping[str, Volume] | None = None,
    row_names: Sequence[str] = (),
    edges: NDArray[np.bool_] | None = None,
) -> bytes:
    sheet = Sheet(canvas.height + _FOOT + 2 * _MARGIN, WIDTH + _BAR + 2 * _MARGIN, scale.colours)
    sheet.values(_MARGIN, _MARGIN, (picture - scale.low) / (scale.high - scale.low))
    names = list(contours or {})[: len(OUTLINE_COLOURS)]
    for number, name in enumerate(names):
        cover = _outline(np.nan_to_num(canvas.draw([(contours or {})[name]])))
        sheet.outline(_MARGIN, _MARGIN, cover, number)
    if edges is not None:
        sheet.outline(_MARGIN, _MARGIN, edges.astype(np.float32), 0)
    _write_labels(sheet, canvas, row_names)
    _write_colour_bar(sheet, canvas, scale)
    foot = _MARGIN + canvas.height + _FOOT - 4
    mm = next((mm for mm in _LENGTHS if mm / canvas.pixel < WIDTH / 6), _LENGTHS[-1])
    length = round(mm / canvas.pixel)
    sheet.box(foot - 1, _MARGIN, 2, length)
    sheet.text(foot, _MARGIN + length + 6, f"{mm} mm", 15)
    right = float(WIDTH + _MARGIN)
    for number, name in reversed(list(enumerate(names))):
        right -= sheet.text(foot, right, name, 16, anchor="rm") + 36
        sheet.box(foot - 1, round(right) + 6, 3, 24, number)
        right -= 18
    return sheet.png()


def _outline(mask: NDArray[np.float32]) -> NDArray[np.float32]:
    """How much of each pixel a line of some two pixels along the 0.5 of `mask` covers."""
    # a ramp as wide as the line, for the mask may fall from 1 to 0 between two pixels
    mask = ndimage.uniform_filter(mask, 3)
    across, down = np.gradient(mask)
    slope = np.hypot(across, down)
    away = np.abs(mask - 0.5) / np.maximum(slope, 1e-3)
    return np.where(slope > 0, np.clip(1.7 - away, 0.0, 1.0), 0.0).astype(np.float32)


def _write_labels(sheet: Sheet, canvas: Canvas, row_names: Sequence[str]) -> None:
    for i, line in enumerate(canvas.panels):
        seen: set[str] = set()
        for panel in line:
            left, right, letter = PLANES[panel.plane][3:]
            mm = coordinate(canvas.frame, canvas.cuts, panel.plane, panel.index)
            x0, x1 = _MARGIN + panel.column + 3, _MARGIN + panel.column + panel.width - 4
            foot = _MARGIN + panel.label
            sheet.text(foot, (x0 + x1) / 2, with_minus(f"{letter} {round(mm):+d} mm"), 15, anchor="mm")
            if panel.plane not in seen:
                beside = foot if panel.width >= _ROOM else _MARGIN + panel.row + panel.height / 2
                sheet.text(beside, x0, left, 16)
                sheet.text(beside, x1, right, 16, anchor="rm")
            seen.add(panel.plane)
        if row_names:
            sheet.text(_MARGIN + canvas.tops[i] + _TITLE // 2, _MARGIN + 4, row_names[i], 18, bold=True)


def _write_colour_bar(sheet: Sheet, canvas: Canvas, scale: Scale) -> None:
    height = round(min(canvas.height * 0.8, 360))
    top, left, width = _MARGIN + (canvas.height - height) // 2, WIDTH + _MARGIN + 24, 14
    sheet.box(top - 1, left - 1, height + 2, width + 2)
    shares = np.linspace(1, 0, height, dtype=np.float32)
    sheet.values(top, left, np.repeat(shares[:, None], width, axis=1))
    ends = 0 if scale.wraps else 1 if scale.low == 0 else 2
    for step in range(width // 2):  # tips: what lies beyond the scale has the colour of its end
        wide, column = width - 2 * step, left + step
        for share, row in ((1.0, top - 1 - step), (0.0, top + height + step))[:ends]:
            sheet.box(row, column - 1, 1, wide + 2)
            sheet.values(row, column, np.full((1, wide), share, np.float32))
    for tick, words in _ticks(scale, min(8, height // 30)).items():
        place = top + (height - 1) * (scale.high - tick) / (scale.high - scale.low)
        sheet.box(round(place), left + width, 1, 4)
        sheet.text(place, left + width + 8, words, 15)
    sheet.upright_text(top + height / 2, WIDTH + _MARGIN + _BAR - 6, scale.label, 16)


def _ticks(scale: Scale, most: int) -> dict[float, str]:
    """Some `most` round values of the scale, and how they are written."""
    if scale.wraps:
        names = ("−π", "−π/2", "0", "π/2", "π")
        return {step * np.pi / 2: name for step, name in enumerate(names, start=-2)}
    values = MaxNLocator(max(2, most)).tick_values(scale.low, scale.high)
    ticks = [float(tick) for tick in values if scale.low <= tick <= scale.high * 1.0001]
    formatter = ScalarFormatter(useOffset=False)
    formatter.set_scientific(False)
    return dict(zip(ticks, formatter.format_ticks(ticks), strict=True))
