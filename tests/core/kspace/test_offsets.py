from __future__ import annotations

import math

import pytest
import torch

from qsmflow.core.kspace.combine import combine
from qsmflow.core.kspace.offsets import offset_maps
from qsmflow.core.unwrap import romeo
from tests.core.kspace.heads import coordinates, head, sensitivities


def _unwrap(mask):
    return lambda phase, weight: romeo(phase, weight, mask)


@pytest.mark.parametrize("te", [(0.005, 0.010, 0.015), (0.004, 0.011)], ids=str)
def test_phase_of_the_object_is_left(te):
    shape, voxel_size = (40, 36, 20), (2.0, 2.0, 4.0)
    x, y, z = coordinates(shape)
    omega = 700 * x * y + 400 * z**2 + 300 * x  # rad/s, several wraps at the later echoes
    magnitude = head(shape).abs()
    echoes = magnitude * torch.exp(1j * torch.stack([t * omega for t in te]))
    images = sensitivities(shape, 5) * echoes.unsqueeze(1)
    mask = magnitude > 0
    maps = offset_maps(images, te, voxel_size, mask, _unwrap(mask))
    found = combine(images, maps)
    inside = mask & (sum(c**2 for c in (x, y, z)) < 0.3)
    for echo, t in enumerate(te):
        error = (found[echo] * torch.exp(-1j * t * omega)).angle()[inside]
        # One multiple of 2 pi of the unwrapped difference is common to all voxels and echoes.
        error = (torch.polar(torch.ones_like(error), error - error.median())).angle()
        assert error.abs().mean() < 0.1
    assert torch.isfinite(torch.view_as_real(maps)).all()
    assert maps.abs().square().sum(0)[mask].sub(1).abs().max() < 1e-3


def test_one_voxel_and_one_echo():
    images = torch.ones(2, 3, 6, 6, 6, dtype=torch.complex64)
    mask = torch.zeros(6, 6, 6, dtype=torch.bool)
    mask[3, 3, 3] = True
    maps = offset_maps(images, (0.01, 0.02), (1, 1, 1), mask, lambda phase, weight: phase)
    assert torch.isfinite(torch.view_as_real(maps)).all()
    assert maps[:, 3, 3, 3].abs().square().sum() == pytest.approx(1, abs=1e-4)
    assert maps[:, 3, 3, 3].angle().abs().max() < math.pi / 100
    with pytest.raises(ValueError, match="two echoes"):
        offset_maps(images[:1], (0.01,), (1, 1, 1), mask, lambda phase, weight: phase)
