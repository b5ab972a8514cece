"""The noise of a field from the field and its magnitude."""

from __future__ import annotations

import pytest
import torch

from qsmflow.core.noise import noise_of_field, noise_of_magnitude
from qsmflow.phantom.head import ProceduralHead
from qsmflow.studies.problems import brain_problem


def test_the_noise_of_a_field_falls_with_the_magnitude() -> None:
    generator = torch.Generator().manual_seed(0)
    shape = (40, 40, 40)
    x = torch.linspace(-1.0, 1.0, 40)
    smooth = 0.03 * x[:, None, None] * x[:, None] ** 2 * x
    magnitude = 500.0 * (1.2 + torch.sin(3.0 * x))[:, None, None].expand(shape)
    mask = torch.zeros(shape, dtype=torch.bool)
    mask[3:-3, 4:-4, 2:-2] = True
    true = 0.002 * magnitude[mask].median() / magnitude
    found = noise_of_field(smooth + true * torch.randn(shape, generator=generator), mask, magnitude)
    torch.testing.assert_close(found[mask], true[mask], rtol=0.02, atol=0.0)
    assert not found[~mask].any()


def test_voxels_without_signal_have_a_finite_noise() -> None:
    mask = torch.ones((12, 12, 12), dtype=torch.bool)
    magnitude = torch.ones(12, 12, 12)
    magnitude[5, 5, 5] = 0.0
    field = 0.001 * torch.randn(mask.shape, generator=torch.Generator().manual_seed(1))
    found = noise_of_field(field, mask, magnitude)
    assert float(found[5, 5, 5] / found[0, 0, 0]) == pytest.approx(20.0)


@pytest.mark.parametrize("sd", [0.01, 0.03, 0.1])
def test_folds_count_for_nothing_in_the_noise_of_a_magnitude(sd: float) -> None:
    generator = torch.Generator().manual_seed(1)
    head = brain_problem(ProceduralHead(1, spacing=3.0), (3.0, 3.0, 3.0))
    magnitude = head.magnitude / head.magnitude[head.mask].median()
    magnitude = magnitude + sd * torch.randn(magnitude.shape, generator=generator)
    assert noise_of_magnitude(magnitude, head.mask) == pytest.approx(sd, rel=0.25)
    assert noise_of_magnitude(magnitude, torch.zeros_like(head.mask)) == 0.0
