"""Closed-form inversion with a quadratic gradient penalty."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from ..box import Box
from ..dipole import dipole_kernel
from ..gradient import laplacian_spectrum
from ..grid import energy
from ..solve import Norms


def l2(
    field: torch.Tensor,
    mask: torch.Tensor,
    voxel_size: Sequence[float],
    b0_dir: Sequence[float] = (0.0, 0.0, 1.0),
    *,
    weight: float = 0.01,
    norms: Norms | None = None,
) -> torch.Tensor:
    """Minimise ``|D chi - field|^2 + weight |grad chi|^2``, which one division in k-space does.

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
    weight
        mm^2; the gradient is a forward difference per mm.
    norms
        Called with the norms of ``D chi - field`` and of ``grad chi`` before the mask is applied to chi.

    Returns
    -------
    torch.Tensor
        Susceptibility, ppm, (..., X, Y, Z); zero outside the mask. Divided on a grid twice the box around
        the mask, which takes 4 volumes of that size.

    Raises
    ------
    ValueError
        `weight` is not positive, or the mask is empty.

    References
    ----------
    Bilgic et al., J Magn Reson Imaging 2014.
    """
    if not weight > 0:
        raise ValueError(f"weight must be above 0, got {weight}")
    box = Box.around(mask)
    kernel = dipole_kernel(box.padded, voxel_size, b0_dir, device=field.device)
    laplacian = laplacian_spectrum(box.padded, voxel_size, field.device)
    denominator = kernel.square() + weight * laplacian
    denominator[0, 0, 0] = 1.0
    inside = box.cut(mask)
    known = box.spectrum(box.cut(field) * inside)
    chi = known * (kernel / denominator)
    if norms is not None:
        norms(energy(chi * kernel - known, box.padded) ** 0.5, energy(chi * laplacian.sqrt(), box.padded) ** 0.5)
    return box.put(box.content(chi) * inside, mask.shape)
