"""MEDI on a head whose magnitude shows where its susceptibility changes."""

from __future__ import annotations

import pytest
import torch

from qsmflow.core.dipole import forward_field
from qsmflow.core.inversion import l2, medi
from qsmflow.phantom.analytic import coordinates
from tests.core.inversion.test_inversion import OBLIQUE, error

SHAPES = {(1.0, 1.0, 1.0): (40, 40, 40), (1.0, 1.0, 2.0): (40, 40, 20)}


def spheres(voxel_size: tuple[float, float, float]) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
    """Susceptibility of spheres, a magnitude with the same edges, the mask, and the middle sphere."""
    points = coordinates(SHAPES[voxel_size], voxel_size)
    chi, magnitude = torch.zeros(points.shape[:3]), torch.ones(points.shape[:3])
    middle = points.norm(dim=-1) < 4
    for centre, value in (((8.0, 0.0, 4.0), 0.2), ((-8.0, 3.0, -5.0), -0.1), ((0.0, 0.0, 0.0), 0.05)):
        inside = (points - torch.tensor(centre)).norm(dim=-1) < 4
        chi[inside] = value
        magnitude[inside] = 1.0 - value
    return chi, magnitude, points.norm(dim=-1) < 17, middle


@pytest.mark.parametrize("voxel_size", SHAPES)
@pytest.mark.parametrize("b0_dir", [(0.0, 0.0, 1.0), OBLIQUE])
def test_medi_beats_a_quadratic_penalty(
    voxel_size: tuple[float, float, float], b0_dir: tuple[float, float, float]
) -> None:
    chi, magnitude, mask, _ = spheres(voxel_size)
    generator = torch.Generator().manual_seed(0)
    field = (forward_field(chi * mask, voxel_size, b0_dir) + 0.002 * torch.randn(chi.shape, generator=generator)) * mask
    told: list[int] = []
    found, changes = medi(
        field, magnitude, mask, voxel_size, b0_dir, te=0.005, tolerance=0.03, progress=lambda n, _: told.append(n)
    )
    assert error(found, chi, mask) < min(0.15, 0.4 * error(l2(field, mask, voxel_size, b0_dir), chi, mask))
    slope = float((found * chi)[mask].sum() / chi[mask].square().sum())
    assert 0.9 < slope < 1.1
    assert not bool(found[~mask].any())
    assert told == list(range(1, len(changes) + 1)) and changes[-1] <= 0.03 < changes[-2]


def test_a_turn_of_phase_is_forgiven() -> None:
    chi, magnitude, mask, _ = spheres((1.0, 1.0, 1.0))
    field = forward_field(chi * mask, (1, 1, 1)) * mask
    turned = field.clone()
    turned[18:22, 25:28, 20] += 1.0 / (42.577478518 * 3.0 * 0.02)
    nonlinear, _ = medi(turned, magnitude, mask, (1, 1, 1), te=0.02)
    linear, _ = medi(turned, magnitude, mask, (1, 1, 1))
    assert error(nonlinear, chi, mask) < min(0.1, 0.4 * error(linear, chi, mask))


@pytest.mark.parametrize("value", [0.5, 1.0, 2.0])
@pytest.mark.parametrize("turned", [False, True])
def test_a_strong_source_is_beyond_half_a_turn(value: float, turned: bool) -> None:
    """Its field makes up to three turns at the echo; a wrong turn elsewhere is still told from it."""
    te, b0 = 0.02, 3.0
    points = coordinates((40, 40, 40), (1.0, 1.0, 1.0))
    mask, inside = points.norm(dim=-1) < 17, (points - torch.tensor((3.0, -2.0, 1.0))).norm(dim=-1) < 4
    chi, magnitude = value * inside, 1.0 - 0.3 * inside
    field = forward_field(chi, (1, 1, 1)) * mask
    if turned:
        field[20:28, 8:14, 8:18] -= 1.0 / (42.577478518 * b0 * te)
    found, _ = medi(field, magnitude, mask, (1, 1, 1), te=te, b0=b0)
    assert error(found, chi, mask) < 0.1


def test_what_is_noisy_counts_less() -> None:
    chi, magnitude, mask, _ = spheres((1.0, 1.0, 1.0))
    field = forward_field(chi * mask, (1, 1, 1)) * mask
    field[10:14, 14:18, 20:24] = 1.0
    dark = magnitude.clone()
    dark[10:14, 14:18, 20:24] = 0.0
    seen, _ = medi(field, dark, mask, (1, 1, 1))
    assert error(seen, chi, mask) < 0.1 < error(medi(field, magnitude, mask, (1, 1, 1))[0], chi, mask)


def test_the_fluid_becomes_even_and_zero() -> None:
    chi, magnitude, mask, fluid = spheres((1.0, 1.0, 1.0))
    generator = torch.Generator().manual_seed(0)
    field = (forward_field(chi * mask, (1, 1, 1)) + 0.01 * torch.randn(chi.shape, generator=generator)) * mask
    free, _ = medi(field, magnitude, mask, (1, 1, 1))
    bound, _ = medi(field, magnitude, mask, (1, 1, 1), csf=fluid, csf_weight=10.0)
    assert float(bound[fluid].mean()) == pytest.approx(0.0, abs=1e-6)
    assert float(bound[fluid].std()) < 0.3 * float(free[fluid].std())
    assert not bool(bound[~mask].any())


@pytest.mark.parametrize("which", ["one", "full", "ragged", "plane"])
def test_finite_whatever_the_mask(which: str) -> None:
    shape = (12, 10, 9)
    generator = torch.Generator().manual_seed(0)
    mask = {
        "one": torch.zeros(shape, dtype=torch.bool),
        "full": torch.ones(shape, dtype=torch.bool),
        "ragged": torch.rand(shape, generator=generator) > 0.5,
        "plane": torch.zeros(shape, dtype=torch.bool),
    }[which]
    if which == "one":
        mask[4, 4, 4] = True
    if which == "plane":
        mask[:, 3] = True
    field = torch.randn(shape, generator=generator)
    found, _ = medi(field, torch.ones(shape), mask, (1, 1, 1.5), OBLIQUE, max_iterations=2)
    assert bool(torch.isfinite(found).all()) and not bool(found[~mask].any())
    nothing, changes = medi(torch.zeros(shape), torch.ones(shape), mask, (1, 1, 1))
    assert not bool(nothing.any()) and changes == [0.0]


def test_refusals() -> None:
    field, mask = torch.zeros(8, 8, 8), torch.ones(8, 8, 8, dtype=torch.bool)
    one = torch.ones(8, 8, 8)
    with pytest.raises(ValueError, match="weight"):
        medi(field, one, mask, (1, 1, 1), weight=0.0)
    with pytest.raises(ValueError, match="te must be"):
        medi(field, one, mask, (1, 1, 1), te=-0.01)
    with pytest.raises(ValueError, match="edges"):
        medi(field, one, mask, (1, 1, 1), edges=1.0)
    with pytest.raises(ValueError, match="magnitude"):
        medi(field, field, mask, (1, 1, 1))
    with pytest.raises(ValueError, match="CSF"):
        medi(field, one, mask, (1, 1, 1), csf=~mask)
    with pytest.raises(ValueError, match="empty"):
        medi(field, one, ~mask, (1, 1, 1))


def test_what_lies_outside_the_mask_does_not_count() -> None:
    chi, magnitude, mask, _ = spheres((1.0, 1.0, 1.0))
    field = forward_field(chi, (1, 1, 1))
    clean = medi(field, magnitude, mask, (1, 1, 1), max_iterations=3)[0]
    dirty = medi(
        torch.where(mask, field, torch.nan), torch.where(mask, magnitude, torch.nan), mask, (1, 1, 1), max_iterations=3
    )[0]
    torch.testing.assert_close(dirty, clean)
