"""Laplace's equation in a mask, against functions that solve it."""

from __future__ import annotations

import math

import pytest
import torch

from qsmflow.core.multigrid import negative_laplacian, solve_poisson
from qsmflow.phantom.analytic import coordinates


@pytest.mark.parametrize("voxel_size", [(1.0, 1.0, 1.0), (1.0, 1.0, 2.0), (0.7, 1.0, 3.0)])
@pytest.mark.parametrize("shape", [(31, 30, 17), (64, 5, 12)])
def test_standing_waves_are_solved(shape: tuple[int, int, int], voxel_size: tuple[float, float, float]) -> None:
    """In a box the discrete Laplacian of a product of sines is known: that product, times a number."""
    u, eigenvalue = torch.ones(shape), 0.0
    for axis, (n, d) in enumerate(zip(shape, voxel_size, strict=True)):
        wave = torch.sin(math.pi * (axis + 1) * torch.arange(1, n + 1) / (n + 1))
        u = u * wave.reshape([-1 if other == axis else 1 for other in range(3)])
        eigenvalue += (2.0 / d * math.sin(math.pi * (axis + 1) / (2 * (n + 1)))) ** 2
    assert torch.allclose(negative_laplacian(u, voxel_size), eigenvalue * u, atol=1e-5)
    everywhere = torch.ones(shape, dtype=torch.bool)
    found, residuals = solve_poisson(eigenvalue * u, everywhere, voxel_size, tolerance=1e-6, max_iterations=40)
    assert residuals[-1] < 1e-6 and float((found - u).abs().max()) < 1e-4


@pytest.mark.parametrize("voxel_size", [(1.0, 1.0, 1.0), (1.0, 1.0, 3.0)])
def test_a_ragged_mask_costs_few_iterations(voxel_size: tuple[float, float, float]) -> None:
    points = coordinates([round(56 / d) for d in voxel_size], voxel_size)
    generator = torch.Generator().manual_seed(0)
    mask = points.norm(dim=-1) + 6.0 * torch.rand(points.shape[:-1], generator=generator) < 26.0
    right = torch.randn(mask.shape, generator=generator) * mask
    found, residuals = solve_poisson(right, mask, voxel_size, tolerance=1e-5, max_iterations=30)
    assert len(residuals) < 20
    assert not bool(found[~mask].any())
    left = negative_laplacian(found, voxel_size)
    assert float((left - right)[mask].norm() / right.norm()) < 1e-3


def test_one_voxel() -> None:
    mask = torch.zeros(5, 5, 5, dtype=torch.bool)
    mask[2, 2, 2] = True
    found, _ = solve_poisson(mask.float(), mask, (1.0, 1.0, 2.0), tolerance=1e-6, max_iterations=20)
    assert float(found[2, 2, 2]) == pytest.approx(1.0 / 4.5, rel=1e-4)
