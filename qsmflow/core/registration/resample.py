"""Resampling into another grid through a rigid transform."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from scipy import ndimage
from torch import Tensor

from .transforms import Matrix, as_matrix


def resample(
    image: Tensor, affine: Matrix, transform: Matrix, reference_affine: Matrix, shape: Sequence[int], *, order: int = 3
) -> Tensor:
    """Sample an image on the grid of a reference.

    Parameters
    ----------
    image
        (X, Y, Z) float, or bool: a mask, which is interpolated linearly and cut at one half.
    affine, reference_affine
        (4, 4) voxel to world mm of the image and of the reference.
    transform
        (4, 4) world mm of the reference to world mm of the image.
    shape
        Voxels an axis of the reference.
    order
        Of the spline; 3 is cubic.

    Returns
    -------
    Tensor
        `shape`, float32 or bool, on the device of `image`; zero where the image does not reach.
    """
    is_mask = image.dtype == torch.bool
    matrix = (torch.linalg.inv(as_matrix(affine)) @ as_matrix(transform) @ as_matrix(reference_affine)).numpy()
    out = ndimage.affine_transform(
        image.to("cpu", torch.float32).numpy(),
        matrix[:3, :3],
        matrix[:3, 3],
        output_shape=tuple(shape),
        order=1 if is_mask else order,
        mode="constant",
    )
    sampled = torch.from_numpy(out).to(image.device)
    return sampled > 0.5 if is_mask else sampled
