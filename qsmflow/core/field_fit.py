"""The total field with its standard deviation, by either of two fits over the echoes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

import torch

from .field import combine_echoes, radians_per_ppm, wrap
from .line import Line, fit_line, one_time_an_echo
from .noise import noise_of_image, noise_of_residuals
from .solve import Progress


def total_field(
    phase: torch.Tensor,
    magnitude: torch.Tensor,
    te: Sequence[float],
    b0: float,
    mask: torch.Tensor,
    *,
    method: str = "weighted",
    max_iterations: int = 20,
    tolerance: float = 1e-4,
    intercept: bool = False,
    progress: Progress | None = None,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Total field and its standard deviation from the unwrapped phase of all echoes.

    Parameters
    ----------
    phase
        rad, unwrapped, (E, X, Y, Z).
    magnitude
        Any unit, (E, X, Y, Z).
    te
        s, one an echo, in any spacing.
    b0
        In T.
    mask
        bool, (X, Y, Z); both results are zero outside.
    method
        ``weighted``: `combine_echoes`; ``nonlinear``: `nonlinear_field`. With one echo they are the same.
    max_iterations, tolerance
        Of `nonlinear_field`.
    intercept
        Fit a phase at TE = 0 as well.
    progress
        Told of the iterations of the nonlinear fit.

    Returns
    -------
    field, noise
        ppm, (X, Y, Z). Peak memory: the input, 14 volumes, and two more for each echo.

    Raises
    ------
    ValueError
        No such method; numbers of echoes and echo times differ; an intercept is asked of one echo.
    """
    if method == "weighted":
        field = combine_echoes(phase, magnitude, te, b0, intercept=intercept)
    elif method == "nonlinear":
        field = nonlinear_field(
            phase,
            magnitude,
            te,
            b0,
            intercept=intercept,
            max_iterations=max_iterations,
            tolerance=tolerance,
            progress=progress,
        )
    else:
        raise ValueError(f"method {method!r}: not weighted or nonlinear")
    return field * mask, field_noise(field, phase, magnitude, te, b0, mask, intercept=intercept)


def nonlinear_field(
    phase: torch.Tensor,
    magnitude: torch.Tensor,
    te: Sequence[float],
    b0: float,
    *,
    intercept: bool = False,
    max_iterations: int = 20,
    tolerance: float = 1e-4,
    progress: Progress | None = None,
) -> torch.Tensor:
    """Field by a fit of the complex signal of all echoes, ``m exp(i phase)``, to ``m exp(i (at_zero + slope TE))``.

    Its cost, ``sum m^2 (1 - cos(phase - at_zero - slope TE))``, does not see multiples of 2 pi: only the first two
    echoes need to be unwrapped. They give the start; each later echo is then taken where it comes nearest to the line
    of those before it, which asks nothing of the spacing of the echoes; and the whole is refined by Gauss-Newton
    steps. Such a step is a weighted line through the sines of the residuals. A cosine bends nowhere more than the
    parabola that the step assumes, so the cost never rises and no damping is needed.

    Parameters
    ----------
    phase
        rad, (E, X, Y, Z); the first two echoes unwrapped consistently, the later ones wrapped or not.
    magnitude, te, b0, intercept
        As in `combine_echoes`.
    max_iterations
        Most Gauss-Newton steps.
    tolerance
        Stop when a step changes the fitted phase by less than this share of it, as a norm weighted like the fit.
    progress
        Told of each step: its number and that share.

    Returns
    -------
    torch.Tensor
        ppm, (X, Y, Z); zero where the magnitude is zero in all echoes.

    Raises
    ------
    ValueError
        Number of echoes and of echo times differ, or an intercept is asked of one echo.

    References
    ----------
    Liu et al., Magn Reson Med 2013 (the complex fit).
    """
    one_time_an_echo(phase, te)
    field = combine_echoes(phase[:2], magnitude[:2], te[:2], b0, intercept=intercept)
    weight = magnitude.square()
    slope = field * radians_per_ppm(1.0, b0)
    at_zero = torch.zeros_like(slope)
    if intercept:
        at_zero = fit_line(phase[:2], weight[:2], te[:2], intercept=True).at_zero
    for known in range(3, len(te) + 1):
        residuals = (wrap(p - at_zero - slope * t) for p, t in zip(phase[:known], te, strict=False))
        step = fit_line(residuals, weight[:known], te[:known], intercept=intercept)
        slope, at_zero = slope + step.slope, at_zero + step.at_zero
    for iteration in range(1, max_iterations + 1):
        residuals = (torch.sin(p - at_zero - slope * t) for p, t in zip(phase, te, strict=True))
        step = fit_line(residuals, weight, te, intercept=intercept)
        slope, at_zero = slope + step.slope, at_zero + step.at_zero
        change = _relative(step, slope)
        if progress is not None:
            progress(iteration, change)
        if change < tolerance:
            break
    return slope / radians_per_ppm(1.0, b0)


def _relative(step: Line, slope: torch.Tensor) -> float:
    size = (step.information * slope.square()).sum()
    return float(((step.information * step.slope.square()).sum() / size.clamp_min(torch.finfo(size.dtype).tiny)).sqrt())


def field_noise(
    field: torch.Tensor,
    phase: torch.Tensor,
    magnitude: torch.Tensor,
    te: Sequence[float],
    b0: float,
    mask: torch.Tensor,
    *,
    intercept: bool = False,
) -> torch.Tensor:
    """Standard deviation of a field that was fitted to the echoes with weights ``magnitude**2``.

    It is ``sigma / sqrt(sum s^2 TE^2) / (2 pi gamma_bar B0)``, echo times about their weighted mean where a phase at
    TE = 0 was fitted too, with ``s^2 = m^2 - 2 sigma^2``, the squared signal less what noise adds to it. The noise
    ``sigma`` of the images is that of the residuals of the fit; where there are no more echoes than unknowns, it is
    estimated from the images themselves.

    Parameters
    ----------
    field
        ppm, (X, Y, Z).
    phase, magnitude, te, b0, mask, intercept
        As in `total_field`; multiples of 2 pi in the phase do not matter.

    Returns
    -------
    torch.Tensor
        ppm, (X, Y, Z), zero outside the mask; no larger than what an unknown phase of the earliest echo (of the
        smallest spacing, with an intercept) would leave, which is what it says where there is no signal.
    """
    weight = magnitude.square()
    slope = field * radians_per_ppm(1.0, b0)
    offset = torch.zeros_like(field)
    if intercept:
        real, imag = (
            sum(w * part(p - slope * t) for w, p, t in zip(weight, phase, te, strict=True))
            for part in (torch.cos, torch.sin)
        )
        offset = torch.atan2(torch.as_tensor(imag), torch.as_tensor(real))
    unknowns = 2 if intercept else 1
    residuals = (m * torch.sin(p - slope * t - offset) for m, p, t in zip(magnitude, phase, te, strict=True))
    if len(te) > unknowns:
        sigma = noise_of_residuals(residuals, len(te) - unknowns, mask)
    else:
        sigma = noise_of_image(magnitude[0] * torch.cos(phase[0]), magnitude[0] * torch.sin(phase[0]), mask)
    signal = (weight - 2.0 * sigma**2).clamp_min_(0.0)
    information = fit_line(phase, signal, te, intercept=intercept).information
    times = [b - a for a, b in pairwise(te)] if intercept else te
    largest = math.pi / math.sqrt(3) / radians_per_ppm(min(times), b0)
    noise = sigma * information.clamp_min(torch.finfo(information.dtype).tiny).rsqrt() / radians_per_ppm(1.0, b0)
    return noise.clamp_max(largest) * mask
