from __future__ import annotations

import pytest
import torch

from qsmflow.core.kspace.espirit import espirit
from qsmflow.core.kspace.fourier import to_kspace
from tests.core.kspace.heads import coil_images, head, noisy_kspace, sensitivities


@pytest.mark.parametrize(("shape", "kernel"), [((64, 48, 1), 6), ((32, 30, 24), 4)], ids=str)
def test_maps_span_the_images(shape, kernel):
    images = coil_images(shape, 6)
    maps, values = espirit(noisy_kspace(shape, 6), kernel=kernel, crop=0.0, soft=False)
    inside = head(shape).abs() > 0
    rest = images - maps[0] * (maps[0].conj() * images).sum(0)
    assert rest.norm() < 0.03 * images.norm()
    assert values[0][inside].mean() > 0.98 and values.max() <= 1 + 1e-4
    torch.testing.assert_close(maps[0].abs().square().sum(0), torch.ones(shape))


def test_iteration_reaches_the_eigenvectors():
    kspace = noisy_kspace((40, 36, 1), 5)
    few, _ = espirit(kspace, crop=0.9, soft=False)
    many, values = espirit(kspace, crop=0.9, soft=False, iterations=60)
    away = (few - many).abs().sum((0, 1))
    assert away[values[0] > 0.95].max() < 0.03


def test_two_sets_hold_what_wraps_around():
    shape = (48, 48, 1)
    images = coil_images(shape, 8)
    folded = images + images.roll(24, 1)  # a field of view of half the head's size
    kspace = to_kspace(folded)
    # without noise every second line is zero, or nearly, by how the FFT rounds: zero is what was not sampled
    noise = torch.randn(kspace.shape, generator=torch.Generator().manual_seed(0), dtype=kspace.dtype)
    kspace = kspace + 1e-5 * kspace.abs().max() * noise
    rests = []
    for sets in (1, 2):
        maps, _ = espirit(kspace, sets=sets, crop=0.0, soft=False, iterations=30)
        found = torch.einsum("mcxyz,mdxyz,dxyz->cxyz", maps, maps.conj(), folded)
        rests.append(float((folded - found).norm() / folded.norm()))
    assert rests[1] < 0.3 * rests[0] and rests[1] < 0.03


def test_crop_and_fade():
    kspace = noisy_kspace((40, 36, 1), 5)
    hard, values = espirit(kspace, crop=0.9, soft=False)
    fading, _ = espirit(kspace, crop=0.9)
    assert hard[:, :, values[0] < 0.9].abs().max() == 0
    norm = fading[0].abs().square().sum(0).sqrt()
    assert norm[values[0] < 0.9].max() == 0 and norm.max() <= 1 + 1e-4
    assert ((norm > 0) & (norm < 0.99)).any()


@pytest.mark.parametrize("kspace", [torch.zeros(3, 12, 12, 1), torch.ones(3, 12, 12, 1)], ids=["zero", "constant"])
def test_degenerate_data(kspace):
    kspace = kspace.to(torch.complex64)
    if not kspace.any():
        with pytest.raises(ValueError, match="centre of k-space"):
            espirit(kspace)
    else:
        maps, values = espirit(kspace)
        assert torch.isfinite(torch.view_as_real(maps)).all() and torch.isfinite(values).all()


def test_more_sets_than_coils_are_refused():
    with pytest.raises(ValueError, match="3 map sets of 2 coils"):
        espirit(torch.ones(2, 9, 9, 1, dtype=torch.complex64), sets=3)


def test_maps_are_those_of_the_coils():
    shape = (32, 32, 24)
    truth = sensitivities(shape, 6)
    maps, _ = espirit(noisy_kspace(shape, 6), kernel=4, crop=0.0, soft=False)
    inside = head(shape).abs() > 0
    overlap = (maps[0].conj() * truth).sum(0).abs() / truth.norm(dim=0)
    assert overlap[inside].quantile(0.02) > 0.98
