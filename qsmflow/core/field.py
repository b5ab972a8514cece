"""From phase to field: units, whole turns, the receiver offset, and the combination of echoes."""

from __future__ import annotations

import cmath
from collections.abc import Callable, Iterable, Sequence

import torch

from .line import fit_line, one_time_an_echo
from .smooth import gaussian

#: Share of the weights by which one number of turns must beat a smaller one.
_NO_DIFFERENCE = 0.02

#: Proton gyromagnetic ratio over 2 pi, MHz/T (CODATA): the phase of 1 ppm after 1 s at 1 T, in turns.
GAMMA_BAR = 42.577478518


def radians_per_ppm(te: float, b0: float) -> float:
    """Phase, rad, that 1 ppm of field makes after `te` s at `b0` T."""
    return 2.0 * torch.pi * GAMMA_BAR * b0 * te


def wrap(phase: torch.Tensor) -> torch.Tensor:
    """Phase, rad, brought into [-pi, pi)."""
    return torch.remainder(phase + torch.pi, 2.0 * torch.pi) - torch.pi


def fitting_turns(
    lead: torch.Tensor,
    duration: float,
    phase: Iterable[torch.Tensor],
    weight: Iterable[torch.Tensor],
    times: Sequence[float],
) -> int:
    """Whole turns, the same in all voxels, to add to `lead` so that it agrees best with the other echoes.

    Unwrapping in space leaves a multiple of 2 pi unknown. After other times it is no whole number of turns, which the
    phases there tell, unless the times are multiples of the duration: then no turns are as good, and are taken.

    Parameters
    ----------
    lead
        Phase gained in `duration`, rad, unwrapped, (X, Y, Z).
    duration
        In s.
    phase, weight, times
        Phase gained in other times, rad, wrapped; what it counts; the times, s. One (X, Y, Z) each, taken one by one.

    Returns
    -------
    int
        From -3 to 3.
    """
    ratios = [time / duration for time in times]
    sums, total = [], 0.0
    for image, counts, ratio in zip(phase, weight, ratios, strict=True):
        away = image - lead * ratio
        sums.append(complex(float((counts * torch.cos(away)).sum()), float((counts * torch.sin(away)).sum())))
        total += float(counts.sum())

    def agreement(turns: int) -> float:
        return sum((z * cmath.exp(-2j * cmath.pi * turns * r)).real for z, r in zip(sums, ratios, strict=True))

    best = max(agreement(turns) for turns in range(-3, 4))
    return next(turns for turns in (0, 1, -1, 2, -2, 3, -3) if agreement(turns) >= best - _NO_DIFFERENCE * total)


def receiver_offset(
    phase: torch.Tensor,
    magnitude: torch.Tensor,
    te: Sequence[float],
    voxel_size: Sequence[float],
    mask: torch.Tensor,
    unwrap: Callable[[torch.Tensor, torch.Tensor], torch.Tensor],
    *,
    smoothing: float = 5.0,
) -> torch.Tensor:
    """Phase at TE = 0 from the first two echoes, MCPC-3D-S for one (combined) channel.

    The phase difference of the two echoes is unwrapped, up to whole turns that later echoes tell, and extrapolated to
    TE = 0; what the first echo has on top is the offset, smoothed as a complex image because the receiver's phase is
    smooth and the noise is not.

    Parameters
    ----------
    phase, magnitude
        rad and any unit, (E, X, Y, Z) with E >= 2.
    te
        s, one an echo.
    voxel_size
        In mm.
    mask
        bool, (X, Y, Z): where the unwrapped difference can be believed; only what is inside is smoothed over.
    unwrap
        Takes the wrapped phase difference and the magnitude product, each (X, Y, Z); returns it unwrapped.
    smoothing
        Standard deviation of the Gaussian, mm.

    Returns
    -------
    torch.Tensor
        rad, (X, Y, Z), wrapped.

    Raises
    ------
    ValueError
        Fewer than two echoes.

    References
    ----------
    Eckstein et al., Magn Reson Med 2018.
    """
    if len(te) < 2:
        raise ValueError("the receiver offset needs two echoes")
    product = magnitude[0] * magnitude[1]
    weight = product * mask
    spacing = te[1] - te[0]
    difference = unwrap(wrap(phase[1] - phase[0]), product)
    gained, counts = (echo - phase[0] for echo in phase[2:]), (weight for _ in te[2:])
    turns = fitting_turns(difference, spacing, gained, counts, [time - te[0] for time in te[2:]])
    offset = phase[0] - (difference + 2.0 * torch.pi * turns) * (te[0] / spacing)
    parts = torch.stack([weight * torch.cos(offset), weight * torch.sin(offset)])
    real, imag = gaussian(parts, voxel_size, smoothing)
    return torch.atan2(imag, real)


def combine_echoes(
    phase: torch.Tensor, magnitude: torch.Tensor, te: Sequence[float], b0: float, *, intercept: bool = False
) -> torch.Tensor:
    """Field from unwrapped phase by a least-squares fit over echo time, weighted by the phase's inverse variance.

    The variance of the phase falls with the squared magnitude, so the weights are ``magnitude**2``.

    Parameters
    ----------
    phase
        rad, unwrapped consistently over the echoes, (E, X, Y, Z).
    magnitude
        Any unit, (E, X, Y, Z).
    te
        s, one an echo.
    b0
        In T.
    intercept
        True: fit a phase at TE = 0 as well (needs two echoes); False: the line goes through zero, which costs less
        noise and is right once the receiver offset is gone.

    Returns
    -------
    torch.Tensor
        ppm, (X, Y, Z); zero where the magnitude is zero in all echoes.

    Raises
    ------
    ValueError
        Number of echoes and of echo times differ, or an intercept is asked of one echo.
    """
    one_time_an_echo(phase, te)
    if intercept and len(te) < 2:
        raise ValueError("an intercept needs two echoes")
    line = fit_line(phase, magnitude.square(), te, intercept=intercept)
    return line.slope / radians_per_ppm(1.0, b0)
