"""R2* of known decays."""

from __future__ import annotations

import math

import pytest
import torch

from qsmflow.core.relaxation import r2star

EVEN, UNEVEN = (0.004, 0.012, 0.020, 0.028), (0.004, 0.009, 0.022)


@pytest.mark.parametrize("te", [EVEN, UNEVEN, EVEN[:2]])
def test_exact_without_noise(te: tuple[float, ...]) -> None:
    rate = torch.linspace(0, 200, 60).reshape(3, 4, 5)
    magnitude = 700 * torch.stack([torch.exp(-t * rate) for t in te])
    assert torch.allclose(r2star(magnitude, te), rate, atol=0.02)


@pytest.mark.parametrize("rate", [20.0, 60.0])
def test_unbiased_and_efficient_under_rician_noise(rate: float) -> None:
    """The median is true to 1 %, the scatter that of the Cramer-Rao bound."""
    signal = torch.tensor([math.exp(-t * rate) for t in EVEN]).reshape(-1, 1, 1, 1)
    noise = torch.randn(2, 4, 40, 40, 40, generator=torch.Generator().manual_seed(0)) / 30
    found = r2star(torch.hypot(signal + noise[0], noise[1]), EVEN)
    assert float(found.median()) == pytest.approx(rate, rel=0.01)
    weight, time = signal.flatten().square(), torch.tensor(EVEN)
    mean = (weight * time).sum() / weight.sum()
    bound = 1 / 30 / float((weight * (time - mean).square()).sum().sqrt())
    assert float((found - found.median()).abs().median()) / 0.6745 == pytest.approx(bound, rel=0.06)


def test_finite_without_signal() -> None:
    magnitude = torch.rand(3, 4, 4, 4, generator=torch.Generator().manual_seed(0))
    magnitude[:, 0] = 0.0
    magnitude[1:, 1] = 0.0
    found = r2star(magnitude, EVEN[:3])
    assert torch.isfinite(found).all() and not found[:2].any()
    assert torch.isfinite(r2star(torch.zeros(2, 1, 1, 1), EVEN[:2])).all()


def test_the_unit_of_the_magnitude_does_not_matter() -> None:
    magnitude = torch.rand(4, 3, 3, 3, generator=torch.Generator().manual_seed(0))
    assert torch.allclose(r2star(1e-9 * magnitude, EVEN), r2star(1e9 * magnitude, EVEN), rtol=1e-3)


def test_refusals() -> None:
    with pytest.raises(ValueError, match="two echoes"):
        r2star(torch.ones(1, 2, 2, 2), EVEN[:1])
    with pytest.raises(ValueError, match="echo times"):
        r2star(torch.ones(2, 2, 2, 2), EVEN)
