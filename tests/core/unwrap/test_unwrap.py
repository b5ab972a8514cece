"""Unwrapping of one image, and its quality."""

from __future__ import annotations

import math

import pytest
import torch

from qsmflow.core.field import wrap
from qsmflow.core.unwrap import laplacian, unwrap_volume, voxel_quality

EXACT = ("romeo", "best_path", "segue")


def hill(size: int = 40, height: float = 25.0) -> torch.Tensor:
    x, y, z = torch.meshgrid(*[torch.linspace(-1, 1, size)] * 3, indexing="ij")
    return height * torch.exp(-3 * (x**2 + y**2 + z**2)) + 2 * x


@pytest.mark.parametrize("method", EXACT)
def test_exact_up_to_one_constant(method: str) -> None:
    truth = hill()
    unwrapped = unwrap_volume(wrap(truth), torch.ones(40, 40, 40), truth > -5, method)
    turns = (unwrapped - truth) / (2 * math.pi)
    assert float((turns - turns.round()).abs().max()) < 1e-4
    assert len(turns.round().unique()) == 1
    assert float(unwrapped.median().abs()) < math.pi


@pytest.mark.parametrize("method", EXACT)
def test_noise_is_kept_where_it_is(method: str) -> None:
    """At an SNR of 6 hardly a voxel ends in another turn than its neighbours."""
    generator = torch.Generator().manual_seed(0)
    truth = hill()
    noisy = wrap(truth + torch.randn(truth.shape, generator=generator) / 6)
    mask = truth > 1
    unwrapped = unwrap_volume(noisy, torch.ones_like(truth), mask, method)
    turns = ((unwrapped - truth) / (2 * math.pi)).round()[mask]
    assert float((turns != turns.mode().values).float().mean()) < 1e-4
    assert torch.allclose(wrap(unwrapped - noisy)[mask], torch.zeros(()), atol=1e-4)


@pytest.mark.parametrize("method", EXACT)
def test_parts_that_do_not_touch_are_all_unwrapped(method: str) -> None:
    truth = hill()
    mask = torch.zeros(truth.shape, dtype=torch.bool)
    mask[2:18] = mask[22:38] = mask[20, 20, 20] = True
    unwrapped = unwrap_volume(wrap(truth), torch.ones_like(truth), mask, method)
    turns = (unwrapped - truth) / (2 * math.pi)
    for part in (slice(2, 18), slice(22, 38)):
        assert float(turns[part].max() - turns[part].min()) < 1e-4
    assert not unwrapped[~mask].any()


@pytest.mark.parametrize("method", EXACT)
@pytest.mark.parametrize("shape", [(7, 6, 5), (7, 6, 1), (2, 1, 1)])
def test_finite_whatever_the_mask_and_the_noise(method: str, shape: tuple[int, ...]) -> None:
    generator = torch.Generator().manual_seed(0)
    phase = wrap(20 * torch.rand(shape, generator=generator))
    ragged = torch.rand(shape, generator=generator) > 0.5
    one = torch.zeros(shape, dtype=torch.bool)
    one[0, 0, 0] = True
    for mask in (ragged, one, one & False, one | True):
        for magnitude in (torch.ones(shape), torch.zeros(shape)):
            unwrapped = unwrap_volume(phase, magnitude, mask, method)
            assert torch.isfinite(unwrapped).all() and not unwrapped[~mask].any()
            assert torch.allclose(wrap(unwrapped - phase)[mask], torch.zeros(()), atol=1e-4)


def test_unknown_method() -> None:
    with pytest.raises(ValueError, match="romeo, best_path, segue"):
        unwrap_volume(hill(), hill(), hill() > 0, "magic")


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
