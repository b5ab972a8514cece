"""Truncated singular value decomposition."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from .division import divide


def tsvd(
    field: torch.Tensor,
    mask: torch.Tensor,
    voxel_size: Sequence[float],
    b0_dir: Sequence[float] = (0.0, 0.0, 1.0),
    *,
    threshold: float = 0.1,
    rescale: bool = False,
) -> torch.Tensor:
    """Divide by the dipole kernel where it is above the threshold; elsewhere k-space stays empty.

    The dipole is a convolution, its spectrum therefore its singular values.

    Parameters
    ----------
    field
        Local field, ppm, (..., X, Y, Z).
    mask
        bool, (X, Y, Z).
    voxel_size
        In mm.
    b0_dir
        Direction of B0 in voxel axes.
    threshold
        In units of the kernel, which spans -2/3 to 1/3. More removes streaks and noise, and what lies on the cone.
    rescale
        As for `tkd`.

    Returns
    -------
    torch.Tensor
        As of `tkd`.

    Raises
    ------
    ValueError
        `threshold` is not positive or no value of the kernel is above it, or the mask is empty.

    References
    ----------
    Wharton et al., Magn Reson Med 2010.
    """
    if not 0 < threshold < 2 / 3:
        raise ValueError(f"threshold must be between 0 and 2/3, got {threshold}")

    def invert(kernel: torch.Tensor) -> torch.Tensor:
        dropped = kernel.abs() <= threshold
        return kernel.reciprocal_().masked_fill_(dropped, 0.0)

    return divide(field, mask, voxel_size, b0_dir, invert, rescale=rescale)
