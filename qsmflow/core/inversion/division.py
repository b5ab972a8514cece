"""Direct division in k-space, which TKD and TSVD do with different inverses."""

from __future__ import annotations

import torch

from ..box import Box


def divide(
    field: torch.Tensor, mask: torch.Tensor, box: Box, kernel: torch.Tensor, inverse: torch.Tensor, *, rescale: bool
) -> torch.Tensor:
    """Multiply the spectrum of the field by a truncated inverse of the kernel.

    Parameters
    ----------
    field
        ppm, (..., X, Y, Z).
    mask
        bool, (X, Y, Z).
    box
        Around the mask.
    kernel
        Half spectrum of the dipole on the box's padded grid.
    inverse
        Of the same shape; is overwritten.
    rescale
        Undo the factor by which truncation lowers all susceptibilities.

    Returns
    -------
    torch.Tensor
        Susceptibility, ppm, (..., X, Y, Z), zero outside the mask.
    """
    inverse[0, 0, 0] = 0.0
    if rescale:
        inverse /= (inverse * kernel).mean()
    chi = box.content(box.spectrum(box.cut(torch.where(mask, field, 0.0))) * inverse)
    return box.put(chi * box.cut(mask), mask.shape)
