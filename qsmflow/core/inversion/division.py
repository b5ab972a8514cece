"""Direct division in k-space, which TKD and TSVD do with different inverses."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch

from ..box import Box
from ..dipole import dipole_kernel


def divide(
    field: torch.Tensor,
    mask: torch.Tensor,
    voxel_size: Sequence[float],
    b0_dir: Sequence[float],
    invert: Callable[[torch.Tensor], torch.Tensor],
    *,
    rescale: bool,
) -> torch.Tensor:
    """Multiply the spectrum of the field by a truncated inverse of the dipole kernel, on a grid larger than the mask.

    Parameters
    ----------
    field
        ppm, (..., X, Y, Z).
    mask
        bool, (X, Y, Z).
    voxel_size
        In mm.
    b0_dir
        Direction of B0 in voxel axes.
    invert
        From the kernel, which it may overwrite unless `rescale` is set, to its inverse.
    rescale
        Undo the factor by which truncation lowers all susceptibilities.

    Returns
    -------
    torch.Tensor
        Susceptibility, ppm, (..., X, Y, Z), zero outside the mask.
    """
    box = Box.around(mask)
    kernel = dipole_kernel(box.padded, voxel_size, b0_dir, device=field.device)
    if rescale:
        inverse = invert(kernel.clone())
        inverse /= (inverse * kernel).mean()
    else:
        inverse = invert(kernel)
    del kernel
    inverse[0, 0, 0] = 0.0
    chi = box.filter(torch.where(box.cut(mask), box.cut(field), 0.0), inverse)
    return box.put(chi * box.cut(mask), mask.shape)
