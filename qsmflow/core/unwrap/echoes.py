"""All echoes unwrapped so that they agree in time."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch

from ..field import fitting_turns, wrap
from ..line import fit_line, one_time_an_echo
from .volume import turns_of_parts


def unwrap_echoes(
    phase: torch.Tensor,
    magnitude: torch.Tensor,
    te: Sequence[float],
    mask: torch.Tensor,
    unwrap: Callable[[torch.Tensor, torch.Tensor], torch.Tensor],
    *,
    echoes: str = "template",
    intercept: bool = False,
) -> torch.Tensor:
    """Unwrap the first echo in space and the others in time, or each in space.

    A line through the echoes already unwrapped, weighted by the squared magnitude, says where the next one should be.
    Where the echoes are not evenly spaced, they also tell how many whole turns the first one has made.

    Parameters
    ----------
    phase, magnitude
        rad and any unit, (E, X, Y, Z).
    te
        s, one an echo, ascending, in any spacing.
    mask
        bool, (X, Y, Z).
    unwrap
        Takes the wrapped phase and the magnitude of one image; returns it unwrapped.
    echoes
        ``template``: each voxel of a later echo takes the multiple of 2 pi that is nearest to the line. ``individual``:
        each echo is unwrapped in space, and each connected part of the mask takes one multiple: right also where noise
        drowns the early echoes, wrong where the phase of a late one is too steep.
    intercept
        True: the phase at TE = 0 is not zero; the template is then the difference of the first two echoes.

    Returns
    -------
    torch.Tensor
        rad, (E, X, Y, Z), zero outside the mask. Peak memory: the input, twice as much again, and eight volumes or
        what `unwrap` takes.

    Raises
    ------
    ValueError
        `echoes` is neither; numbers of echoes and of echo times differ.
    """
    if echoes not in ("template", "individual"):
        raise ValueError(f"echoes {echoes!r}: not template or individual")
    one_time_an_echo(phase, te)
    weight = magnitude.square() * mask
    unwrapped = torch.empty_like(phase)
    unwrapped[0] = unwrap(phase[0], magnitude[0])
    known = 1
    if intercept and len(te) > 1:
        step = unwrap(wrap(phase[1] - phase[0]), magnitude[0] * magnitude[1])
        gained = (image - phase[0] for image in phase[2:])
        turns = fitting_turns(step, te[1] - te[0], gained, weight[2:], [time - te[0] for time in te[2:]])
        step += 2.0 * torch.pi * turns
        unwrapped[1] = unwrapped[0] + step * mask
        known = 2
    else:
        turns = fitting_turns(unwrapped[0], te[0], phase[1:], weight[1:], te[1:])
        unwrapped[0] += 2.0 * torch.pi * turns * mask
    for echo in range(known, len(te)):
        line = fit_line(unwrapped[:echo], weight[:echo], te[:echo], intercept=intercept)
        expected = line.at_zero + line.slope * te[echo]
        if echoes == "template":
            missing = ((expected - phase[echo]) / (2.0 * torch.pi)).round_()
            unwrapped[echo] = (phase[echo] + 2.0 * torch.pi * missing) * mask
        else:
            alone = unwrap(phase[echo], magnitude[echo])
            unwrapped[echo] = alone + turns_of_parts(expected - alone, mask)
    return unwrapped
