"""Rapid two-step inversion (RTS)."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from ..grid import Size, energy, irfft, rfft
from ..solve import Norms, Progress, conjugate_gradients
from .padded import Padded
from .splitting import admm
from .variation import TotalVariation

#: Added to the squared kernel in the division that preconditions the first part: its value near the edge of the part of
#: k-space that is kept. A third or three times as much needs more steps.
_FLOOR = 0.02


class _Known:
    """``1/2 |M (chi - known)|^2`` of the half spectra, M being 0 or 1: a data term that needs no split."""

    def __init__(self, known: torch.Tensor, shape: Size) -> None:
        self._known, self._shape = known, shape

    def wanted(self) -> torch.Tensor:
        """Half spectrum that is known."""
        return self._known

    def push(self, modelled: torch.Tensor) -> None:
        """Nothing moves."""

    def misfit(self, modelled: torch.Tensor) -> float:
        """``|M (chi - known)|``."""
        return energy(modelled - self._known, self._shape) ** 0.5


def rts(
    field: torch.Tensor,
    mask: torch.Tensor,
    voxel_size: Sequence[float],
    b0_dir: Sequence[float] = (0.0, 0.0, 1.0),
    *,
    magnitude: torch.Tensor | None = None,
    threshold: float = 0.15,
    weight: float = 2e-3,
    steps: int = 6,
    tolerance: float = 0.02,
    max_iterations: int = 50,
    progress: Progress | None = None,
    norms: Norms | None = None,
) -> tuple[torch.Tensor, list[float]]:
    """Invert where the dipole is strong, then fill the rest of k-space with the least total variation.

    First ``|W (D chi - field)|^2 / 2`` falls by a few preconditioned conjugate gradients from zero, over sources in the
    mask, which settles the part of k-space where the dipole is strong. Then
    ``|M F(chi - first)|^2 / 2 + weight |grad chi|_1`` is minimised by ADMM, M being that part.

    Parameters
    ----------
    field, mask, voxel_size, b0_dir, magnitude
        As for `tv`.
    threshold
        M is where the absolute value of the kernel, which spans -2/3 to 1/3, is above this.
    weight
        ppm mm.
    steps
        Of conjugate gradients. More bring noise.
    tolerance
        Stops when an iteration of the second part changes the susceptibility by less than this share.
    max_iterations
        Stops there at the latest.
    progress
        Called after each iteration of the second part with the change.
    norms
        Called at the end with the norm of the misfit and ``|grad chi|_1``.

    Returns
    -------
    chi, changes
        As of `tv`. A step costs 3 FFT pairs of the grid and an iteration about as much; 22 volumes are held.

    Raises
    ------
    ValueError
        As `tv`; or no value of the kernel is above the threshold.

    References
    ----------
    Kames et al., NeuroImage 2018.
    """
    if not 0 <= threshold < 2 / 3:
        raise ValueError(f"threshold must be at least 0 and below 2/3, got {threshold}")
    padded = Padded.of(field, mask, voxel_size, b0_dir, magnitude)
    power, kernel = padded.weights.square(), padded.kernel

    def convolve(chi: torch.Tensor) -> torch.Tensor:
        return irfft(rfft(chi) * kernel, padded.box.padded)

    def normal(chi: torch.Tensor) -> torch.Tensor:
        return convolve(power * convolve(chi)).mul_(padded.mask)

    inverse = 1.0 / (kernel.square() + _FLOOR)

    def precondition(chi: torch.Tensor) -> torch.Tensor:
        return irfft(rfft(chi) * inverse, padded.box.padded).mul_(padded.mask)

    right = convolve(power * padded.field).mul_(padded.mask)
    first, _ = conjugate_gradients(normal, right, iterations=steps, precondition=precondition)
    strong = (kernel.abs() > threshold).float()
    data = _Known(rfft(first) * strong, padded.box.padded)
    penalty = TotalVariation(strong, padded.mask, voxel_size, weight, data_rho=1.0)
    chi, changes = admm(
        data, penalty, tolerance=tolerance, max_iterations=max_iterations, progress=progress, norms=norms
    )
    return padded.content(chi, mask), changes
