"""The noise of a field from the field and its magnitude."""

from __future__ import annotations

import pytest
import torch

from qsmflow.core.noise import noise_of_field


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
