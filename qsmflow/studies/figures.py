"""Pictures of studies: maps with their differences, boxes, curves, found against true."""

from __future__ import annotations

import io
import itertools
import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from numpy.typing import NDArray
from PIL import Image

from qsmflow.reports.blocks import Picture
from qsmflow.reports.figures import side_by_side
from qsmflow.reports.scales import chi_scale, noise_scale
from qsmflow.reports.volume import Volume, choose_cuts

from .study import Done, Row, Value
from .tables import number

#: Okabe and Ito's colours, which common kinds of colour vision tell apart, and marks for those who see none.
_COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000")
_MARKS = "os^Dv<>Pp*hX"
#: Most cases of one picture of maps, so that slices stay large.
_ROWS = 6


def curves(
    name: str, rows: Sequence[Row], x: str, x_label: str, metric: str, by: str = "method", *, label: str = ""
) -> Picture:
    """How a metric changes with a number that varies, a curve for each value of `by`; several values as their mean.

    What was computed at one number alone, where others vary, is a level line. Either axis is logarithmic where its
    numbers are positive and span more than a factor of ten. `label` says what the metric is, without its unit.
    """
    told = []
    figure, axes = _figure()
    looks, groups = _looks(rows, by), _grouped(rows, metric, by)
    units = {str(row["unit"]): None for group in groups.values() for row in group}
    label = ", ".join(part for part in (label or metric, *units) if part)
    ticks = sorted({float(row[x]) for group in groups.values() for row in group})
    for which, points in groups.items():
        at: dict[float, list[float]] = {}
        for row in points:
            at.setdefault(float(row[x]), []).append(float(row["value"]))
        xs = sorted(at)
        ys = [float(np.mean(at[one])) for one in xs]
        if len(xs) == 1 < len(ticks):
            axes.axhline(ys[0], linestyle="--", label=str(which), color=looks[which]["color"])
            told.append(f"{which} {number(ys[0])}")
        else:
            axes.plot(xs, ys, linestyle="-", label=str(which), **looks[which])
            told.append(f"{which} from {number(ys[0])} to {number(ys[-1])}")
    if _spans(ticks):
        axes.set_xscale("log")
    if _spans([float(row["value"]) for group in groups.values() for row in group]):
        axes.set_yscale("log")
    axes.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
    axes.tick_params(axis="x", which="minor", bottom=False, labelbottom=False)
    axes.set_xlabel(x_label)
    axes.set_ylabel(label)
    _legend(axes)
    caption = f"{label} against {x_label}."
    return Picture(name, _png(figure), f"{caption} {'; '.join(told)}.", caption)


def boxes(name: str, rows: Sequence[Row], metric: str, by: str = "method") -> Picture:
    """The spread of a metric over cases, one box for each value of `by`, with every value as a point."""
    groups = {str(which): [float(row["value"]) for row in group] for which, group in _grouped(rows, metric, by).items()}
    unit = next((str(row["unit"]) for row in rows if row["metric"] == metric), "")
    label = f"{metric}, {unit}" if unit else metric
    figure, axes = _figure()
    axes.boxplot(list(groups.values()), tick_labels=list(groups), showfliers=False, medianprops={"color": _COLOURS[1]})
    for i, values in enumerate(groups.values(), start=1):
        axes.plot([i] * len(values), values, "o", color=_COLOURS[0], alpha=0.6)
    axes.set_ylabel(label)
    axes.tick_params(axis="x", rotation=30)
    told = "; ".join(f"{which} median {number(float(np.median(values)))}" for which, values in groups.items())
    return Picture(name, _png(figure), f"Boxes of {label}: {told}.", f"{label}: every value, median and quartiles.")


def against(name: str, rows: Sequence[Row], by: str = "method") -> Picture:
    """Metric ``found`` against metric ``true`` of each region, ppm, with the line on which they are equal."""
    figure, axes = _figure()
    true, looks = _grouped(rows, "true", by), _looks(rows, by)
    ends = [0.0]
    for which, found in _grouped(rows, "found", by).items():
        xs = [float(row["value"]) for row in true[which]]
        ends += xs
        axes.plot(xs, [float(row["value"]) for row in found], linestyle="", label=str(which), **looks[which])
    axes.plot([min(ends), max(ends)], [min(ends), max(ends)], "k--", linewidth=1, label="equal")
    axes.set_xlabel("true χ, ppm")
    axes.set_ylabel("found χ, ppm")
    _legend(axes)
    caption = "Mean susceptibility found in each lesion against the true one."
    return Picture(name, _png(figure), f"{caption} The slopes stand in the table.", caption)


def maps(
    name: str, done: Sequence[Done], by: str = "method", *, limit: float = 0.15, reference: str = "truth"
) -> list[Picture]:
    """The truth with the map of each case, and the difference of each from the truth, in three planes; ppm.

    Parameters
    ----------
    name
        Begins the names of the pictures, of which each has a few cases.
    done
        Cases on one grid.
    by
        What names a case.
    limit
        ppm at white; black is ``-limit``. Differences are shown in half of that range.
    reference
        What the truth of the cases is called.
    """
    volumes: dict[str, Volume] = {}
    differences: dict[str, Volume] = {}
    for one in done:
        if one.maps is None:
            continue
        made, truth, affine = _read(one.maps)
        volumes.setdefault(reference, _volume(truth, affine))
        volumes[str(one.case.row[by])] = _volume(made, affine)
        differences[str(one.case.row[by])] = _volume(made - truth, affine)
    if not volumes:
        return []
    # a truth may be zero in much of the mask, a map is not
    inside = np.any([volume.mask for volume in volumes.values()], axis=0)
    cuts = choose_cuts(_bulk(inside), volumes[reference].voxel_size)
    pictures = []
    names = [*differences]
    rows = math.ceil(len(names) / math.ceil(len(names) / _ROWS))
    parts = [names[start : start + rows] for start in range(0, len(names), rows)]
    for place, part in enumerate(parts, start=1):
        ending = f"_{place}" if len(parts) > 1 else ""
        for kind, shown, scale in (
            ("maps", {one: volumes[one] for one in (reference, *part)}, limit),
            ("differences", {one: differences[one] for one in part}, limit / 2.0),
        ):
            said = f"Maps: {', '.join(shown)}" if kind == "maps" else f"Map less {reference}: {', '.join(shown)}"
            caption = f"{said}; grey from {-scale:g} to {scale:g} ppm."
            png = side_by_side(shown, cuts, chi_scale(scale), mask=inside)
            alt = f"{caption} Axial, coronal and sagittal slices."
            pictures.append(Picture(f"{name}_{kind}{ending}", png, alt, caption))
    return pictures


def spread(
    name: str,
    done: Sequence[Done],
    by: str = "method",
    *,
    bring: Callable[[Done, torch.Tensor], tuple[torch.Tensor, Any]] | None = None,
) -> list[Picture]:
    """The standard deviation of the maps of each value of `by` over cases, ppm, where all of them have a map.

    Parameters
    ----------
    name
        Of the picture.
    done
        Cases.
    by
        What names a map.
    bring
        From a case and its map to the map in the grid of all, and that grid, 4x4; None where cases share one.
    """
    groups: dict[str, list[torch.Tensor]] = {}
    affine = None
    for one in done:
        if one.maps is not None:
            made, _, affine = _read(one.maps)
            if bring is not None:
                made, affine = bring(one, made)
            groups.setdefault(str(one.case.row[by]), []).append(made)
    volumes = {which: _volume(_deviation(group), affine) for which, group in groups.items() if len(group) > 1}
    if not volumes:
        return []
    frame = next(iter(volumes.values()))
    inside = np.concatenate([volume.data[volume.mask] for volume in volumes.values()])
    caption = f"Standard deviation of the maps of {', '.join(volumes)} across orientations, ppm."
    png = side_by_side(
        volumes, choose_cuts(_bulk(frame.mask), frame.voxel_size), noise_scale(inside, "χ", "ppm"), mask=frame.mask
    )
    return [Picture(name, png, f"{caption} Axial, coronal and sagittal slices.", caption)]


def _deviation(group: Sequence[torch.Tensor]) -> torch.Tensor:
    """Standard deviation of maps where none is zero, which is to say outside its mask."""
    every = torch.stack(list(group))
    return torch.where((every != 0).all(0), every.std(0), 0.0)


def _read(path: Path) -> tuple[torch.Tensor, torch.Tensor, Any]:
    # the file is our own, written by `execute`
    held = torch.load(path, weights_only=False)
    return held["map"].float(), held["truth"].float(), held["affine"]


def _bulk(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """A mask without the slices that hold less than a tenth of what the fullest does, such as those of a stray vein."""
    inside = mask.copy()
    for axis in range(3):
        count = mask.sum(tuple(other for other in range(3) if other != axis))
        inside &= (count > 0.1 * count.max()).reshape([-1 if one == axis else 1 for one in range(3)])
    return inside


def _volume(data: torch.Tensor, affine: Any) -> Volume:
    x, y, z = (float(size) for size in np.linalg.norm(affine[:3, :3], axis=0))
    return Volume(data.numpy(), (x, y, z), affine)


def _grouped(rows: Sequence[Row], metric: str, by: str) -> dict[Value, list[Row]]:
    groups: dict[Value, list[Row]] = {}
    for row in rows:
        if row["metric"] == metric and math.isfinite(float(row["value"])):
            groups.setdefault(row[by], []).append(row)
    return groups


def _looks(rows: Sequence[Row], by: str) -> dict[Value, dict[str, Any]]:
    """A colour and a mark for each value of `by`, the same in every picture of these cases."""
    return {
        which: {"color": _COLOURS[i % len(_COLOURS)], "marker": _MARKS[i % len(_MARKS)]}
        for i, which in enumerate(dict.fromkeys(row[by] for row in rows))
    }


def _spans(values: Sequence[float]) -> bool:
    """Whether numbers are positive and lie over more than a factor of ten."""
    return bool(values) and min(values) > 0 and max(values) > 10 * min(values)


def _figure() -> tuple[Figure, Axes]:
    figure = Figure(figsize=(8.0, 4.5), dpi=100, layout="constrained")
    axes = figure.subplots()
    axes.grid(alpha=0.3)
    return figure, axes


def _legend(axes: Axes) -> None:
    if axes.get_legend_handles_labels()[0]:
        axes.legend(frameon=False, fontsize=9, loc="center left", bbox_to_anchor=(1.0, 0.5))


def small(png: bytes) -> bytes:
    """A picture as WebP of less than 100 kB, for a page that is kept with the source; the study's own has no loss."""
    picture = Image.open(io.BytesIO(png)).convert("RGB")
    for width, quality in itertools.product((1000, 700, 500, 350), (60, 40, 20)):
        picture.thumbnail((width, 10_000))
        out = io.BytesIO()
        picture.save(out, "webp", quality=quality)
        if out.tell() < 100_000:
            break
    return out.getvalue()


def _png(figure: Figure) -> bytes:
    out = io.BytesIO()
    FigureCanvasAgg(figure).print_png(out)
    return out.getvalue()
