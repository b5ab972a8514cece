"""The ramp between the echoes of a bipolar readout."""

from __future__ import annotations

import math

import pytest
import torch

from qsmflow.core.bipolar import alternate, readout_ramp
from qsmflow.core.field import combine_echoes, radians_per_ppm
from qsmflow.core.unwrap import unwrap_series, unwrap_volume

EVEN, UNEVEN = (0.004, 0.009, 0.014, 0.019), (0.004, 0.009, 0.017, 0.022)
SHAPE = (36, 32, 28)


def echoes(te: tuple[float, ...], ramp: torch.Tensor, snr: float = 30.0) -> tuple[torch.Tensor, ...]:
    """Field, ppm, wrapped phase and magnitude of noisy echoes with a receiver offset, and a mask."""
    generator = torch.Generator().manual_seed(0)
    x, y, z = torch.meshgrid(*[torch.linspace(-1, 1, n) for n in SHAPE], indexing="ij")
    field = 0.8 * torch.exp(-3 * (x**2 + y**2 + z**2)) + 0.2 * x - 0.3
    true = torch.stack([field * radians_per_ppm(t, 3.0) + 0.5 + 0.3 * y for t in te]) + alternate(ramp, len(te))
    decay = torch.tensor([math.exp(-25 * t) for t in te]).reshape(-1, 1, 1, 1)
    noise = torch.randn((2, *true.shape), generator=generator) / snr
    signal = torch.complex(decay * torch.cos(true) + noise[0], decay * torch.sin(true) + noise[1])
    return field, signal.angle(), signal.abs(), x**2 + y**2 + z**2 < 0.9


def plane(constant: float, slopes: tuple[float, float, float]) -> torch.Tensor:
    """`slopes` are the changes from one end of the grid to the other, rad."""
    x, y, z = torch.meshgrid(*[torch.linspace(-0.5, 0.5, n) for n in SHAPE], indexing="ij")
    return constant + slopes[0] * x + slopes[1] * y + slopes[2] * z


@pytest.mark.parametrize("te", [EVEN, UNEVEN])
@pytest.mark.parametrize("slopes", [(2.0, 0.0, 0.0), (0.0, -9.0, 0.5), (0.6, 0.0, 3.0)])
@pytest.mark.parametrize("unit", [1.0, 1e9])
def test_ramp_is_found(te: tuple[float, ...], slopes: tuple[float, float, float], unit: float) -> None:
    truth = plane(0.2, slopes)
    _, phase, magnitude, mask = echoes(te, truth)
    found = readout_ramp(phase, unit * magnitude, te, mask, lambda p, m: unwrap_volume(p, m, mask))
    assert found is not None
    assert float((found - truth)[mask].abs().max()) < 0.03


@pytest.mark.parametrize("te", [EVEN, UNEVEN])
@pytest.mark.parametrize("snr", [30.0, 5.0, 0.1])
def test_no_ramp_none_found(te: tuple[float, ...], snr: float) -> None:
    _, phase, magnitude, mask = echoes(te, plane(0.0, (0.0, 0.0, 0.0)), snr)

    def unwrap(image: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
        return unwrap_volume(image, weight, mask)

    assert readout_ramp(phase, magnitude, te, mask, unwrap) is None
    found = readout_ramp(phase, magnitude, te, mask, unwrap, always=True)
    assert found is not None and torch.isfinite(found).all()
    if snr > 1:
        assert float(found[mask].abs().max()) < 0.05


@pytest.mark.parametrize("te", [EVEN, UNEVEN])
@pytest.mark.parametrize("method", ["romeo", "segue"])
def test_field_of_a_bipolar_readout(te: tuple[float, ...], method: str) -> None:
    """Corrected, the field is as good as that of echoes of one direction; left alone, it is not."""
    errors = {}
    for name, slope, bipolar in (("one way", 0.0, "no"), ("corrected", 9.0, "auto"), ("left alone", 9.0, "no")):
        field, phase, magnitude, mask = echoes(te, plane(0.1, (slope, 0.0, 0.0)))
        unwrapped, _, ramp = unwrap_series(phase, magnitude, te, (1, 1, 1), mask, method=method, bipolar=bipolar)
        assert (ramp > 0) == (name == "corrected")
        error = (combine_echoes(unwrapped, magnitude, te, 3.0) - field)[mask]
        errors[name] = float(error.std())
    assert errors["corrected"] < 1.05 * errors["one way"] < 0.2 * errors["left alone"]


def test_signs_alternate() -> None:
    ramp = torch.rand(2, 3, 4)
    assert torch.equal(alternate(ramp, 3), torch.stack([ramp, -ramp, ramp]))


def test_refuses_two_echoes() -> None:
    ones = torch.ones(2, 3, 3, 3)
    with pytest.raises(ValueError, match="three echoes"):
        readout_ramp(ones, ones, EVEN[:2], ones[0] > 0, lambda p, _: p)
