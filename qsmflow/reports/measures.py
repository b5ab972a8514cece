"""Numbers that the report takes from the files themselves."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import nibabel as nib
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
        float(fine.mean(dtype=np.float64)), float(fine.std(dtype=np.float64)), float(low), float(high), values.size - fine.size
    )


def millilitres(mask: Volume) -> float:
    """Volume of a mask, ml."""
    return float(np.count_nonzero(mask.data >= 0.5) * np.prod(mask.voxel_size) / 1000.0)


def obliquity(affine: NDArray[np.float64]) -> float:
    """Largest angle, degrees, between a voxel axis and the scanner axis nearest to it."""
    return float(np.degrees(nib.affines.obliquity(affine).max()))


def b0_from_affine(affine: NDArray[np.float64]) -> tuple[float, float, float]:
    """B0 as a unit vector in voxel axes: the third row of the direction cosines."""
    cosines = affine[:3, :3] / np.linalg.norm(affine[:3, :3], axis=0)
    x, y, z = cosines[2] / np.linalg.norm(cosines[2])
    return float(x), float(y), float(z)


def angle_between(a: Sequence[float], b: Sequence[float]) -> float:
    """Angle of two directions, degrees, 0 to 180."""
    u, v = np.asarray(a, dtype=float), np.asarray(b, dtype=float)
    return float(np.degrees(np.arctan2(np.linalg.norm(np.cross(u, v)), u @ v)))
