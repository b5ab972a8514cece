from __future__ import annotations

import pytest
import torch

from qsmflow.core.kspace.combine import adaptive_maps, combine, root_sum_of_squares
from tests.core.kspace.heads import coil_images, coordinates, head, sensitivities


def _echoes(shape, coils, noise=0.0):
    x, y, z = coordinates(shape)
    object_ = head(shape) * torch.exp(1j * torch.stack([0 * x, 3 * x * y + 2 * z]))
    images = sensitivities(shape, coils) * object_.unsqueeze(1)
    g = torch.Generator().manual_seed(0)
    return object_, images + noise * torch.view_as_complex(torch.randn((*images.shape, 2), generator=g))


def test_true_sensitivities_give_the_object():
    shape = (12, 10, 8)
    norm = root_sum_of_squares(sensitivities(shape, 4))
    maps = sensitivities(shape, 4) / norm
    torch.testing.assert_close(combine(coil_images(shape, 4), maps), head(shape) * norm)


@pytest.mark.parametrize("shape", [(24, 20, 16), (30, 26, 1)], ids=str)
def test_adaptive_keeps_phase_between_echoes_and_magnitude(shape):
    object_, images = _echoes(shape, 6, noise=0.003)
    found = combine(images, adaptive_maps(images))
    inside = object_[0].abs() > 0
    expected = object_[1] * object_[0].conj()
    turned = found[1] * found[0].conj() * expected.conj()
    assert turned.angle()[inside].abs().mean() < 0.03
    rss = root_sum_of_squares(images)
    assert ((found.abs() - rss)[:, inside].norm() / rss[:, inside].norm()) < 0.03


def test_maps_of_slabs_are_those_of_the_whole(monkeypatch):
    _, images = _echoes((20, 12, 9), 3, noise=0.01)
    whole = adaptive_maps(images)
    monkeypatch.setattr("qsmflow.core.kspace.combine._CHUNK", 1)
    torch.testing.assert_close(adaptive_maps(images), whole, atol=1e-3, rtol=1e-3)


def test_empty_images_and_even_blocks():
    assert torch.isfinite(torch.view_as_real(adaptive_maps(torch.zeros(1, 3, 6, 6, 6, dtype=torch.complex64)))).all()
    with pytest.raises(ValueError, match="block = 4 is even"):
        adaptive_maps(torch.zeros(1, 3, 6, 6, 6, dtype=torch.complex64), block=4)
