"""iLSQR on a ball of many regions, whose streaks it must find."""

from __future__ import annotations

import pytest
import torch

from qsmflow.core.dipole import forward_field
from qsmflow.core.inversion import ilsqr, l2
from qsmflow.phantom.analytic import coordinates
from tests.core.inversion.test_inversion import OBLIQUE, error

SHAPES = {(1.0, 1.0, 1.0): (40, 40, 40), (1.0, 1.0, 2.0): (40, 40, 20)}


def regions(voxel_size: tuple[float, float, float]) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """A ball tiled by regions of one susceptibility and one magnitude each; and the ball."""
    points = coordinates(SHAPES[voxel_size], voxel_size)
    generator = torch.Generator().manual_seed(2)
    seeds = 40.0 * torch.rand(80, 3, generator=generator) - 20.0
    labels = torch.cdist(points.reshape(-1, 3), seeds).argmin(1).reshape(points.shape[:3])
    chi, magnitude = 0.05 * torch.randn(80, generator=generator), 0.5 + torch.rand(80, generator=generator)
    return chi[labels], magnitude[labels], points.norm(dim=-1) < 17


def slope(x: torch.Tensor, y: torch.Tensor, mask: torch.Tensor) -> float:
    """Of the regression of x on y in the mask."""
    x, y = x[mask] - x[mask].mean(), y[mask] - y[mask].mean()
    return float((x * y).sum() / y.square().sum())


@pytest.mark.parametrize("voxel_size", SHAPES)
@pytest.mark.parametrize("b0_dir", [(0.0, 0.0, 1.0), OBLIQUE])
def test_streaks_are_removed(voxel_size: tuple[float, float, float], b0_dir: tuple[float, float, float]) -> None:
    chi, _, mask = regions(voxel_size)
    generator = torch.Generator().manual_seed(0)
    field = (forward_field(chi * mask, voxel_size, b0_dir) + 0.001 * torch.randn(chi.shape, generator=generator)) * mask
    told: list[int] = []
    found, residuals = ilsqr(field, mask, voxel_size, b0_dir, progress=lambda n, _: told.append(n))
    plain = l2(field, mask, voxel_size, b0_dir)
    assert error(found, chi, mask) < 0.8 * error(plain, chi, mask)
    assert slope(found, chi, mask) > slope(plain, chi, mask)
    assert told == list(range(1, len(residuals) + 1)) and residuals[-1] <= 0.03
    wrong, _ = ilsqr(field, mask, voxel_size, (1.0, 0.0, 0.0))
    assert error(wrong, chi, mask) > 1.5 * error(found, chi, mask)


@pytest.mark.parametrize("which", ["one", "full", "ragged", "plane"])
def test_finite_whatever_the_mask(which: str) -> None:
    shape = (12, 10, 9)
    generator = torch.Generator().manual_seed(0)
    mask = torch.zeros(shape, dtype=torch.bool)
    if which == "one":
        mask[4, 4, 4] = True
    elif which == "plane":
        mask[:, 3] = True
    else:
        mask = torch.rand(shape, generator=generator) > (0.5 if which == "ragged" else -1.0)
    field = torch.randn(shape, generator=generator)
    for known in (field, torch.zeros(shape)):
        found, _ = ilsqr(known, mask, (1, 1, 1.5), OBLIQUE)
        assert bool(torch.isfinite(found).all()) and not bool(found[~mask].any())


def test_refusals() -> None:
    field, mask = torch.zeros(8, 8, 8), torch.ones(8, 8, 8, dtype=torch.bool)
    with pytest.raises(ValueError, match="threshold"):
        ilsqr(field, mask, (1, 1, 1), threshold=0.0)
    with pytest.raises(ValueError, match="empty"):
        ilsqr(field, ~mask, (1, 1, 1))


def test_strong_sources_keep_their_strength() -> None:
    chi, _, mask = regions((1.0, 1.0, 1.0))
    points = torch.tensor([[20, 20, 20], [12, 22, 18], [25, 14, 24]])
    chi[tuple(points.T)] = 1.0
    found, _ = ilsqr(forward_field(chi * mask, (1.0, 1.0, 1.0)) * mask, mask, (1.0, 1.0, 1.0))
    assert float(found[tuple(points.T)].min()) > 0.6
