"""Phase to field."""

from __future__ import annotations

import math

import pytest
import torch

from qsmflow.core.field import combine_echoes, radians_per_ppm, receiver_offset, wrap

TE = (0.004, 0.012, 0.020)


def test_one_ppm() -> None:
    # 42.577 Hz per ppm and T: at 3 T and 10 ms 1.2773 turns
    assert radians_per_ppm(0.01, 3.0) == pytest.approx(2 * math.pi * 1.27732, rel=1e-5)


def test_wrap() -> None:
    assert torch.allclose(
        wrap(torch.tensor([0.0, 4.0, -4.0, 7.0])),
        torch.tensor([0.0, 4 - 2 * math.pi, 2 * math.pi - 4, 7 - 2 * math.pi]),
    )


@pytest.mark.parametrize("intercept", [False, True])
def test_combine_recovers_the_field(intercept: bool) -> None:
    field = torch.linspace(-0.2, 0.2, 4 * 5 * 6).reshape(4, 5, 6)
    phase = torch.stack([field * radians_per_ppm(te, 3.0) + (0.7 if intercept else 0.0) for te in TE])
    magnitude = torch.rand(3, 4, 5, 6) + 0.1
    assert torch.allclose(combine_echoes(phase, magnitude, TE, 3.0, intercept=intercept), field, atol=1e-5)


def test_weights_are_optimal() -> None:
    """The scatter of the weighted fit is what the Gauss-Markov theorem promises, below that of equal weights."""
    generator = torch.Generator().manual_seed(1)
    magnitude = torch.tensor([1.0, 0.6, 0.2]).reshape(3, 1, 1, 1).expand(3, 50, 40, 30)
    phase = 0.05 * torch.randn(magnitude.shape, generator=generator) / magnitude
    found = combine_echoes(phase, magnitude, TE, 3.0).std()
    information = sum((m / 0.05 * radians_per_ppm(te, 3.0)) ** 2 for m, te in zip((1.0, 0.6, 0.2), TE, strict=True))
    assert float(found) == pytest.approx(information**-0.5, rel=0.02)
    equal = combine_echoes(phase, torch.ones_like(magnitude), TE, 3.0).std()
    assert float(equal) > 1.3 * float(found)


def test_no_signal_no_field() -> None:
    assert not combine_echoes(torch.ones(2, 3, 3, 3), torch.zeros(2, 3, 3, 3), TE[:2], 3.0).any()


def test_refusals() -> None:
    with pytest.raises(ValueError, match="echo times"):
        combine_echoes(torch.zeros(2, 2, 2, 2), torch.ones(2, 2, 2, 2), TE, 3.0)
    with pytest.raises(ValueError, match="two echoes"):
        combine_echoes(torch.zeros(1, 2, 2, 2), torch.ones(1, 2, 2, 2), TE[:1], 3.0, intercept=True)
    with pytest.raises(ValueError, match="two echoes"):
        receiver_offset(
            torch.zeros(1, 2, 2, 2), torch.ones(1, 2, 2, 2), TE[:1], (1, 1, 1), torch.ones(2, 2, 2), lambda p, m: p
        )


def test_receiver_offset_is_found() -> None:
    x, y, z = torch.meshgrid(*[torch.linspace(-1, 1, 40)] * 3, indexing="ij")
    offset = 2.0 * x - 1.5 * y + 0.5 * z * x
    field = 0.03 * torch.exp(-4 * (x**2 + y**2 + z**2))
    phase = torch.stack([wrap(field * radians_per_ppm(te, 3.0) + offset) for te in TE])
    mask = x**2 + y**2 + z**2 < 0.7
    phase = torch.where(mask, phase, torch.full_like(phase, 2.5))  # what lies outside must not leak in
    found = receiver_offset(phase, torch.ones_like(phase), TE, (1, 1, 1), mask, lambda p, m: p, smoothing=2.0)
    assert float(wrap(found - offset)[x**2 + y**2 + z**2 < 0.3].abs().max()) < 0.05
    assert float(wrap(found - offset)[mask].abs().max()) < 0.3
