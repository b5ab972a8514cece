"""How noisy the images are: the standard deviation of one channel, real or imaginary."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import torch

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
    axes = [axis for axis in range(3) if mask.shape[axis] > 1]
    inside = mask
    for axis in axes:
        parts = [part.diff(dim=axis) for part in parts]
        inside = inside.narrow(axis, 1, inside.shape[axis] - 1) & inside.narrow(axis, 0, inside.shape[axis] - 1)
    if not inside.any():
        return 0.0
    found = torch.cat([part[inside].abs() for part in parts]).median()
    return float(found) / _MEDIAN_OF_NORMAL / 2.0 ** (len(axes) / 2)


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
