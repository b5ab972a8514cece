"""The fluid of the ventricles in brains whose fluid is known."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from qsmflow.core.mask.csf import csf_mask
from qsmflow.core.relaxation import r2star
from qsmflow.phantom.acquisition import add_noise, noise_sd
from qsmflow.phantom.head import ProceduralHead
from qsmflow.phantom.sampling import sample_head

TE = (0.004, 0.012, 0.020, 0.028)
FLUID = (10, 18)


def ball(shape: tuple[int, int, int], at: tuple[float, ...], radius: float, voxel: tuple[float, ...]) -> torch.Tensor:
    """Voxels within `radius`, mm, of the point `at`, mm from the first voxel."""
    axes = torch.meshgrid(*(v * torch.arange(n) for n, v in zip(shape, voxel, strict=True)), indexing="ij")
    return sum((x - m).square() for x, m in zip(axes, at, strict=True)) < radius**2


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_what_is_found_in_a_head_is_fluid(seed: int) -> None:
    affine = np.diag([2.0, 2.0, 2.0, 1.0])
    affine[:3, 3] = -72, -100, -76
    head = sample_head(ProceduralHead(seed, spacing=3.0), affine, (72, 90, 80), np.eye(4))
    echoes = torch.stack([head.m0 * torch.exp(-t * head.r2star) for t in TE])
    mask, fluid = head.brain > 0.5, torch.isin(head.labels, torch.tensor(FLUID))
    for snr in (60.0, 20.0):
        noise = noise_sd(echoes[0], head.brain, snr)
        magnitude = add_noise(echoes.to(torch.complex64), noise, torch.Generator().manual_seed(seed)).abs()
        found = csf_mask(r2star(magnitude, TE), mask, (2, 2, 2))
        assert not bool((found & ~mask).any())
        assert float(found.sum()) * 8e-3 > 1.0
        assert float(fluid[found].float().mean()) > 0.97


def test_only_large_pieces_near_the_middle_count() -> None:
    shape, voxel = (60, 66, 25), (2.0, 2.0, 5.0)
    brain = ball(shape, (60, 66, 62), 56, voxel)
    large, small = ball(shape, (52, 66, 62), 7, voxel), ball(shape, (75, 66, 62), 5.5, voxel)
    speck, far = ball(shape, (60, 82, 62), 2.1, voxel), ball(shape, (60, 108, 62), 9, voxel)
    rate = torch.where(large | small | speck | far, 1.0, 20.0)
    rate[~brain] = torch.nan
    assert torch.equal(csf_mask(rate, brain, voxel, smoothing=0.0), large | small)
    assert torch.equal(csf_mask(rate, brain, voxel, smoothing=0.0, radius=60.0), large | small | far)
    smooth = csf_mask(rate, brain, voxel)
    assert bool((smooth & large).any()) and not bool((smooth & ~(large | small)).any())


def test_what_could_not_be_fitted_is_no_fluid() -> None:
    brain = torch.ones(30, 30, 30, dtype=torch.bool)
    fluid, void = ball((30, 30, 30), (20, 29, 29), 9, (2, 2, 2)), ball((30, 30, 30), (40, 29, 29), 9, (2, 2, 2))
    rate = torch.where(fluid, -1.0, 25.0)
    rate[void] = 0.0
    found = csf_mask(rate, brain, (2, 2, 2))
    assert int(found.sum()) > 100 and not bool((found & ~fluid).any())


@pytest.mark.parametrize("smoothing", [0.0, 0.6])
def test_too_little_is_refused_with_its_mend(smoothing: float) -> None:
    mask = ball((30, 30, 30), (29, 29, 29), 25, (1, 1, 1))
    lone = torch.zeros_like(mask)
    lone[15, 15, 15] = True
    for brain, rate in ((mask, 20.0), (lone, 1.0), (lone, 20.0)):
        with pytest.raises(ValueError, match="raise threshold, or supply a mask of the fluid in its place"):
            csf_mask(torch.full(mask.shape, rate), brain, (1, 1, 1), smoothing=smoothing)
    with pytest.raises(ValueError, match="mask is empty"):
        csf_mask(torch.ones(mask.shape), ~mask & mask, (1, 1, 1))
