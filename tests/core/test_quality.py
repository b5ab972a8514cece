"""Figures of quality against maps whose streaks, misfit and rim are known."""

from __future__ import annotations

import math

import pytest
import torch

from qsmflow.core.dipole import dipole_kernel, forward_field
from qsmflow.core.quality import field_misfit, rim_excess, streak_index

SHAPE, SIZE = (48, 48, 48), (1.0, 1.0, 1.0)
TILTED = (0.0, math.sin(0.4), math.cos(0.4))


def noise() -> torch.Tensor:
    return torch.randn(SHAPE, generator=torch.Generator().manual_seed(0))


def everywhere() -> torch.Tensor:
    return torch.ones(SHAPE, dtype=torch.bool)


def ball(radius: float) -> torch.Tensor:
    axes = torch.meshgrid(*(torch.arange(n) - n // 2 for n in SHAPE), indexing="ij")
    return sum(axis.float() ** 2 for axis in axes) <= radius**2


def strengthened(chi: torch.Tensor, factor: float) -> torch.Tensor:
    """`chi` with what lies about the cone of `TILTED` times `factor`."""
    kernel = dipole_kernel(SHAPE, SIZE, TILTED)
    return torch.fft.irfftn(torch.fft.rfftn(chi) * torch.where(kernel.abs() < 0.1, factor, 1.0), SHAPE)


@pytest.mark.parametrize("factor", [0.0, 1.0, 3.0])
def test_the_index_is_how_much_stronger_the_cone_is(factor: float) -> None:
    assert streak_index(strengthened(noise(), factor), everywhere(), SIZE, TILTED) == pytest.approx(factor, abs=0.06)


def test_streaks_of_another_direction_are_none() -> None:
    assert streak_index(strengthened(noise(), 3.0), everywhere(), SIZE, (1.0, 0.0, 0.0)) < 1.7


def test_a_map_without_contrast_has_no_index() -> None:
    assert math.isnan(streak_index(torch.full(SHAPE, 0.1), everywhere(), SIZE, TILTED))


def test_the_misfit_is_the_share_that_was_added() -> None:
    chi = torch.where(ball(12), noise(), 0.0)
    mask = ball(14)
    field = forward_field(chi, SIZE, TILTED, periodic=True)
    assert field_misfit(chi, field, mask, SIZE, TILTED) == pytest.approx(0.0, abs=1e-5)
    assert field_misfit(chi, field + 5.0, mask, SIZE, TILTED) == pytest.approx(0.0, abs=1e-4)
    assert field_misfit(0.5 * chi, field, mask, SIZE, TILTED) == pytest.approx(0.5, abs=1e-4)
    assert field_misfit(torch.zeros(SHAPE), field, mask, SIZE, TILTED) == pytest.approx(1.0)


def test_the_rim_is_four_millimetres_wide() -> None:
    field = torch.full(SHAPE, 2.0)
    field[4:-4, 4:-4, 4:-4] = 1.0
    # the grid ends where the mask does, so the rim lies along its sides
    assert rim_excess(field, everywhere(), SIZE) == pytest.approx(2.0)
    assert rim_excess(field, everywhere(), (2.0, 2.0, 2.0)) < 1.8
    assert rim_excess(torch.ones(SHAPE), ball(20), SIZE) == pytest.approx(1.0)
    assert math.isnan(rim_excess(field, ball(3), SIZE))
    assert math.isnan(rim_excess(field, ~everywhere(), SIZE))
