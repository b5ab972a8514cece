"""Magnitude on a coarse isotropic grid, freed of the coils' shading."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from skimage.filters import threshold_otsu

Array = NDArray[np.float32]
Voxel = tuple[float, float, float]

#: Voxels above this part of the local mean of the foreground belong to the foreground.
FOREGROUND = 0.4
#: Standard deviation, mm, of the Gaussian that takes the local mean; wide against tissue, narrow against shading.
SHADING_MM = 25.0
#: Blocks of so many voxels an axis are averaged before that Gaussian.
BLOCK = 4


def to_isotropic(image: Array, voxel_size: Voxel, spacing: float) -> Array:
    """Return `image` (X, Y, Z) averaged onto a grid of `spacing` mm that covers the same field of view."""
    ratio = [spacing / v for v in voxel_size]
    blur = [0.4 * max(r**2 - 1, 0.0) ** 0.5 for r in ratio]
    shape = tuple(max(1, round(n / r)) for n, r in zip(image.shape, ratio, strict=True))
    offset = [(r - 1) / 2 for r in ratio]
    soft = ndimage.gaussian_filter(image, blur, mode="nearest", truncate=3)
    return ndimage.affine_transform(soft, ratio, offset, output_shape=shape, order=1, mode="nearest")


def from_isotropic(image: Array, shape: tuple[int, ...], voxel_size: Voxel, spacing: float, border: int) -> Array:
    """Return `image`, on the grid of `to_isotropic` padded by `border` voxels, interpolated linearly to the first."""
    ratio = [v / spacing for v in voxel_size]
    offset = [(r - 1) / 2 + border for r in ratio]
    return ndimage.affine_transform(image, ratio, offset, output_shape=shape, order=1, mode="nearest")


def flatten(image: Array, spacing: float) -> tuple[Array, NDArray[np.bool_]]:
    """Divide a magnitude by its shading, and tell tissue from dark.

    The shading is the mean of the foreground under a wide Gaussian (normalised convolution), the foreground what
    exceeds `FOREGROUND` of the shading; the two are found in turn.

    Parameters
    ----------
    image
        (X, Y, Z) magnitude, any unit, not zero throughout.
    spacing
        Isotropic voxel size, mm.

    Returns
    -------
    flat, foreground
        (X, Y, Z): magnitude with tissue near 1, and the bool foreground.
    """
    foreground = image > 0.6 * threshold_otsu(image)
    flat = image
    for _ in range(3):
        share = ndimage.gaussian_filter(
            _blocks(foreground.astype(np.float32)), SHADING_MM / spacing / BLOCK, truncate=3
        )
        total = ndimage.gaussian_filter(_blocks(image * foreground), SHADING_MM / spacing / BLOCK, truncate=3)
        shading = np.where(share > 1e-3, total / np.maximum(share, 1e-3), total.sum() / share.sum())
        # far from tissue the mean rests on noise: the floor keeps it from being divided up to tissue
        shading = np.maximum(shading, 0.1 * np.median(shading[share >= 0.5 * share.max()]))
        wide = ndimage.affine_transform(
            shading, [1 / BLOCK] * 3, 0.5 / BLOCK - 0.5, output_shape=image.shape, order=1, mode="nearest"
        )
        flat = image / wide
        foreground = flat > FOREGROUND
    return flat, foreground


def _blocks(image: Array) -> Array:
    """Mean over blocks of `BLOCK` voxels an axis, the last one filled up by the edge."""
    padded = np.pad(image, [(0, -n % BLOCK) for n in image.shape], mode="edge")
    x, y, z = (n // BLOCK for n in padded.shape)
    return padded.reshape(x, BLOCK, y, BLOCK, z, BLOCK).mean(axis=(1, 3, 5), dtype=np.float32)
