from __future__ import annotations

import pytest
import torch

from qsmflow.core.kspace.combine import adaptive_maps, combine, combine_sets, root_sum_of_squares
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


def _random(*shape, seed):
    g = torch.Generator().manual_seed(seed)
    return torch.view_as_complex(torch.randn((*shape, 2), generator=g))


def test_combination_is_the_adjoint_of_what_the_coils_see():
    maps, object_, images = (_random(*s, seed=i) for i, s in enumerate(((4, 6, 5, 3), (2, 6, 5, 3), (2, 4, 6, 5, 3))))
    seen = (maps * object_.unsqueeze(1) * images.conj()).sum()
    torch.testing.assert_close(seen, (object_ * combine(images, maps).conj()).sum(), rtol=1e-4, atol=1e-4)


def test_sets_of_sensitivities_hold_what_lies_over_each_other():
    """Two folds on orthogonal maps: the magnitude is that of both, the phase that of the first; one alone is itself."""
    sets = torch.linalg.qr(_random(6, 5, 3, 4, 2, seed=0)).Q.permute(4, 3, 0, 1, 2)
    folds = _random(3, 2, 6, 5, 3, seed=1)
    images = torch.einsum("emxyz,mcxyz->ecxyz", folds, sets)
    found = combine_sets(images, sets)
    torch.testing.assert_close(found.abs(), root_sum_of_squares(images))
    turned = found * folds[:, 0].conj()
    assert turned.real.min() > 0 and turned.angle().abs().max() < 1e-4
    torch.testing.assert_close(combine_sets(images, sets[:1]), folds[:, 0])


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
