"""Truncated k-space division."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from .division import divide


def tkd(
    field: torch.Tensor,
    mask: torch.Tensor,
    voxel_size: Sequence[float],
    b0_dir: Sequence[float] = (0.0, 0.0, 1.0),
    *,
    threshold: float = 0.15,
    rescale: bool = False,
) -> torch.Tensor:
    """Divide by the dipole kernel, its small values replaced by ``sign(D) * threshold``.

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
        In units of the kernel, which spans -2/3 to 1/3.
    rescale
        Undo the factor, which depends on the threshold alone, by which truncation lowers all susceptibilities: the
        means become truer, and noise and streaks grow by as much, in sum for the worse.

    Returns
    -------
    torch.Tensor
        Susceptibility, ppm, (..., X, Y, Z); zero outside the mask. Divided on a grid half as long again as the box
        around the mask, which takes 2.2 volumes of that size, and of mean zero there.

    Raises
    ------
    ValueError
        `threshold` is not positive, or the mask is empty.

    References
    ----------
    Shmueli et al., Magn Reson Med 2009; Schweser et al., Magn Reson Med 2013 (the factor).
    """
    if not threshold > 0:
        raise ValueError(f"threshold must be above 0, got {threshold}")

    def invert(kernel: torch.Tensor) -> torch.Tensor:
        return kernel.abs().clamp_min_(threshold).reciprocal_().copysign_(kernel)

    return divide(field, mask, voxel_size, b0_dir, invert, rescale=rescale)
