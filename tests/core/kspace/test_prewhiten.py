from __future__ import annotations

import pytest
import torch

from qsmflow.core.kspace.prewhiten import noise_covariance, prewhiten


def test_noise_becomes_white():
    g = torch.Generator().manual_seed(0)
    white = torch.view_as_complex(torch.randn((4, 20000, 2), generator=g)) / 2**0.5
    mixing = torch.view_as_complex(torch.randn((4, 4, 2), generator=g))
    covariance = noise_covariance(mixing @ white + 3.0)
    torch.testing.assert_close(covariance, mixing @ mixing.mH, atol=0.2, rtol=0.05)
    found = noise_covariance(prewhiten(mixing @ white, covariance))
    torch.testing.assert_close(found, torch.eye(4, dtype=torch.complex64), atol=1e-3, rtol=0)
    volume = torch.view_as_complex(torch.randn((4, 3, 2, 5, 2), generator=g))
    assert prewhiten(volume, covariance).shape == volume.shape


@pytest.mark.parametrize(
    ("noise", "told"),
    [(torch.ones(4, 3), "3 noise samples"), (torch.zeros(2, 9), "coil 1 has no noise")],
)
def test_bad_noise_is_named(noise, told):
    with pytest.raises(ValueError, match=told):
        noise_covariance(noise.to(torch.complex64))


def test_two_equal_coils_are_refused():
    with pytest.raises(ValueError, match="not positive definite"):
        prewhiten(torch.ones(2, 5, dtype=torch.complex64), torch.ones(2, 2, dtype=torch.complex64))
