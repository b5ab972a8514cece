"""The phase that the two directions of a bipolar readout add with opposite signs."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch

from .field import wrap

#: Range of the ramp between odd and even echoes over the mask, rad, from which a readout is taken as bipolar. Less
#: does no harm: it is a slope of the field, which background removal takes out.
_LEAST_RANGE = 0.5

#: Standard errors that a slope must have to be believed.
_LEAST_CERTAINTY = 5.0

#: Gauss-Newton steps of the fit; the slopes it starts from are nearly right.
_STEPS = 5


def readout_ramp(
    phase: torch.Tensor,
    magnitude: torch.Tensor,
    te: Sequence[float],
    mask: torch.Tensor,
    unwrap: Callable[[torch.Tensor, torch.Tensor], torch.Tensor],
    *,
    always: bool = False,
) -> torch.Tensor | None:
    """Ramp that odd echoes, the first among them, have too much of and even echoes too little.

    Eddy currents and gradient delays move the echoes of the two readout directions apart in k-space, which is a linear
    phase. The first and the third echo are read in the same direction; their difference tells the field, and the field
    what the second echo should be. What it has beyond that is fitted by a constant and a slope along each axis.
    Whether there is any is told by the steps of the phase between neighbouring voxels, which needs no unwrapping.

    The constant cannot be told from that of a uniform field where the echoes are evenly spaced, and the smallest is
    taken.

    Parameters
    ----------
    phase, magnitude
        rad and any unit, (E, X, Y, Z).
    te
        s, one an echo.
    mask
        bool, (X, Y, Z).
    unwrap
        Takes the wrapped phase difference and the magnitude product, each (X, Y, Z); returns it unwrapped.
    always
        False: None where the data show no ramp. True: the ramp, however small.

    Returns
    -------
    torch.Tensor or None
        rad, (X, Y, Z): add it to the even echoes and take it from the odd ones (`alternate`). Peak memory: 8 volumes,
        or what `unwrap` takes.

    Raises
    ------
    ValueError
        Fewer than three echoes.

    References
    ----------
    Li et al., MAGMA 2015 (a linear model in all three axes suffices).
    """
    if len(te) < 3:
        raise ValueError("the ramp of a bipolar readout needs three echoes")
    share = (te[1] - te[0]) / (te[2] - te[0])
    slopes = _slopes(phase, magnitude, share, mask)
    extent = [int(places.amax() - places.amin()) if len(places) else 0 for places in mask.nonzero().T]
    if not always and sum(abs(slope) * size for slope, size in zip(slopes, extent, strict=True)) < _LEAST_RANGE:
        return None
    same = unwrap(wrap(phase[2] - phase[0]), magnitude[0] * magnitude[2])
    excess = phase[1] - phase[0] - share * same
    weight = magnitude[0] * magnitude[1] * mask
    constant, slopes = _fit(excess, weight, slopes)
    # a turn more of the difference that was unwrapped changes the constant by this
    candidates = [wrap(torch.tensor(constant + turns * 2.0 * torch.pi * share)) for turns in (0, -1, 1)]
    constant = float(min(candidates, key=abs))
    return -0.5 * (constant + _plane(mask, slopes))


def alternate(ramp: torch.Tensor, echoes: int) -> torch.Tensor:
    """`ramp` with the sign it has in each echo, (E, X, Y, Z): plus in the first."""
    return torch.stack([ramp if echo % 2 == 0 else -ramp for echo in range(echoes)])


def _slopes(phase: torch.Tensor, magnitude: torch.Tensor, share: float, mask: torch.Tensor) -> list[float]:
    """Mean step, rad a voxel along each axis, of what the second echo has beyond the first and third; else zero."""
    slopes = []
    other, same = wrap(phase[1] - phase[0]), wrap(phase[2] - phase[0])
    weight = (magnitude[0] * magnitude[2]).sqrt() * mask
    weight /= weight.amax().clamp_min(torch.finfo(weight.dtype).tiny)
    for axis in range(3):
        size = mask.shape[axis] - 1
        both = weight.narrow(axis, 1, size) * weight.narrow(axis, 0, size)
        step = wrap(other.diff(dim=axis)) - share * wrap(same.diff(dim=axis))
        real, imag = ((both * part(step)).sum() for part in (torch.cos, torch.sin))
        total = both.sum().clamp_min(torch.finfo(both.dtype).tiny)
        concentration = (torch.hypot(real, imag) / total).clamp(1e-6, 1.0)
        pairs = total.square() / both.square().sum().clamp_min(torch.finfo(both.dtype).tiny)
        error = (2.0 * (1.0 - concentration) / pairs.clamp_min(1.0)).sqrt() / concentration
        slope = torch.atan2(imag, real)
        slopes.append(float(slope) if slope.abs() > _LEAST_CERTAINTY * error else 0.0)
    return slopes


def _fit(excess: torch.Tensor, weight: torch.Tensor, slopes: list[float]) -> tuple[float, list[float]]:
    """Constant and slopes, rad a voxel about the centre of the grid, of the plane that fits `excess` up to 2 pi."""
    axes = _axes(excess)
    residual = excess - _plane(excess, slopes)
    constant = float(torch.atan2((weight * torch.sin(residual)).sum(), (weight * torch.cos(residual)).sum()))
    basis = [torch.ones_like(axes[0]), *axes]
    normal = torch.stack([torch.stack([(weight * a * b).sum() for b in basis]) for a in basis]).double()
    inverse = torch.linalg.pinv(normal, rtol=1e-6, hermitian=True)
    for _ in range(_STEPS):
        residual = torch.sin(excess - constant - _plane(excess, slopes)) * weight
        step = (inverse @ torch.stack([(residual * a).sum() for a in basis]).double()).tolist()
        constant += step[0]
        slopes = [slope + change for slope, change in zip(slopes, step[1:], strict=True)]
    return constant, slopes


def _plane(like: torch.Tensor, slopes: Sequence[float]) -> torch.Tensor:
    x, y, z = (slope * axis for slope, axis in zip(slopes, _axes(like), strict=True))
    return x + y + z


def _axes(like: torch.Tensor) -> list[torch.Tensor]:
    """Voxels from the centre of the grid along each axis, ready to broadcast."""
    axes = []
    for axis, size in enumerate(like.shape):
        shape = [size if a == axis else 1 for a in range(3)]
        axes.append((torch.arange(size, device=like.device, dtype=torch.float32) - (size - 1) / 2).reshape(shape))
    return axes
