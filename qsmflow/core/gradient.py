"""Finite differences on a periodic grid, in image space and as spectra."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from .grid import Size, frequencies


def gradient(volume: torch.Tensor, voxel_size: Sequence[float]) -> torch.Tensor:
    """Forward differences along the three axes, periodic.

    Parameters
    ----------
    volume
        (..., X, Y, Z).
    voxel_size
        In mm.

    Returns
    -------
    torch.Tensor
        (3, ..., X, Y, Z), per mm.
    """
    return torch.stack(
        [(torch.roll(volume, -1, axis - 3) - volume) / float(size) for axis, size in enumerate(voxel_size)]
    )


def gradient_adjoint(field: torch.Tensor, voxel_size: Sequence[float]) -> torch.Tensor:
    """Adjoint of `gradient`, the negative divergence by backward differences: (3, ..., X, Y, Z) to (..., X, Y, Z)."""
    total = torch.zeros_like(field[0])
    for axis, size in enumerate(voxel_size):
        total += (torch.roll(field[axis], 1, axis - 3) - field[axis]) / float(size)
    return total


def laplacian_spectrum(shape: Size, voxel_size: Sequence[float], device: torch.device | str = "cpu") -> torch.Tensor:
    """Half spectrum, real and at least 0, of ``gradient_adjoint(gradient(.))``, the negative discrete Laplacian.

    Parameters
    ----------
    shape
        Voxels of the real volume, (X, Y, Z).
    voxel_size
        In mm.

    Returns
    -------
    torch.Tensor
        1/mm^2, (X, Y, Z // 2 + 1).
    """
    kx, ky, kz = (
        (2.0 / float(size) * torch.sin(torch.pi * k * float(size))) ** 2
        for k, size in zip(frequencies(shape, voxel_size, device), voxel_size, strict=True)
    )
    return kx + (ky + kz)
