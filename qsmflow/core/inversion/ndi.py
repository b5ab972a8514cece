"""Nonlinear dipole inversion (NDI)."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from ..grid import irfft, rfft
from ..solve import Norms, Progress
from .data import chord, phase_of_one_ppm, pull, within
from .padded import Padded

#: Iterations that take the phase for its difference, up to half a turn: at zero, strong sources are beyond a quarter
#: turn, and their phase would pull the less the stronger they are.
_LINEAR = 4


def ndi(
    field: torch.Tensor,
    mask: torch.Tensor,
    voxel_size: Sequence[float],
    b0_dir: Sequence[float] = (0.0, 0.0, 1.0),
    *,
    magnitude: torch.Tensor | None = None,
    te: float = 0.0,
    b0: float = 3.0,
    weight: float = 3e-3,
    tolerance: float = 0.05,
    max_iterations: int = 30,
    progress: Progress | None = None,
    norms: Norms | None = None,
) -> tuple[torch.Tensor, list[float]]:
    """Minimise ``|W (exp(i s D chi) - exp(i s field))|^2 / (2 s^2) + weight |chi|^2 / 2`` over sources in the mask.

    No assumption of what susceptibility looks like is made: the map is as sharp and as noisy as the field. Solved by
    nonlinear conjugate gradients from zero, with the step that would be exact were the phase small; the paper descends
    along the gradient by steps of one length. What lies near the cone is fitted last, noise first of all, hence the
    weight and the early stop. Single voxels that no susceptibility explains weigh less; unlike in `tv`, the harm of a
    region that unwrapping left a whole turn off remains.

    Parameters
    ----------
    field, mask, voxel_size, b0_dir, magnitude, te, b0
        As for `tv`.
    weight
        Of the squared susceptibility; 0: the early stop alone regularises, as published.
    tolerance
        Stops when an iteration changes the susceptibility by less than this share.
    max_iterations
        Stops there at the latest.
    progress
        Called after each iteration with the change.
    norms
        Called at the end with the norm of the misfit and of the susceptibility.

    Returns
    -------
    chi, changes
        As of `tv`. An iteration costs about 3 FFT pairs of the grid, of which 18 volumes are held.

    Raises
    ------
    ValueError
        As `tv`, but `weight` may be 0.

    References
    ----------
    Polak et al., NMR Biomed 2020; Polak and Ribiere 1969 (the conjugate directions).
    """
    if not weight >= 0:
        raise ValueError(f"weight must be at least 0, got {weight}")
    padded = Padded.of(field, mask, voxel_size, b0_dir, magnitude)
    power, scale = padded.weights.square(), phase_of_one_ppm(te, b0)

    def convolve(chi: torch.Tensor) -> torch.Tensor:
        return irfft(rfft(chi) * padded.kernel, padded.box.padded)

    chi, modelled = torch.zeros_like(padded.field), torch.zeros_like(padded.field)
    direction, before, energy = torch.zeros_like(chi), torch.zeros_like(chi), 0.0
    changes: list[float] = []
    while len(changes) < max_iterations and (not changes or changes[-1] > tolerance):
        off = padded.field - modelled
        off = pull(off, scale) if len(changes) >= _LINEAR else within(off, scale, 0.5)
        descent = convolve(power * off).mul_(padded.mask).sub_(chi, alpha=weight)
        gained = float((descent * (descent - before)).sum())
        direction.mul_(max(0.0, gained / energy) if energy > 0 else 0.0).add_(descent)
        before, energy = descent, float(descent.square().sum())
        image = convolve(direction)
        curvature = float((power * image.square()).sum()) + weight * float(direction.square().sum())
        step = float((direction * descent).sum()) / curvature if curvature > 0 else 0.0
        chi.add_(direction, alpha=step)
        modelled.add_(image, alpha=step)
        changes.append(abs(step) * float(direction.norm()) / max(float(chi.norm()), torch.finfo(chi.dtype).tiny))
        if progress is not None:
            progress(len(changes), changes[-1])
    if norms is not None:
        misfit = (power * chord(padded.field - modelled, scale).square()).sum().sqrt()
        norms(float(misfit), float(chi.norm()))
    return padded.content(chi, mask), changes
