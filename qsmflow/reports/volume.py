"""Volumes as the report looks at them: in RAS order, with the slices that all figures of a series share."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import nibabel as nib
import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage

#: Plane: axis that is cut, axis shown to the right, axis shown upwards, the letters at left and right, the coordinate.
PLANES = {
    "axial": (2, 0, 1, "L", "R", "z"),
    "coronal": (1, 0, 2, "L", "R", "y"),
    "sagittal": (0, 1, 2, "P", "A", "x"),
}


@dataclass(frozen=True)
class Volume:
    """A scalar volume in the voxel order nearest to RAS+ (x to the right, y to the front, z up).

    `data` has shape (X, Y, Z); `voxel_size` is in mm; `affine` maps its voxels to scanner mm.
    """

    data: NDArray[np.float32]
    voxel_size: tuple[float, float, float]
    affine: NDArray[np.float64]

    @property
    def mask(self) -> NDArray[np.bool_]:
        """Where the volume is finite and not zero: what a masked map holds."""
        return np.isfinite(self.data) & (self.data != 0)

    def matches(self, other: Volume) -> bool:
        """Whether the voxels of `other` lie on those of this volume."""
        return self.data.shape == other.data.shape and bool(np.allclose(self.affine, other.affine, atol=1e-2))


def load_volume(path: Path) -> Volume:
    """Read the first volume of the NIfTI file `path` in RAS order."""
    image = nib.as_closest_canonical(nib.load(path))
    data = np.asanyarray(image.dataobj, dtype=np.float32)
    # contiguous: torch takes no array that is turned about by its strides
    data = np.ascontiguousarray(data.reshape(data.shape[:3] + (-1,))[..., 0])
    x, y, z = (float(size) for size in image.header.get_zooms()[:3])
    return Volume(data, (x, y, z), np.asarray(image.affine))


@dataclass(frozen=True)
class Cuts:
    """The box that is shown and the slices through it: voxel indices of one volume, shared by figures to compare.

    `low` and `high` (exclusive) are the corners of the box; `planes` holds the slice numbers of each plane.
    """

    low: tuple[int, int, int]
    high: tuple[int, int, int]
    planes: dict[str, tuple[int, ...]]


def choose_cuts(region: NDArray[np.bool_], voxel_size: tuple[float, float, float], count: int = 7) -> Cuts:
    """Lay `count` axial and coronal slices, and as many sagittal ones as are as wide, evenly through `region`.

    Parameters
    ----------
    region
        Bool, shape (X, Y, Z), RAS order: where there is something to see. Where it is empty the whole volume is taken.
    voxel_size
        mm.
    count
        Slices of the axial and coronal plane.
    """
    box = ndimage.find_objects(region.astype(np.uint8))
    spans = [(s.start, s.stop) for s in box[0]] if box else [(0, size) for size in region.shape]
    margin = [round(4.0 / size) + 1 for size in voxel_size]
    low = tuple(max(start - m, 0) for (start, _), m in zip(spans, margin, strict=True))
    high = tuple(min(stop + m, size) for (_, stop), m, size in zip(spans, margin, region.shape, strict=True))
    extent = [(b - a) * size for a, b, size in zip(low, high, voxel_size, strict=True)]
    counts = {"axial": count, "coronal": count, "sagittal": max(1, int(count * extent[0] / extent[1]))}
    planes = {}
    for plane, (axis, *_) in PLANES.items():
        start, stop = spans[axis]
        # the outermost slices of a head hold little: stay within the inner 70 %
        inner = start + (stop - 1 - start) * np.linspace(0.15, 0.85, counts[plane])
        planes[plane] = tuple(dict.fromkeys(round(float(at)) for at in inner))
    return Cuts((low[0], low[1], low[2]), (high[0], high[1], high[2]), planes)


def cut(volume: Volume, cuts: Cuts, plane: str, index: int, pixel: float, order: int = 1) -> NDArray[np.float32]:
    """One slice as an image with square pixels of `pixel` mm, rows from top to bottom.

    Parameters
    ----------
    order
        Of the interpolation: 1 for maps, 0 for masks.
    """
    axis, right, up, *_ = PLANES[plane]
    window: list[slice | int] = [slice(a, b) for a, b in zip(cuts.low, cuts.high, strict=True)]
    window[axis] = index
    values = np.nan_to_num(volume.data[tuple(window)])
    if right < up:
        values = values.T
    rows, columns = cut_size(volume, cuts, plane, pixel)
    image = Image.fromarray(np.ascontiguousarray(values[::-1]))
    return np.asarray(image.resize((columns, rows), Image.Resampling.BILINEAR if order else Image.Resampling.NEAREST))


def cut_size(volume: Volume, cuts: Cuts, plane: str, pixel: float) -> tuple[int, int]:
    """Rows and columns of `cut`, whole numbers, one at least."""
    _, right, up, *_ = PLANES[plane]
    rows, columns = (round((cuts.high[a] - cuts.low[a]) * (volume.voxel_size[a] / pixel)) for a in (up, right))
    return max(1, rows), max(1, columns)


def coordinate(volume: Volume, cuts: Cuts, plane: str, index: int) -> float:
    """Scanner coordinate, mm, of a slice's centre along the axis that the plane cuts."""
    axis = PLANES[plane][0]
    centre = [(a + b - 1) / 2 for a, b in zip(cuts.low, cuts.high, strict=True)]
    centre[axis] = index
    return float((volume.affine @ [*centre, 1.0])[axis])


def ras_direction(path: Path, direction: Sequence[float]) -> tuple[float, float, float]:
    """A direction in the voxel axes of the file `path` in those of `load_volume`."""
    turned = [0.0, 0.0, 0.0]
    for part, (axis, sign) in zip(direction, nib.io_orientation(nib.load(path).affine), strict=True):
        turned[int(axis)] = float(sign) * float(part)
    x, y, z = turned
    return x, y, z
