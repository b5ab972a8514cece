"""Unwrapping."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
import torch

from qsmflow.core.field import wrap
from qsmflow.core.unwrap import laplacian, romeo, voxel_quality


def hill(size: int = 40, height: float = 25.0) -> torch.Tensor:
    x, y, z = torch.meshgrid(*[torch.linspace(-1, 1, size)] * 3, indexing="ij")
    return height * torch.exp(-3 * (x**2 + y**2 + z**2)) + 2 * x


def test_romeo_is_exact_up_to_one_constant() -> None:
    truth = hill()
    unwrapped = romeo(wrap(truth)[None], torch.ones(1, 40, 40, 40), (0.01,))[0]
    turns = (unwrapped - truth) / (2 * math.pi)
    assert float((turns - turns.round()).abs().max()) < 1e-4
    assert len(turns.round().unique()) == 1


def test_romeo_echoes_are_consistent() -> None:
    te = (0.004, 0.012, 0.020)
    truth = torch.stack([hill() * (t / te[-1]) for t in te])
    mask = truth[-1] > 2.0
    unwrapped = romeo(wrap(truth), torch.ones_like(truth), te, mask)
    turns = ((unwrapped - truth) / (2 * math.pi))[:, mask].round()
    assert all(len(echo.unique()) == 1 for echo in turns)
    assert not unwrapped[:, ~mask].any()


def test_laplacian_follows_the_phase() -> None:
    truth = hill()
    difference = laplacian(wrap(truth), (1, 1, 1)) - truth
    inner = difference[6:-6, 6:-6, 6:-6]

    # what is missing is harmonic: its Laplacian vanishes beside that of the truth
    def lap(v: torch.Tensor) -> torch.Tensor:
        centre = v[1:-1, 1:-1, 1:-1]
        return (
            v[2:, 1:-1, 1:-1] + v[:-2, 1:-1, 1:-1] + v[1:-1, 2:, 1:-1] + v[1:-1, :-2, 1:-1]
            + v[1:-1, 1:-1, 2:] + v[1:-1, 1:-1, :-2] - 6 * centre
        )  # fmt: skip

    assert float(lap(inner).norm() / lap(truth[6:-6, 6:-6, 6:-6]).norm()) < 0.05


@pytest.mark.parametrize("te", [(0.01,), (0.005, 0.01)])
def test_quality_tells_noise_from_signal(te: tuple[float, ...]) -> None:
    generator = torch.Generator().manual_seed(0)
    phase = torch.stack([wrap(hill() * t / te[-1]) for t in te])
    noise = (torch.rand(phase.shape, generator=generator) * 2 - 1) * math.pi
    phase = torch.where(torch.arange(40).reshape(-1, 1, 1) < 20, phase, noise)
    quality = voxel_quality(phase, torch.ones_like(phase), te)
    assert float(quality[:18].mean()) > 0.8 > 0.5 > float(quality[22:].mean())


def test_agrees_with_prelude(shared_data: Path) -> None:
    import nibabel as nib
    import numpy as np

    folder = shared_data / "prelude_pair"
    wrapped, prelude, magnitude, mask = (
        torch.from_numpy(np.asarray(nib.load(folder / f"{name}.nii.gz").dataobj, dtype=np.float32))
        for name in ("phase_wrapped", "phase_prelude", "magnitude", "mask")
    )
    inside = mask > 0
    unwrapped = romeo(wrapped[None], magnitude[None], (0.01,), inside)[0]
    turns = ((unwrapped - prelude) / (2 * math.pi)).round()
    agree = turns == turns[inside].mode().values
    # the mask holds voxels of noise, on which no two methods agree; those with signal must
    signal = inside & (magnitude > magnitude[inside].median())
    assert float(agree[signal].float().mean()) > 0.95
    assert float(agree[inside].float().mean()) > 0.85


@pytest.mark.parametrize("echoes", [1, 3])
def test_shapes(echoes: int) -> None:
    phase = torch.zeros(echoes, 12, 10, 8)
    assert romeo(phase, torch.ones_like(phase), [0.005 * (i + 1) for i in range(echoes)]).shape == phase.shape
