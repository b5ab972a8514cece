"""Unwrapping of several echoes, in any spacing, and of the whole series."""

from __future__ import annotations

import math

import pytest
import torch

from qsmflow.core.field import combine_echoes, radians_per_ppm, wrap
from qsmflow.core.unwrap import unwrap_echoes, unwrap_series, unwrap_volume, voxel_quality

EVEN, UNEVEN, TWO, ONE = (0.004, 0.012, 0.020), (0.004, 0.009, 0.017, 0.022, 0.033), (0.005, 0.012), (0.020,)
EXACT = ("romeo", "best_path", "segue")
SHAPE = (36, 32, 28)


def head(te: tuple[float, ...], *, mean: float = 0.0, offset: float = 0.0) -> tuple[torch.Tensor, ...]:
    """Field, ppm, true phase and magnitude of echoes, and a mask; `offset` scales a phase that varies in space."""
    x, y, z = torch.meshgrid(*[torch.linspace(-1, 1, n) for n in SHAPE], indexing="ij")
    field = 0.9 * torch.exp(-3 * (x**2 + y**2 + z**2)) + 0.1 * x - 0.4 + mean
    phase = torch.stack([field * radians_per_ppm(t, 3.0) + offset * (2 + y - z) for t in te])
    magnitude = torch.stack([torch.full(SHAPE, math.exp(-25 * t)) for t in te])
    return field, phase, magnitude, x**2 + y**2 + z**2 < 0.9


@pytest.mark.parametrize("te", [EVEN, UNEVEN, TWO, ONE])
@pytest.mark.parametrize("method", EXACT)
@pytest.mark.parametrize("echoes", ["template", "individual"])
@pytest.mark.parametrize("offset", [0.0, 1.5])
def test_echoes_agree_in_time(te: tuple[float, ...], method: str, echoes: str, offset: float) -> None:
    """With an offset, which differs in space, the echoes lie on a line that does not go through zero."""
    field, phase, magnitude, mask = head(te, offset=offset)
    unwrapped = unwrap_echoes(
        wrap(phase),
        magnitude,
        te,
        mask,
        lambda p, m: unwrap_volume(p, m, mask, method),
        echoes=echoes,
        intercept=offset > 0 and len(te) > 1,
    )
    turns = ((unwrapped - phase) / (2 * math.pi))[:, mask]
    assert float((turns - turns.round()).abs().max()) < 1e-3
    assert all(len(echo.round().unique()) == 1 for echo in turns)
    assert not unwrapped[:, ~mask].any()
    if len(te) > 1:
        found = combine_echoes(unwrapped, magnitude, te, 3.0, intercept=offset > 0)
        error = (found - field)[mask]
        assert float(error.max() - error.min()) < 1e-3, "the same in all voxels"


@pytest.mark.parametrize("mean", [0.0, 1.5, -2.0])
@pytest.mark.parametrize("echoes", ["template", "individual"])
@pytest.mark.parametrize("offset", [0.0, 1.5])
def test_uneven_echoes_tell_whole_turns(mean: float, echoes: str, offset: float) -> None:
    """A mean field of more than half a turn of the first echo, and of the first spacing, is found."""
    field, phase, magnitude, mask = head(UNEVEN, mean=mean, offset=offset)
    unwrapped = unwrap_echoes(
        wrap(phase),
        magnitude,
        UNEVEN,
        mask,
        lambda p, m: unwrap_volume(p, m, mask),
        echoes=echoes,
        intercept=offset > 0,
    )
    found = combine_echoes(unwrapped, magnitude, UNEVEN, 3.0, intercept=offset > 0)
    assert float((found - field)[mask].abs().max()) < 1e-3


@pytest.mark.parametrize("te", [EVEN, UNEVEN, TWO, ONE])
@pytest.mark.parametrize("method", [*EXACT, "laplacian"])
@pytest.mark.parametrize("remove_offset", [False, True])
def test_series(te: tuple[float, ...], method: str, remove_offset: bool) -> None:
    """The field comes out, up to a constant, and in case of the Laplacian up to a smooth background."""
    field, phase, magnitude, mask = head(te, offset=0.5 if len(te) > 1 else 0.0)
    unwrapped, removed, ramp = unwrap_series(
        wrap(phase), magnitude, te, (1, 1, 1), mask, method=method, remove_offset=remove_offset
    )
    assert removed == (remove_offset and len(te) > 1) and ramp == 0
    found = combine_echoes(unwrapped, magnitude, te, 3.0, intercept=len(te) > 1 and not removed)
    error = (found - field)[mask]
    assert float(error.std() / field[mask].std()) < (0.7 if method == "laplacian" else 0.1)


@pytest.mark.parametrize("voxels", [0, 1])
@pytest.mark.parametrize("method", [*EXACT, "laplacian"])
@pytest.mark.parametrize("bipolar", ["auto", "yes"])
def test_finite_whatever_the_mask(voxels: int, method: str, bipolar: str) -> None:
    phase = wrap(9 * torch.rand(3, 6, 5, 4, generator=torch.Generator().manual_seed(0)))
    mask = torch.zeros(6, 5, 4, dtype=torch.bool)
    mask.view(-1)[:voxels] = True
    for magnitude in (torch.ones_like(phase), torch.zeros_like(phase)):
        for remove_offset in (True, False):
            unwrapped = unwrap_series(
                phase, magnitude, EVEN, (1, 1, 1), mask, method=method, bipolar=bipolar, remove_offset=remove_offset
            ).phase
            assert torch.isfinite(unwrapped).all() and not unwrapped[:, ~mask].any()


def test_refusals() -> None:
    ones, mask = torch.ones(2, 3, 3, 3), torch.ones(3, 3, 3, dtype=torch.bool)
    with pytest.raises(ValueError, match="template or individual"):
        unwrap_echoes(ones, ones, TWO, mask, lambda p, _: p, echoes="magic")
    with pytest.raises(ValueError, match="echo times"):
        unwrap_echoes(ones, ones, EVEN, mask, lambda p, _: p)
    with pytest.raises(ValueError, match="2 echoes but 3 echo times"):
        unwrap_series(ones, ones, EVEN, (1, 1, 1), mask)
    with pytest.raises(ValueError, match="2 echoes but 3 echo times"):
        voxel_quality(ones, ones, EVEN)
    with pytest.raises(ValueError, match="auto, yes or no"):
        unwrap_series(ones, ones, TWO, (1, 1, 1), mask, bipolar="maybe")
    with pytest.raises(ValueError, match="three echoes"):
        unwrap_series(ones, ones, TWO, (1, 1, 1), mask, bipolar="yes")
