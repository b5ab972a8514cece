"""How noisy the images are: the standard deviation of one channel, real or imaginary."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

import torch

from .smooth import gaussian

#: Share of the voxels whose surroundings are flattest.
_FLAT = 0.1
#: Median of the absolute value of a standard normal variable.
_MEDIAN_OF_NORMAL = 0.674490


def noise_of_residuals(residuals: Iterable[torch.Tensor], freedom: int, mask: torch.Tensor) -> float:
    """From what a fit over the echoes left, by the median over the mask: a share of bad voxels does no harm.

    Parameters
    ----------
    residuals
        Units of the signal, one (X, Y, Z) an echo; taken one by one.
    freedom
        Number of echoes less that of fitted unknowns, at least one.
    mask
        bool, (X, Y, Z).

    Returns
    -------
    float
        Units of the signal; 0 for an empty mask.
    """
    if not mask.any():
        return 0.0
    square = torch.as_tensor(sum(residual[mask].square() for residual in residuals))
    # median of a chi-square variable, after Wilson and Hilferty; with one degree of freedom it is known
    median = _MEDIAN_OF_NORMAL**2 if freedom == 1 else freedom * (1.0 - 2.0 / (9.0 * freedom)) ** 3
    return float((square.median() / median).sqrt())


def noise_of_image(real: torch.Tensor, imag: torch.Tensor, mask: torch.Tensor) -> float:
    """Of a complex image: `noise_of_parts` of its real and imaginary part."""
    return noise_of_parts([real, imag], mask)


def noise_of_parts(parts: Sequence[torch.Tensor], mask: torch.Tensor) -> float:
    """From the mixed difference along all three axes, in which an image leaves little and white noise stays.

    Noise that was smoothed, or an image interpolated to a finer grid, comes out too small.

    Parameters
    ----------
    parts
        Real volumes of the same noise, (X, Y, Z); an axis of one voxel is left out.
    mask
        bool, (X, Y, Z).

    Returns
    -------
    float
        Units of the volumes; 0 where no neighbours lie in the mask.
    """
    mixed, inside = _mixed_differences(parts, mask)
    return _sd_of_mixed(torch.cat([part[inside] for part in mixed]), mask)


def noise_of_magnitude(magnitude: torch.Tensor, mask: torch.Tensor) -> float:
    """As `noise_of_parts`, where the image is flattest: of folds and vessels a mixed difference keeps much.

    Parameters
    ----------
    magnitude
        (X, Y, Z), any unit.
    mask
        bool, (X, Y, Z).

    Returns
    -------
    float
        Unit of the magnitude; 0 where no neighbours lie in the mask.
    """
    (mixed,), inside = _mixed_differences([magnitude], mask)
    if not inside.any():
        return 0.0
    slopes = torch.gradient(gaussian(magnitude, (1.0, 1.0, 1.0), 1.0), dim=_long_axes(mask))
    slope = torch.stack(slopes).square().sum(dim=0)[tuple(slice(n) for n in inside.shape)][inside]
    flat = slope <= slope.kthvalue(math.ceil(_FLAT * len(slope))).values
    return _sd_of_mixed(mixed[inside][flat], mask)


def _mixed_differences(parts: Sequence[torch.Tensor], mask: torch.Tensor) -> tuple[list[torch.Tensor], torch.Tensor]:
    """Differences along all axes of more than a voxel, one after the other, and where they are of the mask alone."""
    mixed, inside = [*parts], mask
    for axis in _long_axes(mask):
        mixed = [part.diff(dim=axis) for part in mixed]
        inside = inside.narrow(axis, 1, inside.shape[axis] - 1) & inside.narrow(axis, 0, inside.shape[axis] - 1)
    return mixed, inside


def _sd_of_mixed(values: torch.Tensor, mask: torch.Tensor) -> float:
    """Noise that leaves mixed differences of these `values`; 0 without any."""
    if not len(values):
        return 0.0
    return float(values.abs().median()) / _MEDIAN_OF_NORMAL / 2.0 ** (len(_long_axes(mask)) / 2)


def _long_axes(volume: torch.Tensor) -> list[int]:
    return [axis for axis in range(3) if volume.shape[axis] > 1]


#: Share of the median magnitude below which a voxel's noise rises no more.
_FAINT = 0.05


def noise_of_field(field: torch.Tensor, mask: torch.Tensor, magnitude: torch.Tensor) -> torch.Tensor:
    """Standard deviation of a field map, which falls as the magnitude rises.

    Parameters
    ----------
    field
        (X, Y, Z).
    mask
        bool, (X, Y, Z).
    magnitude
        (X, Y, Z), any unit; below a twentieth of its median over the mask it counts as that.

    Returns
    -------
    torch.Tensor
        Unit of the field, (X, Y, Z); zero outside the mask.
    """
    relative = (magnitude / magnitude[mask].median()).clamp_min(_FAINT)
    # noise times magnitude is the same everywhere
    return torch.where(mask, noise_of_parts([field * relative], mask) / relative, 0.0)
