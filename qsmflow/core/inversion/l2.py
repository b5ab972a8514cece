"""Closed-form inversion with a quadratic gradient penalty."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from ..box import Box
from ..dipole import dipole_kernel, kernel_variance
from ..gradient import laplacian_spectrum
from ..grid import Size, energy
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

    D^2 is taken with its variance over what the box around the mask can tell apart in k-space (`kernel_variance`):
    near the origin the gradient costs next to nothing, and where D passes through zero a few points of the grid would
    rule the map.

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
    weight
        mm^2; the gradient is a forward difference per mm.
    norms
        Called with the norms of ``D chi - field`` and of ``grad chi`` before the mask is applied to chi.

    Returns
    -------
    torch.Tensor
        Susceptibility, ppm, (..., X, Y, Z); zero outside the mask. Divided on a grid half as long again as
        the box around the mask, which takes 2.2 volumes of that size, and a few more with `norms`.

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
    inside = box.cut(mask)
    known = torch.where(inside, box.cut(field), 0.0)
    transfer = laplacian_spectrum(box.padded, voxel_size, field.device)
    variance = kernel_variance(kernel, box.padded, voxel_size, box.size)
    if norms is not None:
        _tell(norms, box.spectrum(known), kernel, transfer, weight, variance, box.padded)
    transfer.mul_(weight).addcmul_(kernel, kernel).add_(variance)
    del variance
    transfer[0, 0, 0] = 1.0
    transfer.reciprocal_().mul_(kernel)
    del kernel
    return box.put(box.filter(known, transfer) * inside, mask.shape)


def _tell(
    norms: Norms,
    known: torch.Tensor,
    kernel: torch.Tensor,
    laplacian: torch.Tensor,
    weight: float,
    variance: torch.Tensor,
    shape: Size,
) -> None:
    """Both norms of the solution, from spectra on the grid `shape`."""
    denominator = kernel.square() + weight * laplacian + variance
    denominator[0, 0, 0] = 1.0
    chi = known * (kernel / denominator)
    norms(energy(chi * kernel - known, shape) ** 0.5, energy(chi * laplacian.sqrt(), shape) ** 0.5)
