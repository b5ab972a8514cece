"""How much structure an inversion leaves in the field."""

from __future__ import annotations

import torch

from ..box import Box
from ..grid import irfft
from ..smooth import gaussian

#: Voxels, standard deviation of the Gaussian whose mean is taken out first: background left in a field is no structure.
SMOOTH = 1.5


def structure(residual: torch.Tensor, mask: torch.Tensor) -> float:
    """Sum of the squared autocorrelation of a residual over all shifts but none, after a high pass.

    White noise has least of it. A residual that holds edges of the anatomy has more, as has one from which noise was
    taken for susceptibility.

    Parameters
    ----------
    residual
        Any unit, (X, Y, Z).
    mask
        bool, (X, Y, Z): where it counts.

    Returns
    -------
    float
        At least 0; 0 for a residual of zero. Holds about 12 volumes of the box around the mask.

    Raises
    ------
    ValueError
        The mask is empty.

    References
    ----------
    Almeida and Figueiredo, IEEE Trans Image Process 2013 (whiteness of the residual); the high pass is ours.
    """
    box = Box.around(mask)
    inside = box.cut(mask)
    left = torch.where(inside, box.cut(residual), 0.0)
    mean, share = (gaussian(volume, (1.0, 1.0, 1.0), SMOOTH) for volume in (left, inside.float()))
    rough = (left - mean / share.clamp_min(1e-3)) * inside
    correlation = irfft(box.spectrum(rough).abs().square(), box.padded)
    power = float(correlation[0, 0, 0])
    return float(correlation.square().sum()) / power**2 - 1.0 if power > 0 else 0.0
