from __future__ import annotations

import torch

from qsmflow.core.kspace.encoding import Encoding, sense
from qsmflow.core.kspace.fourier import to_kspace
from tests.core.kspace.heads import coil_images, head, sensitivities


def _random(g, *shape):
    return torch.view_as_complex(torch.randn((*shape, 2), generator=g))


def test_adjoint_and_normal():
    g = torch.Generator().manual_seed(3)
    encoding = Encoding(_random(g, 2, 3, 6, 5, 4), torch.rand(6, 5, 4, generator=g) < 0.5)
    x, y = _random(g, 2, 6, 5, 4), _random(g, 3, 6, 5, 4)
    torch.testing.assert_close((encoding.forward(x).conj() * y).sum(), (x.conj() * encoding.adjoint(y)).sum())
    torch.testing.assert_close(encoding.normal(x), encoding.adjoint(encoding.forward(x)))


def test_sense_unfolds():
    shape = (32, 32, 1)
    maps = sensitivities(shape, 6)
    kspace = to_kspace(coil_images(shape, 6))
    kspace[:, 1::2] = 0
    norm = torch.linalg.vector_norm(maps, dim=0)
    told = []
    found = sense(kspace, (maps / norm)[None], weight=1e-5, progress=lambda i, r: told.append(r))[0]
    expected = head(shape) * norm
    assert (found - expected).norm() < 0.02 * expected.norm()
    assert told[-1] < told[0]
