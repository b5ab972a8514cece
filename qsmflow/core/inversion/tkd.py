"""Truncated k-space division."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from ..dipole import dipole_kernel
from ..grid import as_size, crop_to, fast_shape, irfft, pad_to, rfft


def tkd(
    field: torch.Tensor,
    mask: torch.Tensor,
    voxel_size: Sequence[float],
    b0_dir: Sequence[float] = (0.0, 0.0, 1.0),
    *,
    threshold: float = 0.15,
) -> torch.Tensor:
    """Divide by the dipole kernel, its small values replaced by ``sign(D) * threshold``.

    The replacement lowers all susceptibilities by a factor that depends on the threshold alone; it is undone.

    Parameters
    ----------
    field
        Local field, ppm, (..., X, Y, Z).
    mask
        bool, (X, Y, Z).
    voxel_size
        mm.
    b0_dir
        Direction of B0 in voxel axes.
    threshold
        In units of the kernel, which spans -2/3 to 1/3.

    Returns
    -------
    torch.Tensor
        Susceptibility, ppm, (..., X, Y, Z); zero outside the mask, of mean zero over the grid.

    Raises
    ------
    ValueError
        `threshold` is not positive.

    References
    ----------
    Shmueli et al., Magn Reson Med 2009; Schweser et al., Magn Reson Med 2013 (the factor).
    """
    if not threshold > 0:
        raise ValueError(f"threshold must be above 0, got {threshold}")
    shape = as_size(field.shape)
    padded = fast_shape(shape)
    kernel = dipole_kernel(padded, voxel_size, b0_dir, device=field.device)
    sign = torch.where(kernel < 0, -1.0, 1.0)
    inverse = sign / kernel.abs().clamp_min(threshold)
    inverse /= (inverse * kernel).mean()
    inverse[0, 0, 0] = 0.0
    chi = crop_to(irfft(rfft(pad_to(field * mask, padded)) * inverse, padded), shape)
    return chi * mask
