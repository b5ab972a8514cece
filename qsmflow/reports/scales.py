"""How the values of each kind of map become grey or colour."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from qsmflow.reports.volume import Volume


@dataclass(frozen=True)
class Scale:
    """How values become grey or colour: the range, matplotlib's colour map, the label of the bar, and the unit.

    `wraps`: both ends are one value, as with phase; then neighbours do not mix and nothing lies beyond the scale.
    """

    low: float
    high: float
    colours: str
    label: str
    unit: str = "ppm"
    wraps: bool = False


def chi_scale(limit: float = 0.1) -> Scale:
    """Susceptibility in grey from ``-limit`` to ``limit`` ppm."""
    return Scale(-limit, limit, "gray", "χ (ppm)")


def field_scale(limit: float) -> Scale:
    """A field in blue, white and red from ``-limit`` to ``limit`` ppm."""
    return Scale(-limit, limit, "RdBu_r", "field (ppm of B0)")


def difference_scale(limit: float = 0.05) -> Scale:
    """A difference of two χ maps in blue, white and red from ``-limit`` to ``limit`` ppm."""
    return Scale(-limit, limit, "RdBu_r", "difference of χ (ppm)")


def phase_scale() -> Scale:
    """Wrapped phase in colours that meet at ±π."""
    return Scale(-float(np.pi), float(np.pi), "twilight", "phase (rad)", "rad", wraps=True)


def noise_scale(values: NDArray[np.float32], of: str, unit: str) -> Scale:
    """The standard deviation of what `of` names in colour from 0 to the 99th percentile of `values`, in `unit`."""
    return Scale(0.0, symmetric_limit(values), "viridis", f"SD of {of} ({unit})", unit)


def relaxation_scale(values: NDArray[np.float32]) -> Scale:
    """R2* in grey from 0 to the 99th percentile of `values`, 1/s."""
    return Scale(0.0, symmetric_limit(values), "gray", "R2* (1/s)", "1/s")


def magnitude_scale(volume: Volume) -> Scale:
    """Magnitude in grey from 0 to the 99.5th percentile of what is not zero."""
    values = volume.data[volume.mask]
    top = float(np.percentile(values, 99.5)) if values.size else 1.0
    return Scale(0.0, top, "gray", "magnitude (arbitrary units)", "arbitrary units")


def symmetric_limit(values: NDArray[np.float32], share: float = 99.0) -> float:
    """The `share` percentile of the absolute values, rounded up to 1, 1.5, 2, 3, 5 or 7.5 times a power of ten."""
    top = float(np.percentile(np.abs(values), share)) if values.size else 0.0
    if top <= 0:
        return 1.0
    power = 10.0 ** np.floor(np.log10(top))
    return float(next(step * power for step in (1, 1.5, 2, 3, 5, 7.5, 10) if step * power >= top * (1 - 1e-6)))
