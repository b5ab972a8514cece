"""The part of a head that holds the brain: the thickest piece of tissue, cut off at the necks between pieces."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from skimage.morphology import h_maxima
from skimage.segmentation import watershed

Array = NDArray[np.float32]
Mask = NDArray[np.bool_]

#: Dark cavities below this volume, ml, are part of the tissue round them (ventricles, veins), not skull.
CAVITY_ML = 20.0
#: Two pieces are one where the passage between them has at least this part of the smaller one's half-width.
PASSAGE = 0.85
#: Pieces whose half-width rises by less than this over the passages, mm, are no pieces of their own.
RELIEF_MM = 2.0
#: Half-width, mm, below which tissue is scalp rather than brain, and how far beyond that the brain's gyri reach.
SCALP_MM, GYRUS_MM = 8.0, 3.0


def thickest_region(foreground: Mask, spacing: float) -> tuple[Mask, Array]:
    """Find the brain's region in the foreground of a head.

    A watershed of the distance to the dark cuts the head at its narrow passages (foramen magnum, orbits); pieces that
    hang together by a wide passage are joined; what is thin (scalp that touches through a gap in the skull) falls off.

    Parameters
    ----------
    foreground
        (X, Y, Z) bool, tissue; dark at the border of the grid.
    spacing
        Isotropic voxel size, mm.

    Returns
    -------
    region, depth
        (X, Y, Z): the bool region, and the distance of every foreground voxel to the dark in mm.
    """
    cavities, _ = ndimage.label(~foreground)
    size = np.bincount(cavities.ravel()) * spacing**3 / 1000
    size[0] = np.inf
    solid = foreground | (size < CAVITY_ML)[cavities]
    region, depth = np.zeros(solid.shape, dtype=bool), np.zeros(solid.shape, dtype=np.float32)
    box = _box(solid)
    region[box], depth[box] = _thickest(solid[box], spacing)
    return region, depth


def _box(solid: Mask) -> tuple[slice, ...]:
    """Where `solid` is, with a layer of the dark round it; what lies beyond takes time and changes nothing."""
    (within,) = ndimage.find_objects(solid.astype(np.uint8))
    return tuple(slice(max(0, side.start - 1), side.stop + 1) for side in within)


def _thickest(solid: Mask, spacing: float) -> tuple[Mask, Array]:
    depth = (ndimage.distance_transform_edt(solid) * spacing).astype(np.float32)
    peaks, count = ndimage.label(h_maxima(depth, RELIEF_MM))
    pieces = watershed(-depth, peaks, mask=solid)
    basin = np.isin(pieces, _joined(pieces, depth, count))
    top = np.unravel_index(depth.argmax(), depth.shape)
    thick = min(SCALP_MM, depth.max() / 2)
    parts, _ = ndimage.label(basin & (depth > thick))
    near = ndimage.distance_transform_edt(parts != parts[top]) * spacing <= thick + GYRUS_MM
    return basin & near, depth


def _joined(pieces: NDArray[np.int32], depth: Array, count: int) -> list[int]:
    """Labels of the pieces that are one with the thickest."""
    passage = np.zeros((count + 1, count + 1), dtype=np.float32)
    for axis in range(3):
        label, half_width = np.moveaxis(pieces, axis, 0), np.moveaxis(depth, axis, 0)
        a, b = label[1:], label[:-1]
        touch = (a != b) & (a > 0) & (b > 0)
        width = np.minimum(half_width[1:], half_width[:-1])[touch]
        np.maximum.at(passage, (a[touch], b[touch]), width)
        np.maximum.at(passage, (b[touch], a[touch]), width)
    peak = np.append(np.inf, ndimage.maximum(depth, pieces, np.arange(1, count + 1)))
    wide = passage >= PASSAGE * peak[:, None]
    joined = np.zeros(count + 1, dtype=bool)
    joined[1 + int(peak[1:].argmax())] = True
    while (grown := joined | wide[:, joined].any(axis=1)).sum() > joined.sum():
        joined = grown
    return np.flatnonzero(joined).tolist()
