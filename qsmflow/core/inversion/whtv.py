"""Total-variation inversion that takes out the background that is left (WH-TV)."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from ..gradient import laplacian_spectrum
from ..grid import irfft, rfft
from ..solve import Norms, Progress
from .data import DATA_RHO, data_term
from .padded import Padded
from .splitting import RELAXATION, admm, slabs
from .variation import TotalVariation

#: Weight of the split of the harmonic field's Laplacian over that of the field, mm^4. It sets how fast ADMM converges:
#: with less, the long waves of the background come slowly, with more the susceptibility does.
_HARMONIC_RHO = 100.0


class WeakHarmonic(TotalVariation):
    """`TotalVariation` of chi, and ``harmonic_weight |M lap h|^2 / 2`` of a second unknown, the field h beside its own.

    Parameters
    ----------
    kernel, support, voxel_size, weight
        As of `TotalVariation`; the support is M.
    harmonic_weight
        mm^4.

    Raises
    ------
    ValueError
        A weight is not positive.
    """

    def __init__(
        self,
        kernel: torch.Tensor,
        support: torch.Tensor,
        voxel_size: Sequence[float],
        weight: float,
        harmonic_weight: float,
    ) -> None:
        super().__init__(kernel, support, voxel_size, weight)
        if not harmonic_weight > 0:
            raise ValueError(f"harmonic_weight must be above 0, got {harmonic_weight}")
        stiffness = harmonic_weight / (_HARMONIC_RHO * DATA_RHO)
        self.taken = support * (stiffness / (1.0 + stiffness))
        self.laplacian = laplacian_spectrum(self.shape, voxel_size, kernel.device)
        # h is eliminated first; with it free to follow, the field says less of chi.
        self.inverse_harmonic = self.laplacian.square().mul_(_HARMONIC_RHO).add_(1.0).reciprocal_()
        self.inverse = 1.0 / (1.0 / self.inverse - self.ratio * kernel.square() * self.inverse_harmonic)
        self.harmonic_state = torch.zeros_like(support)
        self.harmonic_target = torch.zeros_like(support)

    def solve(self, wanted: torch.Tensor) -> torch.Tensor:
        """Half spectra of chi and h, (2, X, Y, Z // 2 + 1)."""
        smooth = rfft(self.harmonic_target).mul_(self.laplacian).mul_(_HARMONIC_RHO).add_(wanted)
        smooth.mul_(self.inverse_harmonic)
        chi = super().solve(wanted - smooth)
        return torch.stack([chi, smooth - self.inverse_harmonic * self.kernel * chi])

    def model(self, unknowns: torch.Tensor) -> torch.Tensor:
        """Half spectrum of the field of both."""
        return unknowns[0] * self.kernel + unknowns[1]

    def push(self, unknowns: torch.Tensor) -> torch.Tensor:
        """Move the states."""
        image = irfft(unknowns[1] * self.laplacian, self.shape)
        for here, _ in slabs(image):
            state, taken = self.harmonic_state[here], self.taken[here]
            state.add_(image[here].sub_(state - state * taken), alpha=RELAXATION)
            torch.addcmul(state, state, taken, value=-2.0, out=self.harmonic_target[here])
        return super().push(unknowns[0])

    def size(self, unknowns: torch.Tensor) -> float:
        """``|grad chi|_1``, to which alone `weight` belongs."""
        return super().size(unknowns[0])


def whtv(
    field: torch.Tensor,
    mask: torch.Tensor,
    voxel_size: Sequence[float],
    b0_dir: Sequence[float] = (0.0, 0.0, 1.0),
    *,
    magnitude: torch.Tensor | None = None,
    te: float = 0.0,
    b0: float = 3.0,
    weight: float = 1.5e-4,
    harmonic_weight: float = 100.0,
    tolerance: float = 0.01,
    max_iterations: int = 60,
    progress: Progress | None = None,
    norms: Norms | None = None,
) -> tuple[torch.Tensor, list[float]]:
    """`tv` of a field that still has some background, which is found beside the susceptibility.

    Minimises ``|W (D chi + h - field)|^2 / 2 + weight |grad chi|_1 + harmonic_weight |M lap h|^2 / 2`` by ADMM: h, the
    background, is nearly harmonic in the mask M. Where a field has none, `tv` is the better choice: what of the
    susceptibility makes a harmonic field, its mean foremost, can be told from background only by its total variation.

    Parameters
    ----------
    field, mask, voxel_size, b0_dir, magnitude, te, b0, weight
        As for `tv`.
    harmonic_weight
        mm^4. More makes h more exactly harmonic, and found more slowly.
    tolerance
        Stops when an iteration changes the susceptibility by less than this share; h comes after it.
    max_iterations
        Stops there at the latest.
    progress
        Called after each iteration with the change.
    norms
        Called at the end with the norm of the misfit and ``|grad chi|_1``.

    Returns
    -------
    chi, changes
        As of `tv`; the mean in the mask is zero, for that of the susceptibility makes a harmonic field there and cannot
        be told from background. An iteration costs about 7 FFT pairs of the grid, of which 32 volumes are held.

    Raises
    ------
    ValueError
        As `tv`; or `harmonic_weight` is not positive.

    References
    ----------
    Milovic et al., Magn Reson Med 2019 (WH-QSM).
    """
    padded = Padded.of(field, mask, voxel_size, b0_dir, magnitude)
    penalty = WeakHarmonic(padded.kernel, padded.mask, voxel_size, weight, harmonic_weight)
    chi, changes = admm(
        data_term(padded, te, b0),
        penalty,
        tolerance=tolerance,
        max_iterations=max_iterations,
        progress=progress,
        norms=norms,
    )
    chi -= (chi * padded.mask).sum() / padded.mask.sum()
    return padded.content(chi, mask), changes
