"""From wrapped phase to the field: four echoes of a head-like field with noise, and a real image beside PRELUDE."""

from __future__ import annotations

import functools
import math

import pytest
import torch

from qsmflow.core.field import radians_per_ppm
from qsmflow.core.field_fit import total_field
from qsmflow.core.relaxation import r2star
from qsmflow.core.unwrap import unwrap_series
from tests.conftest import shared_data  # noqa: F401
from tests.prelude import agreement, prelude_pair

GRIDS = [(160, 160, 160), (164, 204, 204)]
TE, B0, SNR, DECAY = (0.004, 0.012, 0.020, 0.028), 3.0, 20.0, 25.0
EXACT = ["romeo", "best_path", "segue"]
VOXEL = (1.0, 1.0, 1.0)


@functools.cache
def echoes(shape):
    """Field, ppm, phase, magnitude and mask: a source near the rim, as a sinus, a receiver offset, and noise."""
    x, y, z = torch.meshgrid(*[torch.linspace(-1, 1, n) for n in shape], indexing="ij")
    mask = x**2 + y**2 + z**2 < 0.8
    distance = (x**2 + (y - 0.75) ** 2 + (z + 0.75) ** 2).sqrt()
    field = 0.05 * (3 * ((z + 0.75) / distance) ** 2 - 1) / distance**3 + 0.1 * torch.sin(9 * x) * torch.cos(7 * y)
    generator = torch.Generator().manual_seed(0)
    phase, magnitude = torch.empty(len(TE), *shape), torch.empty(len(TE), *shape)
    for echo, te in enumerate(TE):
        signal = torch.polar(torch.full(shape, math.exp(-DECAY * te)), field * radians_per_ppm(te, B0) + 0.5 + 0.3 * y)
        signal += torch.complex(torch.randn(shape, generator=generator), torch.randn(shape, generator=generator)) / SNR
        phase[echo], magnitude[echo] = signal.angle(), signal.abs()
    return field, phase, magnitude, mask


def wrong(found, truth, mask):
    """Voxels that are off by more than 50 ppb, where the standard deviation of the noise is below 3 ppb."""
    error = (found - truth)[mask]
    return {"wrong %": f"{100 * float(((error - error.median()).abs() > 0.05).float().mean()):.3f}"}


@pytest.mark.parametrize("shape", GRIDS, ids=str)
@pytest.mark.parametrize("echoes_by", ["template", "individual"])
@pytest.mark.parametrize("method", EXACT)
def test_unwrap(cost, method, echoes_by, shape):
    field, phase, magnitude, mask = echoes(shape)

    def figures(result):
        return wrong(total_field(result.phase, magnitude, TE, B0, mask)[0], field, mask)

    cost(lambda: unwrap_series(phase, magnitude, TE, VOXEL, mask, method=method, echoes=echoes_by), shape, figures)


@pytest.mark.parametrize("shape", GRIDS, ids=str)
def test_unwrap_laplacian(cost, shape):
    _, phase, magnitude, mask = echoes(shape)
    cost(lambda: unwrap_series(phase, magnitude, TE, VOXEL, mask, method="laplacian"), shape, lambda _: {})


@pytest.mark.parametrize("shape", GRIDS, ids=str)
@pytest.mark.parametrize("method", ["weighted", "nonlinear"])
def test_field(cost, method, shape):
    field, phase, magnitude, mask = echoes(shape)
    unwrapped = unwrap_series(phase, magnitude, TE, VOXEL, mask).phase
    call = functools.partial(total_field, unwrapped, magnitude, TE, B0, mask, method=method)
    cost(call, shape, lambda result: wrong(result[0], field, mask))


@pytest.mark.parametrize("shape", GRIDS, ids=str)
def test_r2star(cost, shape):
    _, _, magnitude, mask = echoes(shape)

    def figures(result):
        return {"bias 1/s": f"{float(result[mask].median()) - DECAY:.2f}"}

    cost(lambda: r2star(magnitude, TE), shape, figures)


@pytest.mark.parametrize("method", [*EXACT, "laplacian"])
def test_prelude_pair(cost, method, shared_data):  # noqa: F811
    """Voxels of the mask, and those of the better half of the signal, on which PRELUDE agrees."""
    pair = prelude_pair(shared_data)
    signal = pair.mask & (pair.magnitude > pair.magnitude[pair.mask].median())

    def call():
        size = (1.8, 1.8, 1.8)
        return unwrap_series(pair.phase[None], pair.magnitude[None], (0.01,), size, pair.mask, method=method).phase[0]

    def figures(result):
        shares = {"PRELUDE %": pair.mask, "with signal %": signal}
        return {name: f"{100 * agreement(result, pair, where):.1f}" for name, where in shares.items()}

    cost(call, tuple(pair.phase.shape), figures)
