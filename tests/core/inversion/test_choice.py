"""The weight that the data choose, against the one with the least error."""

from __future__ import annotations

import dataclasses
import math

import pytest
import torch

from qsmflow.core.dipole import forward_field
from qsmflow.core.inversion import choose_weight, l2, medi, rts, structure, tv, whtv
from qsmflow.core.solve import Norms
from tests.core.inversion.test_ilsqr import regions
from tests.core.inversion.test_inversion import error
from tests.core.inversion.test_medi import spheres

VOXEL = (1.0, 1.0, 1.0)


@pytest.mark.parametrize(
    ("invert", "method", "noise"),
    [
        *((name, "quasioptimality", noise) for name in ("tv", "medi", "whtv") for noise in (0.001, 0.005)),
        *((name, "whiteness", noise) for name in ("l2", "rts") for noise in (0.001, 0.005)),
        ("l2", "lcurve", 0.001),
    ],
)
def test_the_choice_is_near_the_best(invert: str, method: str, noise: float) -> None:
    chi, magnitude, mask = regions(VOXEL)
    generator = torch.Generator().manual_seed(0)
    field = (forward_field(chi * mask, VOXEL) + noise * torch.randn(chi.shape, generator=generator)) * mask
    errors: list[float] = []
    iterative = {"tv": tv, "rts": rts, "whtv": whtv}

    def solve(weight: float, norms: Norms) -> torch.Tensor:
        if invert == "l2":
            found = l2(field, mask, VOXEL, weight=weight, norms=norms)
        elif invert == "medi":
            found, _ = medi(field, magnitude, mask, VOXEL, weight=weight, max_iterations=5, norms=norms)
        else:
            found, _ = iterative[invert](field, mask, VOXEL, weight=weight, norms=norms)
        errors.append(error(found, chi, mask))
        return found

    guess = {"l2": 0.01, "medi": 4e-4, "rts": 2e-3}.get(invert, 1.5e-4)
    choice = choose_weight(solve, guess, method, lambda chi: structure(field - forward_field(chi, VOXEL), mask))
    assert len(choice.weights) == len(choice.misfits) == len(choice.penalties) == len(choice.structures) == 9
    assert choice.chosen is not None
    tried = list(errors)
    solve(choice.chosen, lambda *_: None)
    assert errors[-1] < 1.15 * min(tried)


def test_norms_of_l2_are_those_of_its_map() -> None:
    """Least weight fits all but what the box does not tell apart in k-space."""
    chi, _, _, _ = spheres(VOXEL)
    field = forward_field(chi, VOXEL)
    told: list[tuple[float, float]] = []
    everywhere = torch.ones_like(chi, dtype=torch.bool)
    for weight in (1e-6, 1e-2, 1e6):
        l2(field, everywhere, VOXEL, weight=weight, norms=lambda *norms: told.append(norms))
    misfits, penalties = zip(*told, strict=True)
    assert misfits[0] < 0.4 * misfits[1] and list(misfits) == sorted(misfits)
    assert misfits[2] == pytest.approx(float(field.norm()), rel=1e-3)
    assert penalties[2] < 1e-3 * penalties[1] and list(penalties) == sorted(penalties, reverse=True)


def test_the_l_curve_gives_its_inflection() -> None:
    """Of a curve drawn on purpose: y = -(u^3 + u) over x = u, whose slope is least at u = 0.3."""

    def solve(weight: float, norms: Norms) -> torch.Tensor:
        u = math.log10(weight) - 0.3
        norms(math.exp(u), math.exp(-(u**3 + u)))
        return torch.ones(1)

    choice = choose_weight(solve, 1.0, "lcurve", lambda _: 1.0)
    assert choice.chosen is not None and math.log10(choice.chosen) == pytest.approx(0.3, abs=0.01)
    assert not choice.at_edge
    assert dataclasses.replace(choice, chosen=1.01 * choice.weights[-2]).at_edge
    assert dataclasses.replace(choice, chosen=0.99 * choice.weights[1]).at_edge
    assert not dataclasses.replace(choice, chosen=None).at_edge


def test_a_curve_without_the_point_chooses_nothing() -> None:
    def bends_one_way(weight: float, norms: Norms) -> torch.Tensor:
        u = math.log10(weight)
        norms(math.exp(u), math.exp(-math.exp(0.5 * u)))
        return torch.tensor([1.0 + weight])

    assert choose_weight(bends_one_way, 1.0, "lcurve", lambda _: 1.0).chosen is None
    assert choose_weight(bends_one_way, 1.0, "quasioptimality", lambda _: 1.0).chosen is None
    nothing = choose_weight(
        lambda _, norms: (norms(0.0, 0.0), torch.zeros(2))[1], 1.0, "quasioptimality", lambda _: 0.0
    )
    assert choose_weight(bends_one_way, 1.0, "whiteness", lambda chi: float(chi[0])).chosen is None
    assert nothing.chosen is None and nothing.changes == (0.0,) * 8


def test_refusals() -> None:
    with pytest.raises(ValueError, match="weight"):
        choose_weight(lambda *_: torch.zeros(1), 0.0, "lcurve", lambda _: 1.0)
    with pytest.raises(ValueError, match="magic"):
        choose_weight(lambda *_: torch.zeros(1), 1.0, "magic", lambda _: 1.0)


def test_the_whitest_residual_is_found_between_the_weights() -> None:
    """Of a parabola in logarithms, whose lowest point is at 0.3."""

    def solve(weight: float, norms: Norms) -> torch.Tensor:
        norms(1.0, 1.0)
        return torch.tensor([math.log10(weight)], dtype=torch.float64)

    choice = choose_weight(solve, 1.0, "whiteness", lambda x: math.exp((float(x[0]) - 0.3) ** 2))
    assert choice.chosen is not None and math.log10(choice.chosen) == pytest.approx(0.3, abs=1e-6)


def test_structure_is_least_of_white_noise() -> None:
    generator = torch.Generator().manual_seed(0)
    noise = torch.randn(40, 36, 30, generator=generator)
    mask = torch.zeros(noise.shape, dtype=torch.bool)
    mask[4:36, 3:33, 2:28] = True
    white = structure(noise, mask)
    smooth = torch.linspace(0, 4, 40)[:, None, None].expand_as(noise)
    assert structure(noise + smooth, mask) == pytest.approx(white, rel=0.1)
    blocks = torch.nn.functional.interpolate(noise[None, None, ::3, ::3, ::3], scale_factor=3.0)[0, 0, :40, :36, :30]
    assert structure(noise[: blocks.shape[0]] + blocks, mask[: blocks.shape[0]]) > 2.0 * white
    assert structure(noise + torch.roll(noise, 1, 0), mask) > 1.3 * white
    assert structure(5.0 * noise, mask) == pytest.approx(white, rel=1e-4)
    outside = torch.where(mask, noise, torch.nan)
    assert structure(outside, mask) == pytest.approx(white, rel=1e-4)
    assert structure(torch.zeros_like(noise), mask) == 0.0
