"""The phase of a series made ready for the fit of the field: readout ramps and receiver offset removed, unwrapped."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch

from ..bipolar import alternate, readout_ramp
from ..field import receiver_offset, wrap
from ..line import one_time_an_echo
from .echoes import unwrap_echoes
from .laplacian import laplacian
from .volume import unwrap_volume


class Unwrapped(NamedTuple):
    """Phase, rad, (E, X, Y, Z), and what was taken out of it.

    Attributes
    ----------
    phase
        Unwrapped, zero outside the mask.
    offset_removed
        Whether the receiver offset was.
    ramp
        Range over the mask, rad, of the ramp between odd and even echoes that was removed; zero where none was.
    """

    phase: torch.Tensor
    offset_removed: bool
    ramp: float


def unwrap_series(
    phase: torch.Tensor,
    magnitude: torch.Tensor,
    te: Sequence[float],
    voxel_size: Sequence[float],
    mask: torch.Tensor,
    *,
    method: str = "romeo",
    echoes: str = "template",
    bipolar: str = "auto",
    remove_offset: bool = True,
) -> Unwrapped:
    """Unwrap one echo or several.

    Parameters
    ----------
    phase, magnitude
        rad, wrapped, and any unit, (E, X, Y, Z).
    te
        s, one an echo, ascending, in any spacing.
    voxel_size
        In mm.
    mask
        bool, (X, Y, Z).
    method
        ``romeo``, ``best_path`` and ``segue`` are true to 2 pi (`unwrap_volume`); ``laplacian`` takes each echo alone
        and leaves a smooth background out, and has ROMEO unwrap the differences of echoes that the ramp and the offset
        are found from.
    echoes
        As in `unwrap_echoes`.
    bipolar
        Whether odd and even echoes were read in opposite directions: ``yes``, ``no``, or ``auto``, where the data
        tell, if there are three echoes.
    remove_offset
        Remove the receiver's phase at TE = 0, if there are two echoes.

    Returns
    -------
    Unwrapped
        Peak memory: the input, twice as much again, and 12 volumes; 45 with `best_path`, or with `segue` where a mask
        holds little but noise.

    Raises
    ------
    ValueError
        No such choice; numbers of echoes and of echo times differ; bipolar readout of fewer than three echoes.
    """
    if bipolar not in ("auto", "yes", "no"):
        raise ValueError(f"bipolar {bipolar!r}: not auto, yes or no")
    one_time_an_echo(phase, te)
    exact = "romeo" if method == "laplacian" else method

    def unwrap(image: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
        return unwrap_volume(image, weight, mask, exact)

    ramp_range = 0.0
    if bipolar == "yes" or (bipolar == "auto" and len(te) > 2):
        ramp = readout_ramp(phase, magnitude, te, mask, unwrap, always=bipolar == "yes")
        if ramp is not None:
            phase = wrap(phase - alternate(ramp, len(te)))
            inside = ramp[mask]
            ramp_range = 2.0 * float(inside.amax() - inside.amin()) if len(inside) else 0.0
    remove_offset = remove_offset and len(te) > 1
    if remove_offset:
        phase = wrap(phase - receiver_offset(phase, magnitude, te, voxel_size, mask, unwrap))
    if method == "laplacian":
        unwrapped = torch.stack([laplacian(image, voxel_size) * mask for image in phase])
    else:
        intercept = len(te) > 1 and not remove_offset
        unwrapped = unwrap_echoes(phase, magnitude, te, mask, unwrap, echoes=echoes, intercept=intercept)
    return Unwrapped(unwrapped, remove_offset, ramp_range)
