"""Inversions on a susceptibility that is known."""

from __future__ import annotations

import math

import pytest
import torch

from qsmflow.core.dipole import forward_field
from qsmflow.core.inversion import condition, cosmos, cosmos_kspace, l2, orientation_noise, tkd
from qsmflow.phantom.analytic import coordinates

OBLIQUE = (0.3, -0.4, 0.8)
DIRECTIONS = [
    (math.sin(math.radians(a)) * math.cos(p), math.sin(math.radians(a)) * math.sin(p), math.cos(math.radians(a)))
    for a, p in ((0, 0.0), (25, 0.3), (20, 2.2), (25, 4.0), (15, 5.2))
]


def blobs(voxel_size: tuple[float, float, float] = (1.0, 1.0, 1.0)) -> tuple[torch.Tensor, torch.Tensor]:
    """A smooth susceptibility well inside a ball, and the ball."""
    shape = (48, 48, 48) if voxel_size[2] == 1 else (48, 48, 24)
    points = coordinates(shape, voxel_size)
    chi = torch.zeros(shape)
    for centre, width, value in (((6, 0, 4), 4.0, 0.2), ((-7, 3, -5), 3.5, -0.1), ((0, -8, 2), 5.0, 0.08)):
        chi += value * torch.exp(-(((points - torch.tensor([float(c) for c in centre])).norm(dim=-1) / width) ** 2))
    return chi, points.norm(dim=-1) < 20


def error(x: torch.Tensor, y: torch.Tensor, mask: torch.Tensor) -> float:
    x, y = x[mask] - x[mask].mean(), y[mask] - y[mask].mean()
    return float((x - y).norm() / y.norm())


@pytest.mark.parametrize("invert", [tkd, l2])
@pytest.mark.parametrize("voxel_size", [(1.0, 1.0, 1.0), (1.0, 1.0, 2.0)])
@pytest.mark.parametrize("b0_dir", [(0.0, 0.0, 1.0), OBLIQUE])
def test_single_orientation(
    invert: object, voxel_size: tuple[float, float, float], b0_dir: tuple[float, float, float]
) -> None:
    chi, mask = blobs(voxel_size)
    field = forward_field(chi, voxel_size, b0_dir)
    found = invert(field, mask, voxel_size, b0_dir)  # type: ignore[operator]
    assert error(found, chi, mask) < 0.35
    assert not bool(found[~mask].any())
    wrong = invert(field, mask, voxel_size, (1.0, 0.0, 0.0))  # type: ignore[operator]
    assert error(wrong, chi, mask) > 2 * error(found, chi, mask)


def test_tkd_keeps_the_scale() -> None:
    """The factor that truncation takes away is given back: the slope of the answer on the truth stays near one."""
    chi, mask = blobs()
    field = forward_field(chi, (1, 1, 1))
    for threshold in (0.1, 0.2, 0.3):
        found = tkd(field, mask, (1, 1, 1), threshold=threshold, rescale=True)
        slope = float((found * chi)[mask].sum() / chi[mask].square().sum())
        assert 0.8 < slope < 1.2


def test_oblique_anisotropic_is_the_same_head() -> None:
    """Turning the grid under the head and stretching its voxels changes the map by interpolation only."""
    chi, mask = blobs()
    straight = l2(forward_field(chi, (1, 1, 1)), mask, (1, 1, 1))
    # the same head on axes (x, z, -y): B0, along z, is the second axis there
    turned = chi.permute(0, 2, 1).flip(2)
    other = l2(forward_field(turned, (1, 1, 1), (0, 1, 0)), mask.permute(0, 2, 1).flip(2), (1, 1, 1), (0, 1, 0))
    assert torch.allclose(other.flip(2).permute(0, 2, 1), straight, atol=2e-4)


def test_cosmos_beats_a_single_orientation() -> None:
    chi, mask = blobs()
    generator = torch.Generator().manual_seed(0)
    fields = torch.stack([forward_field(chi, (1, 1, 1), b) for b in DIRECTIONS])
    fields = (fields + 0.0003 * torch.randn(fields.shape, generator=generator)) * mask
    closed = cosmos_kspace(fields, mask, (1, 1, 1), DIRECTIONS)
    weights = mask.float().expand(5, -1, -1, -1)
    solved, residuals = cosmos(fields, weights, (1, 1, 1), DIRECTIONS, margin=0.0, tolerance=1e-3)
    single = min(error(invert(fields[0], mask, (1, 1, 1)), chi, mask) for invert in (tkd, l2))
    assert error(closed, chi, mask) < 0.8 * single
    assert error(solved, chi, mask) < 0.5 * error(closed, chi, mask)
    assert residuals[-1] <= 1e-3 and residuals[-1] < residuals[0]


def test_cosmos_forgives_what_one_orientation_lacks() -> None:
    chi, mask = blobs()
    fields = torch.stack([forward_field(chi, (1, 1, 1), b) for b in DIRECTIONS]) * mask
    weights = mask.float().expand(5, -1, -1, -1).clone()
    weights[2, :22] = 0.0
    fields[2, :22] = 5.0
    solved, _ = cosmos(fields, weights, (1, 1, 1), DIRECTIONS, tolerance=1e-3)
    assert error(solved, chi, mask) < 0.05


def test_cosmos_does_not_see_what_is_outside_the_masks() -> None:
    chi, mask = blobs()
    masks = mask.expand(5, -1, -1, -1).clone()
    masks[2, :22] = False
    fields = torch.stack([forward_field(chi, (1, 1, 1), b) for b in DIRECTIONS])
    holes = torch.where(masks, fields, torch.nan)
    clean, _ = cosmos(fields * masks, masks.float(), (1, 1, 1), DIRECTIONS, max_iterations=5)
    dirty, _ = cosmos(holes, masks.float(), (1, 1, 1), DIRECTIONS, max_iterations=5)
    assert torch.equal(clean, dirty)
    common = masks.all(0)
    closed = [cosmos_kspace(one, common, (1, 1, 1), DIRECTIONS) for one in (fields, holes)]
    assert torch.equal(*closed)
    noise = [orientation_noise(clean, one, masks, (1, 1, 1), DIRECTIONS) for one in (fields, holes)]
    assert noise[0] == noise[1] and all(math.isfinite(one) for one in noise[0])


def test_cosmos_stops_as_it_is_told() -> None:
    chi, mask = blobs()
    fields = torch.stack([forward_field(chi, (1, 1, 1), b) for b in DIRECTIONS])
    weights = mask.float().expand(5, -1, -1, -1)
    chi_near, residuals = cosmos(fields, weights, (1, 1, 1), DIRECTIONS, margin=2.0, tolerance=0.1)
    assert residuals[-1] <= 0.1 < residuals[-2]
    assert bool(chi_near[~mask].any()) and not bool(chi_near[0].any()), "sources only within the margin"
    _, residuals = cosmos(fields, weights, (1, 1, 1), DIRECTIONS, tolerance=0.0, max_iterations=3)
    assert len(residuals) == 3


def test_condition() -> None:
    assert condition([(0, 0, 1)]).smallest < 1e-3
    spread = condition([(0, 0, 1), (0, math.sin(math.pi / 3), 0.5), (0, -math.sin(math.pi / 3), 0.5)])
    assert spread.smallest > condition(DIRECTIONS).smallest > 0.1
    assert condition(DIRECTIONS[:1]).weak > 0.15


def test_refusals() -> None:
    field = torch.zeros(2, 8, 8, 8)
    mask = torch.ones(8, 8, 8, dtype=torch.bool)
    with pytest.raises(ValueError, match="threshold"):
        tkd(field, mask, (1, 1, 1), threshold=0.0)
    with pytest.raises(ValueError, match="weight"):
        l2(field, mask, (1, 1, 1), weight=0.0)
    with pytest.raises(ValueError, match="two orientations"):
        cosmos_kspace(field[:1], mask, (1, 1, 1), DIRECTIONS[:1])
    with pytest.raises(ValueError, match="directions"):
        cosmos(field, torch.ones_like(field), (1, 1, 1), DIRECTIONS)
    with pytest.raises(ValueError, match="zero"):
        cosmos(field, torch.zeros_like(field), (1, 1, 1), DIRECTIONS[:2])


def test_a_noisy_orientation_counts_less() -> None:
    chi, mask = blobs()
    generator = torch.Generator().manual_seed(0)
    noise = torch.tensor([0.001, 0.001, 0.02, 0.001, 0.001])
    fields = torch.stack([forward_field(chi, (1, 1, 1), b) for b in DIRECTIONS])
    fields = (fields + noise[:, None, None, None] * torch.randn(fields.shape, generator=generator)) * mask
    masks = mask.expand(5, -1, -1, -1)
    first, _ = cosmos(fields, masks.float(), (1, 1, 1), DIRECTIONS)
    found = orientation_noise(first, fields, masks, (1, 1, 1), DIRECTIONS)
    assert max(found) == found[2] == pytest.approx(0.02, rel=0.3)
    weights = [1.0 / one for one in found]
    solved, _ = cosmos(fields, masks.float(), (1, 1, 1), DIRECTIONS, orientation_weights=weights)
    assert error(solved, chi, mask) < 0.7 * error(first, chi, mask)
    equal = cosmos_kspace(fields, mask, (1, 1, 1), DIRECTIONS)
    closed = cosmos_kspace(fields, mask, (1, 1, 1), DIRECTIONS, orientation_weights=weights)
    assert error(closed, chi, mask) < error(equal, chi, mask)
    same = cosmos_kspace(fields, mask, (1, 1, 1), DIRECTIONS, orientation_weights=[3.0] * 5)
    assert torch.allclose(same, equal, atol=1e-6)
    for wrong, told in (([1.0] * 4, "4 weights"), ([1.0, 1.0, 0.0, 1.0, 1.0], "above 0")):
        with pytest.raises(ValueError, match=told):
            cosmos(fields, masks.float(), (1, 1, 1), DIRECTIONS, orientation_weights=wrong)
