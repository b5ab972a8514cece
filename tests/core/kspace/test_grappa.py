from __future__ import annotations

import pytest
import torch

from qsmflow.core.kspace.fourier import to_image
from qsmflow.core.kspace.grappa import grappa
from tests.core.kspace.heads import noisy_kspace


def _undersampled(full, steps, calibration, readout=0):
    plane = torch.zeros([n for axis, n in enumerate(full.shape[1:]) if axis != readout], dtype=torch.bool)
    plane[1 :: steps[0], :: steps[1]] = True
    centre = [
        slice(max(n // 2 - c // 2, 0), n // 2 + c // 2 + 1) for n, c in zip(plane.shape, calibration, strict=True)
    ]
    plane[tuple(centre)] = True
    sampled = plane.unsqueeze(readout).expand(full.shape[1:])
    return full * sampled, sampled


@pytest.mark.parametrize(
    ("shape", "steps", "readout"),
    [
        ((32, 40, 36), (2, 2), 0),
        ((40, 30, 36), (1, 3), 1),
        ((36, 40, 31), (2, 1), 2),
        ((48, 64, 1), (3, 1), 0),
        ((64, 48, 1), (2, 2), 2),
    ],
    ids=str,
)
def test_missing_samples_come_back(shape, steps, readout):
    full = noisy_kspace(shape, 8 if shape[2] == 1 else 5)
    data, sampled = _undersampled(full, steps, (20, 20), readout)
    told = []
    filled = grappa(data, progress=lambda number, left: told.append((number, left)))
    assert torch.equal(filled[:, sampled], full[:, sampled])
    error = (to_image(filled) - to_image(full)).norm() / to_image(full).norm()
    aliased = (to_image(data) - to_image(full)).norm() / to_image(full).norm()
    assert error < 0.07 and error < 0.5 * aliased
    assert told[0][0] == 1 and told[-1][1] == 0


def test_staggered_sampling_and_shutter():
    full = noisy_kspace((24, 48, 48), 8)
    y, z = torch.meshgrid(torch.arange(48), torch.arange(48), indexing="ij")
    plane = (z % 2 == 0) & ((y + z // 2) % 2 == 0)
    plane[14:35, 14:35] = True
    disc = (y - 24) ** 2 + (z - 24) ** 2 < 23**2
    filled = grappa(full * (plane & disc))
    assert ((filled - full) * disc).norm() < 0.06 * full.norm()
    assert filled[:, :, 0, 0].abs().max() == 0


def test_complete_data_stay_as_they_are():
    full = noisy_kspace((12, 12, 8), 4)
    assert torch.equal(grappa(full), full)


def test_what_cannot_be_filled_is_named():
    full = noisy_kspace((24, 24, 8), 4)
    with pytest.raises(ValueError, match="kernel = 4 is even"):
        grappa(full, kernel=4)
    with pytest.raises(ValueError, match="too few for a kernel"):
        grappa(_undersampled(full, (2, 2), (3, 3))[0])
