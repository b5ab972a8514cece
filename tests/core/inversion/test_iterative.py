"""Inversions by iteration, on a susceptibility that is known."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch

from qsmflow.core.dipole import forward_field
from qsmflow.core.field import radians_per_ppm
from qsmflow.core.gradient import gradient
from qsmflow.core.inversion import ilsqr, l2, ndi, rts, tgv, tkd, tsvd, tv, whtv
from qsmflow.phantom.analytic import coordinates

OBLIQUE = (0.3, -0.4, 0.8)
ITERATIVE = [rts, tv, tgv, ndi, whtv]
NONLINEAR = [tv, tgv, ndi, whtv]
Invert = Callable[..., tuple[torch.Tensor, list[float]]]


def pieces(voxel_size: tuple[float, float, float] = (1.0, 1.0, 1.0)) -> tuple[torch.Tensor, torch.Tensor]:
    """Balls and a slab of even susceptibility in a ball, and that ball."""
    shape = (32, 32, round(32 / voxel_size[2]))
    points = coordinates(shape, voxel_size)
    chi = torch.zeros(shape)
    for centre, radius, value in (((5, 0, 4), 5.0, 0.1), ((-6, 3, -5), 4.0, -0.06), ((0, -8, 2), 3.0, 0.2)):
        chi[(points - torch.tensor([float(c) for c in centre])).norm(dim=-1) < radius] = value
    return chi, points.norm(dim=-1) < 14


def noisy(field: torch.Tensor, mask: torch.Tensor, sd: float = 0.002) -> torch.Tensor:
    return (field + sd * torch.randn(field.shape, generator=torch.Generator().manual_seed(0))) * mask


def error(x: torch.Tensor, y: torch.Tensor, mask: torch.Tensor) -> float:
    x, y = x[mask] - x[mask].mean(), y[mask] - y[mask].mean()
    return float((x - y).norm() / y.norm())


@pytest.mark.parametrize("invert", ITERATIVE)
@pytest.mark.parametrize("voxel_size", [(1.0, 1.0, 1.0), (1.0, 1.0, 2.0)])
@pytest.mark.parametrize("b0_dir", [(0.0, 0.0, 1.0), OBLIQUE])
def test_known_susceptibility_comes_back(
    invert: Invert, voxel_size: tuple[float, float, float], b0_dir: tuple[float, float, float]
) -> None:
    chi, mask = pieces(voxel_size)
    field = noisy(forward_field(chi, voxel_size, b0_dir), mask)
    found, _ = invert(field, mask, voxel_size, b0_dir)
    assert error(found, chi, mask) < (0.6 if invert is ndi else 0.25)
    assert not bool(found[~mask].any())
    wrong, _ = invert(field, mask, voxel_size, (1.0, 0.0, 0.0))
    assert error(wrong, chi, mask) > 1.5 * error(found, chi, mask)


@pytest.mark.parametrize("invert", [tv, tgv, whtv])
def test_whole_turns_of_phase_cost_nothing(invert: Invert) -> None:
    chi, mask = pieces()
    field = noisy(forward_field(chi, (1, 1, 1)), mask)
    te, b0 = 0.004, 3.0
    torn = field.clone()
    torn[11:14, 16:20, 20:24] += 2 * torch.pi / radians_per_ppm(te, b0)
    whole, _ = invert(field, mask, (1, 1, 1), te=te, b0=b0)
    mended, _ = invert(torn, mask, (1, 1, 1), te=te, b0=b0)
    linear, _ = invert(torn, mask, (1, 1, 1))
    assert error(mended, chi, mask) < 1.2 * error(whole, chi, mask)
    assert error(linear, chi, mask) > 2.0 * error(mended, chi, mask)


@pytest.mark.parametrize("invert", NONLINEAR)
@pytest.mark.parametrize("value", [0.5, 1.0, 2.0])
def test_a_strong_source_is_beyond_half_a_turn(invert: Invert, value: float) -> None:
    """Its field makes up to three turns at the echo; the linear data term knows of none."""
    points = coordinates((32, 32, 32), (1.0, 1.0, 1.0))
    mask, inside = points.norm(dim=-1) < 14, (points - torch.tensor((3.0, -2.0, 1.0))).norm(dim=-1) < 4
    field = noisy(forward_field(value * inside, (1, 1, 1)), mask)
    linear, _ = invert(field, mask, (1, 1, 1))
    found, _ = invert(field, mask, (1, 1, 1), te=0.02)
    assert error(found, value * inside, mask) < 2.0 * error(linear, value * inside, mask)


@pytest.mark.parametrize("invert", NONLINEAR)
def test_a_short_echo_is_linear(invert: Invert) -> None:
    chi, mask = pieces()
    field = noisy(forward_field(chi, (1, 1, 1)), mask)
    linear, _ = invert(field, mask, (1, 1, 1), max_iterations=8)
    short, _ = invert(field, mask, (1, 1, 1), te=1e-4, max_iterations=8)
    assert error(short, linear, mask) < 1e-3


@pytest.mark.parametrize("invert", ITERATIVE)
def test_a_dark_place_is_not_believed(invert: Invert) -> None:
    chi, mask = pieces()
    field = noisy(forward_field(chi, (1, 1, 1)), mask)
    dark = torch.zeros_like(mask)
    dark[11:14, 16:20, 20:24] = True
    field[dark] += 0.3
    blind, _ = invert(field, mask, (1, 1, 1))
    told, _ = invert(field, mask, (1, 1, 1), magnitude=torch.where(dark, 0.0, 7.0))
    assert error(told, chi, mask & ~dark) < 0.5 * error(blind, chi, mask & ~dark)


@pytest.mark.parametrize("invert", ITERATIVE)
def test_iterations_stop_as_told_and_are_told_of(invert: Invert) -> None:
    chi, mask = pieces()
    field = noisy(forward_field(chi, (1, 1, 1)), mask)
    told: list[tuple[int, float]] = []
    _, changes = invert(field, mask, (1, 1, 1), tolerance=0.1, progress=lambda *event: told.append(event))
    assert changes[-1] <= 0.1 < min(changes[:-1])
    assert told == list(enumerate(changes, 1))
    _, changes = invert(field, mask, (1, 1, 1), tolerance=0.0, max_iterations=3)
    assert len(changes) == 3


@pytest.mark.parametrize("invert", ITERATIVE)
def test_more_weight_is_smoother(invert: Invert) -> None:
    chi, mask = pieces()
    field = noisy(forward_field(chi, (1, 1, 1)), mask)
    spreads = [float(invert(field, mask, (1, 1, 1), weight=weight)[0].std()) for weight in (1e-3, 1e-2, 1e-1)]
    assert spreads[0] > spreads[1] > spreads[2]


@pytest.mark.parametrize("invert", ITERATIVE)
def test_norms_are_those_of_the_map(invert: Invert) -> None:
    """More weight leaves more misfit and less to penalise."""
    chi, mask = pieces()
    field = noisy(forward_field(chi, (1, 1, 1)), mask)
    told: list[tuple[float, float]] = []
    for weight in (1e-4, 1e-3, 1e-2):
        settings = {"weight": weight, "tolerance": 0.003, "max_iterations": 100}
        invert(field, mask, (1, 1, 1), norms=lambda *norms: told.append(norms), **settings)
    misfits, penalties = zip(*told, strict=True)
    assert list(misfits) == sorted(misfits) and misfits[0] > 0
    assert list(penalties) == sorted(penalties, reverse=True) and penalties[-1] > 0


def test_norms_of_total_variation() -> None:
    chi, mask = pieces()
    field = noisy(forward_field(chi, (1, 1, 1)), mask)
    told: list[tuple[float, float]] = []
    found, _ = tv(field, mask, (1, 1, 1), norms=lambda *norms: told.append(norms), tolerance=1e-3, max_iterations=200)
    ((misfit, penalty),) = told
    assert penalty == pytest.approx(float(gradient(found, (1, 1, 1)).abs().sum()), rel=0.05)
    left = (forward_field(found, (1, 1, 1)) - field)[mask]
    assert misfit == pytest.approx(float(left.norm()), rel=0.05)


def masks() -> dict[str, torch.Tensor]:
    shape = (14, 12, 10)
    one = torch.zeros(shape, dtype=torch.bool)
    one[3, 11, 4] = True
    line = torch.zeros(shape, dtype=torch.bool)
    line[:, 5, 5] = True
    ragged = torch.rand(shape, generator=torch.Generator().manual_seed(0)) < 0.3
    return {"one": one, "line": line, "full": torch.ones(shape, dtype=torch.bool), "ragged": ragged}


@pytest.mark.parametrize("invert", [tkd, tsvd, l2, *ITERATIVE])
@pytest.mark.parametrize("shape", masks())
def test_finite_whatever_the_mask(invert: Invert, shape: str) -> None:
    mask = masks()[shape]
    field = 0.05 * torch.randn(mask.shape, generator=torch.Generator().manual_seed(1))
    for content in (field, torch.zeros_like(field)):
        made = invert(content, mask, (1.0, 1.5, 2.0), OBLIQUE)
        found = made[0] if isinstance(made, tuple) else made
        assert bool(torch.isfinite(found).all()) and not bool(found[~mask].any())
        assert not isinstance(made, tuple) or made[1]
    if invert in NONLINEAR:
        found, _ = invert(20 * field, mask, (1.0, 1.5, 2.0), OBLIQUE, te=0.02)
        assert bool(torch.isfinite(found).all())


@pytest.mark.parametrize("invert", [tkd, tsvd, l2, ilsqr, *ITERATIVE])
def test_what_lies_outside_the_mask_does_not_count(invert: Invert) -> None:
    chi, mask = pieces()
    field = forward_field(chi, (1, 1, 1))
    clean = invert(field * mask, mask, (1, 1, 1))
    dirty = invert(torch.where(mask, field, torch.nan), mask, (1, 1, 1))
    for one, other in zip(clean, dirty, strict=True):
        assert one == other if isinstance(one, float) else torch.equal(torch.as_tensor(one), torch.as_tensor(other))


def test_background_that_is_left_is_found() -> None:
    """A field of sources outside the mask is harmonic inside it."""
    chi, mask = pieces()
    outer = torch.zeros_like(chi)
    outer[1:3, 4:8, 12:18], outer[26:30, 28:31, 3:8] = 3.0, -2.0
    local = forward_field(chi, (1, 1, 1))
    background = forward_field(outer * ~mask, (1, 1, 1))
    field = noisy(local + background * (0.3 * local[mask].std() / background[mask].std()), mask)
    found, _ = whtv(field, mask, (1, 1, 1))
    assert error(found, chi, mask) < 0.5 * error(tv(field, mask, (1, 1, 1))[0], chi, mask)


def test_two_steps_are_quieter_than_one_division() -> None:
    chi, mask = pieces()
    field = noisy(forward_field(chi, (1, 1, 1)), mask)
    assert error(rts(field, mask, (1, 1, 1))[0], chi, mask) < 0.6 * error(tkd(field, mask, (1, 1, 1)), chi, mask)


def test_empty_k_space_is_quieter_than_full() -> None:
    """TSVD leaves out what TKD truncates, and rescaling brings both to the scale of the truth."""
    chi, mask = pieces()
    field = forward_field(chi, (1, 1, 1)) * mask
    for invert in (tkd, tsvd):
        slopes = [
            float((invert(field, mask, (1, 1, 1), rescale=rescale) * chi).sum() / chi.square().sum())
            for rescale in (False, True)
        ]
        assert slopes[0] < 0.9 < slopes[1] < 1.15
    assert float(tsvd(field, mask, (1, 1, 1)).norm()) < float(tkd(field, mask, (1, 1, 1), threshold=0.1).norm())


def test_refusals() -> None:
    field, mask = torch.zeros(8, 8, 8), torch.ones(8, 8, 8, dtype=torch.bool)
    for invert in (rts, tv, tgv, whtv):
        with pytest.raises(ValueError, match="weight must be above 0"):
            invert(field, mask, (1, 1, 1), weight=0.0)
    with pytest.raises(ValueError, match="weight must be at least 0"):
        ndi(field, mask, (1, 1, 1), weight=-1.0)
    with pytest.raises(ValueError, match="harmonic_weight"):
        whtv(field, mask, (1, 1, 1), harmonic_weight=0.0)
    for invert in NONLINEAR:
        with pytest.raises(ValueError, match="te must be"):
            invert(field, mask, (1, 1, 1), te=-0.01)
        with pytest.raises(ValueError, match="b0 above 0"):
            invert(field, mask, (1, 1, 1), te=0.01, b0=0.0)
    for invert in (tkd, tsvd, *ITERATIVE):
        with pytest.raises(ValueError, match="empty"):
            invert(field, ~mask, (1, 1, 1))
    for invert in (tsvd, rts):
        with pytest.raises(ValueError, match="threshold"):
            invert(field, mask, (1, 1, 1), threshold=0.7)
