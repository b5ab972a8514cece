"""The curves by which the weight of an inversion was chosen."""

from __future__ import annotations

import io
from itertools import pairwise

import numpy as np
from matplotlib import ticker
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from qsmflow.reports.blocks import Picture
from qsmflow.reports.collect import Found

_BLUE, _ORANGE = "#0072b2", "#d55e00"


def weight_picture(name: str, title: str, found: Found) -> Picture | None:
    """What a map's sidecar says of the weights that were tried, as two curves; None where it says nothing.

    Parameters
    ----------
    name
        Of the series; it begins the name of the picture.
    title
        How the report calls the map.
    found
        The map.
    """
    curves = [found.stated(f"Tried{what}") for what in ("Weights", "Misfits", "Penalties", "Changes")]
    if any(curve is None for curve in curves):
        return None
    weights, misfits, penalties, changes = curves
    chosen = found.stated("ChosenWeight")
    chosen = float(chosen) if isinstance(chosen, int | float) else None
    figure = Figure(figsize=(9.6, 3.6), dpi=100, layout="constrained")
    left, right = figure.subplots(1, 2)
    middles = [(a * b) ** 0.5 for a, b in pairwise(weights)]
    _curve(left, middles, changes, "weight", "change of the map (norm, ppm)")
    if chosen is not None:
        left.axvline(chosen, color=_ORANGE, label=f"chosen: {chosen:.3g}")
        left.legend(frameon=False)
    _curve(right, misfits, penalties, "norm of the misfit", "penalty")
    if chosen is not None and min(*weights, *misfits, *penalties) > 0:  # it may lie between two that were tried
        at = [np.exp(np.interp(np.log(chosen), np.log(weights), np.log(values))) for values in (misfits, penalties)]
        right.plot(*at, "D", color=_ORANGE, markersize=9)
    right.margins(0.08, 0.1)
    for weight, misfit, penalty in zip(weights, misfits, penalties, strict=True):
        right.annotate(f"{weight:.2g}", (misfit, penalty), xytext=(4, 4), textcoords="offset points", fontsize=8)
    canvas = FigureCanvasAgg(figure)
    out = io.BytesIO()
    canvas.print_png(out)
    said = f"the weight {chosen:.3g} was chosen" if chosen is not None else "none was chosen"
    told = f"{title}: {len(weights)} weights from {weights[0]:.2g} to {weights[-1]:.2g} were tried, and {said}"
    alt = f"{told}. Left, the change of the map with the weight, {min(changes):.2g} at least; right, the L-curve."
    caption = f"{told}. Left: the map's change; right: the L-curve. The chosen weight is orange."
    return Picture(f"{name}_{found.kind}_weight", out.getvalue(), alt, caption)


def _curve(axes: Axes, x: list[float], y: list[float], x_label: str, y_label: str) -> None:
    axes.plot(x, y, "o-", color=_BLUE)
    if min(*x, *y) > 0:
        axes.set_xscale("log")
        axes.set_yscale("log")
        for axis, values in ((axes.xaxis, x), (axes.yaxis, y)):
            axis.set_minor_formatter(ticker.NullFormatter())
            if max(values) < 10 * min(values):  # no two powers of ten to tell the scale by
                axis.set_major_locator(ticker.MaxNLocator(4))
                axis.set_major_formatter(ticker.ScalarFormatter())
    axes.set_xlabel(x_label)
    axes.set_ylabel(y_label)
