"""The two fits of the field and its standard deviation."""

from __future__ import annotations

import math
from itertools import pairwise

import pytest
import torch

from qsmflow.core.field import radians_per_ppm, wrap
from qsmflow.core.field_fit import field_noise, nonlinear_field, total_field
from qsmflow.core.noise import noise_of_image, noise_of_residuals

EVEN, UNEVEN = (0.004, 0.012, 0.020, 0.028), (0.004, 0.009, 0.017, 0.022, 0.033)
SHAPE = (30, 28, 26)


def echoes(te: tuple[float, ...], snr: float, offset: float = 0.0) -> tuple[torch.Tensor, ...]:
    """Field, phase (unwrapped in the truth's favour) and magnitude of decaying noisy echoes."""
    generator = torch.Generator().manual_seed(0)
    x, y, z = torch.meshgrid(*[torch.linspace(-1, 1, n) for n in SHAPE], indexing="ij")
    field = 0.3 * torch.exp(-3 * (x**2 + y**2 + z**2)) + 0.1 * x
    true = torch.stack([field * radians_per_ppm(t, 3.0) + offset for t in te])
    decay = torch.tensor([math.exp(-25 * t) for t in te]).reshape(-1, 1, 1, 1)
    noise = torch.randn((2, *true.shape), generator=generator) / snr
    signal = torch.complex(decay * torch.cos(true) + noise[0], decay * torch.sin(true) + noise[1])
    return field, true + wrap(signal.angle() - true), signal.abs()


@pytest.mark.parametrize("te", [EVEN, UNEVEN, EVEN[:2], EVEN[:1]])
@pytest.mark.parametrize("intercept", [False, True])
@pytest.mark.parametrize("method", ["weighted", "nonlinear"])
@pytest.mark.parametrize("snr", [50.0, 8.0])
def test_the_noise_map_tells_the_error(te: tuple[float, ...], intercept: bool, method: str, snr: float) -> None:
    if len(te) == 1 and intercept:
        pytest.skip("one echo has no intercept")
    truth, phase, magnitude = echoes(te, snr, offset=0.4 if intercept else 0.0)
    mask = torch.ones(SHAPE, dtype=torch.bool)
    field, noise = total_field(phase, magnitude, te, 3.0, mask, method=method, intercept=intercept)
    error = (field - truth).abs().median() / 0.6745
    assert float(noise.median()) == pytest.approx(float(error), rel=0.08)


@pytest.mark.parametrize("te", [EVEN, UNEVEN])
@pytest.mark.parametrize("intercept", [False, True])
def test_nonlinear_does_not_see_turns_of_later_echoes(te: tuple[float, ...], intercept: bool) -> None:
    truth, phase, magnitude = echoes(te, 50.0, offset=0.4 if intercept else 0.0)
    found = nonlinear_field(phase, magnitude, te, 3.0, intercept=intercept)
    turned = phase.clone()
    turned[2:] = wrap(phase[2:])
    again = nonlinear_field(turned, magnitude, te, 3.0, intercept=intercept)
    assert torch.allclose(again, found, atol=1e-4)
    assert float((found - truth).abs().max()) < 0.02


def test_nonlinear_steps_never_raise_the_cost() -> None:
    _, phase, magnitude = echoes(UNEVEN, 4.0)

    def cost(field: torch.Tensor) -> torch.Tensor:
        times = [radians_per_ppm(t, 3.0) for t in UNEVEN]
        terms = (m**2 * (1 - torch.cos(p - field * t)) for m, p, t in zip(magnitude, phase, times, strict=True))
        return torch.as_tensor(sum(terms))

    told: list[tuple[int, float]] = []
    costs = []
    for steps in (1, 2, 4, 8):
        told.clear()
        field = nonlinear_field(
            phase, magnitude, UNEVEN, 3.0, max_iterations=steps, tolerance=0, progress=lambda i, c: told.append((i, c))
        )
        costs.append(cost(field))
        assert [i for i, _ in told] == list(range(1, steps + 1))
    for before, after in pairwise(costs):
        assert float((after - before).max()) < 1e-4


@pytest.mark.parametrize("method", ["weighted", "nonlinear"])
@pytest.mark.parametrize("voxels", [0, 1])
def test_finite_whatever_the_mask_and_without_signal(method: str, voxels: int) -> None:
    mask = torch.zeros(5, 4, 3, dtype=torch.bool)
    mask.view(-1)[:voxels] = True
    for signal in (0.0, 1.0):
        field, noise = total_field(
            torch.ones(3, 5, 4, 3), torch.full((3, 5, 4, 3), signal), EVEN[:3], 3.0, mask, method=method
        )
        assert torch.isfinite(field).all() and torch.isfinite(noise).all()
        assert not field[~mask].any() and not noise[~mask].any()


def test_without_signal_the_noise_is_that_of_an_unknown_phase() -> None:
    mask = torch.ones(6, 6, 6, dtype=torch.bool)
    magnitude = torch.ones(2, 6, 6, 6)
    magnitude[:, 0, 0, 0] = 0.0
    phase = torch.randn(2, 6, 6, 6, generator=torch.Generator().manual_seed(0)) * 0.1
    noise = field_noise(torch.zeros(6, 6, 6), phase, magnitude, EVEN[:2], 3.0, mask)
    assert float(noise[0, 0, 0]) == pytest.approx(math.pi / math.sqrt(3) / radians_per_ppm(0.004, 3.0))
    assert float(noise.max()) == float(noise[0, 0, 0])


def test_noise_of_the_images() -> None:
    generator = torch.Generator().manual_seed(0)
    mask = torch.ones(SHAPE, dtype=torch.bool)
    noise = 0.3 * torch.randn((4, *SHAPE), generator=generator)
    ramp = torch.arange(30.0).reshape(-1, 1, 1)
    assert noise_of_image(noise[0] + ramp, noise[1] - ramp, mask) == pytest.approx(0.3, rel=0.03)
    assert noise_of_image(noise[0][:, :, :1], noise[1][:, :, :1], mask[:, :, :1]) == pytest.approx(0.3, rel=0.1)
    for freedom in (1, 2, 4):
        assert noise_of_residuals(iter(noise[:freedom]), freedom, mask) == pytest.approx(0.3, rel=0.03)
    nothing = torch.zeros(SHAPE, dtype=torch.bool)
    assert noise_of_image(noise[0], noise[1], nothing) == noise_of_residuals(noise, 1, nothing) == 0.0


def test_refusals() -> None:
    ones, mask = torch.ones(2, 2, 2, 2), torch.ones(2, 2, 2, dtype=torch.bool)
    with pytest.raises(ValueError, match="magic"):
        total_field(ones, ones, EVEN[:2], 3.0, mask, method="magic")
    with pytest.raises(ValueError, match="echo times"):
        nonlinear_field(ones, ones, EVEN, 3.0)
    with pytest.raises(ValueError, match="two echoes"):
        nonlinear_field(ones[:1], ones[:1], EVEN[:1], 3.0, intercept=True)
