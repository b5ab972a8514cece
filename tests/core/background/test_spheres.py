"""A sphere of one radius in a mask: what it takes from a harmonic field, and its adjoint."""

from __future__ import annotations

import pytest
import torch

from qsmflow.core.background.spheres import FixedSphere
from qsmflow.phantom.analytic import coordinates

VOXEL = (1.0, 1.2, 2.0)


@pytest.fixture(scope="module")
def mask() -> torch.Tensor:
    return coordinates((30, 26, 15), VOXEL).norm(dim=-1) < 12.0


def test_a_harmonic_field_equals_its_mean(mask: torch.Tensor) -> None:
    sphere = FixedSphere.within(mask, 4.0, VOXEL)
    x, y, z = coordinates(mask.shape, VOXEL).unbind(-1)
    content = sphere.content(torch.where(mask, x**2 - 0.5 * (y**2 + z**2) + x * z, torch.nan))
    differences = sphere.differences(content)
    assert bool(torch.isfinite(content).all())
    assert float(differences.abs().max()) < 1e-5 * float(content.abs().max())
    assert bool((differences[~sphere.centres] == 0).all())


def test_adjoint(mask: torch.Tensor) -> None:
    sphere = FixedSphere.within(mask, 4.0, VOXEL)
    generator = torch.Generator().manual_seed(0)
    one = torch.randn(sphere.mask.shape, generator=generator) * sphere.mask
    other = torch.randn(sphere.mask.shape, generator=generator) * sphere.centres
    left, right = float((sphere.differences(one) * other).sum()), float((one * sphere.adjoint(other)).sum())
    assert left == pytest.approx(right, abs=1e-5 * float(one.norm() * other.norm()))


def test_a_radius_below_a_voxel_is_one_voxel(mask: torch.Tensor) -> None:
    tiny, voxel = FixedSphere.within(mask, 0.1, VOXEL), FixedSphere.within(mask, 1.0, VOXEL)
    assert bool((tiny.eroded == voxel.eroded).all())
    assert bool((tiny.high_pass == voxel.high_pass).all())
