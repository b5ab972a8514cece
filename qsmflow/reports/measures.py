"""Numbers that the report takes from the files themselves."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from qsmflow.reports.volume import Volume


@dataclass(frozen=True)
class Spread:
    """Distribution of a map inside a mask, in the map's unit; `missing` counts the voxels that are NaN or infinite."""

    mean: float
    sd: float
    low: float
    high: float
    missing: int

    def __str__(self) -> str:
        return f"mean {self.mean:.3g}, SD {self.sd:.3g}, 2nd to 98th percentile {self.low:.3g} to {self.high:.3g}"


def spread(volume: Volume, mask: NDArray[np.bool_]) -> Spread | None:
    """Distribution of `volume` where `mask` is true; None where there is nothing."""
    values = volume.data[mask]
    fine = values[np.isfinite(values)]
    if not fine.size:
        return None
    low, high = np.percentile(fine, (2, 98))
    return Spread(
        float(fine.mean(dtype=np.float64)),
        float(fine.std(dtype=np.float64)),
        float(low),
        float(high),
        values.size - fine.size,
    )


def millilitres(mask: Volume) -> float:
    """Volume of a mask, ml."""
    return float(np.count_nonzero(mask.data > 0) * np.prod(mask.voxel_size) / 1000.0)


def angle_between(a: Sequence[float], b: Sequence[float]) -> float:
    """Angle of two directions, degrees, 0 to 180."""
    u, v = np.asarray(a, dtype=float), np.asarray(b, dtype=float)
    return float(np.degrees(np.arctan2(np.linalg.norm(np.cross(u, v)), u @ v)))
