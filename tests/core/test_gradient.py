"""Finite differences: adjoint, spectrum and a plane."""

from __future__ import annotations

import torch

from qsmflow.core.gradient import gradient, gradient_adjoint, laplacian_spectrum
from qsmflow.core.grid import irfft, rfft

VOXEL = (1.0, 0.8, 2.5)


def test_adjoint_and_spectrum() -> None:
    generator = torch.Generator().manual_seed(0)
    x, y = torch.randn(8, 10, 7, generator=generator), torch.randn(3, 8, 10, 7, generator=generator)
    left, right = (gradient(x, VOXEL) * y).sum(), (x * gradient_adjoint(y, VOXEL)).sum()
    assert torch.isclose(left, right, rtol=1e-4)
    twice = gradient_adjoint(gradient(x, VOXEL), VOXEL)
    assert torch.allclose(twice, irfft(rfft(x) * laplacian_spectrum((8, 10, 7), VOXEL), (8, 10, 7)), atol=1e-4)


def test_slope_of_a_plane_is_per_mm() -> None:
    z = torch.arange(6.0).expand(4, 4, 6) * VOXEL[2]
    slope = gradient(3.0 * z, VOXEL)[:, :, :, :-1]
    assert torch.allclose(slope[2], torch.full_like(slope[2], 3.0)) and not bool(slope[:2].any())
