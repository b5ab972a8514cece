"""A straight line through the echoes of each voxel: the one fit behind field and relaxation maps."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import torch


class Line(NamedTuple):
    """Weighted least-squares lines, each part of the shape of one echo.

    Attributes
    ----------
    slope, at_zero
        Per unit of time; value at time zero (zero for lines through the origin). Both are zero where nothing is known.
    information
        Sum of ``weight * time**2``, times about their mean for a line with intercept. The inverse variance of the
        slope, where the weights are the inverse variances of the values.
    """

    slope: torch.Tensor
    at_zero: torch.Tensor
    information: torch.Tensor


def one_time_an_echo(echoes: torch.Tensor, te: Sequence[float]) -> None:
    """Refuse, by a ValueError, (E, ...) `echoes` that are not as many as their times `te`."""
    if len(te) != len(echoes):
        raise ValueError(f"{len(echoes)} echoes but {len(te)} echo times")


def fit_line(values: Iterable[torch.Tensor], weights: torch.Tensor, times: Sequence[float], *, intercept: bool) -> Line:
    """Fit ``value = at_zero + slope * time`` in every voxel.

    Parameters
    ----------
    values
        One tensor an echo; taken one by one, so that they need not exist all at once.
    weights
        (E, ...), not negative.
    times
        One an echo.
    intercept
        False: the lines go through the origin.

    Returns
    -------
    Line
        It takes the memory of six echoes beside the input.
    """
    tiny = torch.finfo(weights.dtype).tiny
    total, mean = torch.zeros_like(weights[0]), torch.zeros_like(weights[0])
    if intercept:
        for weight, time in zip(weights, times, strict=True):
            total += weight
            mean += weight * time
        mean /= total.clamp_min(tiny)
    information, moment, level = (torch.zeros_like(mean) for _ in range(3))
    for value, weight, time in zip(values, weights, times, strict=True):
        information += weight * (time - mean) ** 2
        moment += weight * (time - mean) * value
        if intercept:
            level += weight * value
    # a voxel seen in one echo alone has a mean time that is this echo's, but for rounding
    known = information > 1e-6 * max(times) ** 2 * total if intercept else information > 0
    slope = torch.where(known, moment / information.clamp_min(tiny), torch.zeros_like(moment))
    at_zero = level / total.clamp_min(tiny) - slope * mean
    return Line(slope, at_zero, torch.where(known, information, torch.zeros_like(information)))
