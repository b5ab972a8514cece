"""Pictures of volumes: three-plane mosaics, maps side by side, and registration overlays, as PNG."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import ListedColormap, to_rgb
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patheffects import withStroke
from numpy.typing import NDArray
from PIL import Image

from qsmflow.reports.scales import Scale, magnitude_scale
from qsmflow.reports.volume import PLANES, Cuts, Volume, coordinate, cut, cut_size

WIDTH = 1240  # pixels of the slices, without the colour bar
_BAR = 118
_GAP = 6
_DPI = 100
_PAPER = "#000000"
_INK = "#e9edf2"
#: Okabe and Ito's orange, sky blue and green: told apart by every common kind of colour vision.
CONTOUR_COLOURS = ("#e69f00", "#56b4e9", "#00d69b")


@dataclass(frozen=True)
class _Panel:
    plane: str
    index: int
    row: int
    column: int
    height: int
    width: int


def _widths(volume: Volume, cuts: Cuts) -> dict[str, tuple[float, float]]:
    extent = [(b - a) * size for a, b, size in zip(cuts.low, cuts.high, volume.voxel_size, strict=True)]
    return {plane: (extent[right], extent[up]) for plane, (_, right, up, *_) in PLANES.items()}


class Canvas:
    """Slices laid out in rows at one scale; every volume drawn on it must lie on the voxels of `frame`."""

    def __init__(self, frame: Volume, cuts: Cuts, rows: Sequence[Sequence[tuple[str, int]]]) -> None:
        self.frame, self.cuts = frame, cuts
        extent = _widths(frame, cuts)
        self.pixel = max(
            sum(extent[plane][0] for plane, _ in row) / (WIDTH - _GAP * (len(row) - 1)) for row in rows if row
        )
        self.panels: list[list[_Panel]] = []
        top = 0
        for row in rows:
            sizes = [cut_size(frame, cuts, plane, self.pixel) for plane, _ in row]
            left = (WIDTH - sum(width for _, width in sizes) - _GAP * (len(row) - 1)) // 2
            height = max(height for height, _ in sizes)
            line = []
            for (plane, index), (h, w) in zip(row, sizes, strict=True):
                line.append(_Panel(plane, index, top + (height - h) // 2, max(left, 0), h, w))
                left += w + _GAP
            self.panels.append(line)
            top += height + _GAP
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
        Masks, by the name the legend gives them, whose outlines are drawn in the order of `CONTOUR_COLOURS`.
    """
    canvas = three_planes(volume, cuts)
    return _render(canvas, _masked(canvas, [volume], mask, scale.order), scale, contours=contours or {})


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
    canvas = Canvas(volumes[0], cuts, [chosen] * len(volumes))
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
    height, names = canvas.height, list(contours or ())
    foot, margin = 30, 14
    total = (WIDTH + _BAR + 2 * margin, height + foot + 2 * margin)
    figure = Figure(figsize=(total[0] / _DPI, total[1] / _DPI), dpi=_DPI, facecolor=_PAPER)
    canvas_of_figure = FigureCanvasAgg(figure)
    place = [margin / total[0], (margin + foot) / total[1], WIDTH / total[0], height / total[1]]
    axes = figure.add_axes((place[0], place[1], place[2], place[3]))
    axes.set_axis_off()
    colours = colormaps[scale.colours].with_extremes(bad=_PAPER)
    # pixel centres at whole numbers: one pixel of the picture is one pixel of the figure
    shown = axes.imshow(picture, cmap=colours, vmin=scale.low, vmax=scale.high, interpolation="nearest", aspect="auto")
    for name, colour in zip(names, CONTOUR_COLOURS, strict=False):
        outline = np.nan_to_num(canvas.draw([(contours or {})[name]]))
        if outline.min() < 0.5 < outline.max():
            axes.contour(outline, levels=[0.5], colors=[colour], linewidths=1.3)
    if edges is not None:
        veil = np.ma.masked_where(~edges, edges.astype(float))
        axes.imshow(
            veil, cmap=ListedColormap(CONTOUR_COLOURS[:1]), vmin=0, vmax=1, interpolation="nearest", aspect="auto"
        )
    axes.set_xlim(-0.5, WIDTH - 0.5)
    axes.set_ylim(height - 0.5, -0.5)
    _write_labels(axes, canvas, row_names)
    _write_scale_bar(figure, canvas, margin, total)
    bar_height = min(height * 0.8, 360) / total[1]
    bar_axes = figure.add_axes(
        (1 - (_BAR + margin - 24) / total[0], 0.5 + foot / 2 / total[1] - bar_height / 2, 14 / total[0], bar_height)
    )
    bar = figure.colorbar(shown, cax=bar_axes, extend="max" if scale.low == 0 else "both")
    bar.set_label(scale.label, color=_INK, fontsize=10)
    bar.ax.tick_params(colors=_INK, labelsize=9)
    bar.outline.set_edgecolor(_INK)
    if names:
        lines = [Line2D([], [], color=c, lw=2, label=n) for n, c in zip(names, CONTOUR_COLOURS, strict=False)]
        at = ((WIDTH + margin) / total[0], 4 / total[1])
        figure.legend(
            handles=lines, loc="lower right", ncols=len(names), frameon=False, labelcolor=_INK, bbox_to_anchor=at
        )
    canvas_of_figure.draw()
    return _as_png(np.asarray(canvas_of_figure.buffer_rgba())[..., :3], scale)


def _as_png(pixels: NDArray[np.uint8], scale: Scale) -> bytes:
    # a palette halves the file: the colours of the scale, greys for the writing, and the contours
    bar = colormaps[scale.colours](np.linspace(0, 1, 208))[:, :3]
    greys = np.linspace(0, 1, 27)[:, None] * np.ones(3)
    lines = np.concatenate([np.linspace(0.3, 1, 7)[:, None] * to_rgb(colour) for colour in CONTOUR_COLOURS])
    palette = Image.new("P", (1, 1))
    palette.putpalette((255 * np.concatenate([bar, greys, lines])).round().astype(np.uint8).tobytes())
    out = io.BytesIO()
    Image.fromarray(pixels).quantize(palette=palette, dither=Image.Dither.NONE).save(out, format="png")
    return out.getvalue()


def _write_labels(axes: Axes, canvas: Canvas, row_names: Sequence[str]) -> None:
    halo = [withStroke(linewidth=2.2, foreground=_PAPER)]
    style: dict[str, Any] = {"color": _INK, "fontsize": 10, "path_effects": halo}
    for i, line in enumerate(canvas.panels):
        seen: set[str] = set()
        for panel in line:
            left, right, letter = PLANES[panel.plane][3:]
            mm = coordinate(canvas.frame, canvas.cuts, panel.plane, panel.index)
            x0, x1, bottom = panel.column + 3, panel.column + panel.width - 4, panel.row + panel.height - 4
            axes.text(x0, bottom, f"{letter} {round(mm):+d} mm", va="bottom", ha="left", **style)
            if panel.plane not in seen:
                middle = panel.row + panel.height / 2
                axes.text(x0, middle, left, va="center", ha="left", **style)
                axes.text(x1, middle, right, va="center", ha="right", **style)
            seen.add(panel.plane)
        if row_names:
            axes.text(
                4, line[0].row + 2, row_names[i], va="top", ha="left", **{**style, "fontsize": 12, "weight": "bold"}
            )


def _write_scale_bar(figure: Figure, canvas: Canvas, margin: int, total: tuple[int, int]) -> None:
    length = 50 / canvas.pixel
    x, y = np.array([margin, margin + length]) / total[0], np.array([18, 18]) / total[1]
    figure.add_artist(Line2D(x, y, color=_INK, lw=2))
    figure.text(x[1] + 6 / total[0], 18 / total[1], "50 mm", color=_INK, fontsize=9, va="center")
