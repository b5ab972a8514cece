"""Inversion with a total-variation penalty."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from ..solve import Norms, Progress
from .data import data_term
from .padded import Padded
from .splitting import admm
from .variation import TotalVariation


def tv(
    field: torch.Tensor,
    mask: torch.Tensor,
    voxel_size: Sequence[float],
    b0_dir: Sequence[float] = (0.0, 0.0, 1.0),
    *,
    magnitude: torch.Tensor | None = None,
    te: float = 0.0,
    b0: float = 3.0,
    weight: float = 1.5e-4,
    tolerance: float = 0.02,
    max_iterations: int = 50,
    progress: Progress | None = None,
    norms: Norms | None = None,
) -> tuple[torch.Tensor, list[float]]:
    """Minimise ``|W (D chi - field)|^2 / 2 + weight |grad chi|_1`` by ADMM with a division in k-space.

    With `te`, the data term is ``|W (exp(i s D chi) - exp(i s field))|^2 / (2 s^2)``, s being the phase of 1 ppm, and
    more than half a turn costs what half a turn does: where unwrapping is off by whole turns little is lost, and what
    no susceptibility explains weighs less.

    Parameters
    ----------
    field
        Local field, ppm, (X, Y, Z).
    mask
        bool, (X, Y, Z).
    voxel_size
        In mm.
    b0_dir
        Direction of B0 in voxel axes.
    magnitude
        Any unit, (X, Y, Z): W is its `noise_weights`. None: W is the mask.
    te, b0
        s and T: echo time and field strength at which the field is a phase. At 0 s the data term is linear.
    weight
        ppm mm; the gradient is a forward difference per mm. It should grow with the noise: the default suits a field
        with a noise of 2 to 3 ppb; at 0.5 ppb a third of it is better, at 4 ppb a third more.
    tolerance
        Stops when an iteration changes the susceptibility by less than this share.
    max_iterations
        Stops there at the latest.
    progress
        Called after each iteration with the change.
    norms
        Called at the end with the norm of the misfit and ``|grad chi|_1``.

    Returns
    -------
    chi, changes
        Susceptibility, ppm, (X, Y, Z), zero outside the mask; and the relative change of each iteration. An iteration
        costs about 3 FFT pairs of a grid an eighth larger than the box around the mask, of which 20 volumes are held.

    Raises
    ------
    ValueError
        The mask is empty, `weight` or `b0` is not positive, `te` is negative, or the magnitude is zero in half of the
        mask.

    References
    ----------
    Bilgic et al., Magn Reson Med 2014 (ADMM with a division in k-space); Milovic et al., Magn Reson Med 2018 (FANSI:
    the field as a split of its own, which allows for W and for the nonlinear term).
    """
    padded = Padded.of(field, mask, voxel_size, b0_dir, magnitude)
    penalty = TotalVariation(padded.kernel, padded.mask, voxel_size, weight)
    chi, changes = admm(
        data_term(padded, te, b0),
        penalty,
        tolerance=tolerance,
        max_iterations=max_iterations,
        progress=progress,
        norms=norms,
    )
    return padded.content(chi, mask), changes
