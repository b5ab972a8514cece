"""Penalties of ADMM: total variation, and no susceptibility beyond the support."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from ..gradient import laplacian_spectrum
from ..grid import as_size, irfft, rfft
from .data import DATA_RHO
from .splitting import RELAXATION, add_adjoint, difference, shrink, slabs

#: Threshold of the gradient in an iteration, ppm/mm: the weight over that of its split. It sets how fast ADMM
#: converges, not to what; a half and twice as much serve nearly as well.
THRESHOLD = 0.005
#: Weight of the split of the support over that of the gradient, 1/mm^2; ten times as much converges slower.
SUPPORT_RHO = 0.1


def positive(weight: float) -> float:
    """`weight`, refused unless it is above 0."""
    if not weight > 0:
        raise ValueError(f"weight must be above 0, got {weight}")
    return weight


class Support:
    """``chi = 0`` outside a mask, bool or its floats, (X, Y, Z)."""

    def __init__(self, mask: torch.Tensor) -> None:
        self.mask = mask.float()
        self.state = torch.zeros_like(self.mask)

    def push(self, chi: torch.Tensor, right: torch.Tensor) -> None:
        """Move the state and add the target to `right`, weighted."""
        for here, _ in slabs(chi):
            state, mask = self.state[here], self.mask[here]
            state.add_(torch.addcmul(chi[here], state, mask, value=-1.0), alpha=RELAXATION)
            right[here].add_(torch.addcmul(-state, state, mask, value=2.0), alpha=SUPPORT_RHO)


class TotalVariation:
    """``weight |grad chi|_1`` within the support, the gradient a forward difference per mm.

    Parameters
    ----------
    kernel
        Half spectrum of what makes the field of the susceptibility, real.
    support
        Outside it chi is zero, (X, Y, Z).
    voxel_size
        In mm.
    weight
        ppm mm.
    data_rho
        Weight of the data: that of its split, or 1 where it has none.

    Raises
    ------
    ValueError
        `weight` is not positive.
    """

    def __init__(
        self,
        kernel: torch.Tensor,
        support: torch.Tensor,
        voxel_size: Sequence[float],
        weight: float,
        *,
        data_rho: float = DATA_RHO,
    ) -> None:
        self.ratio = data_rho * THRESHOLD / positive(weight)
        self.kernel, self.shape, self.voxel_size = kernel, as_size(support.shape), [float(d) for d in voxel_size]
        self.inverse = laplacian_spectrum(self.shape, voxel_size, kernel.device)
        self.inverse.add_(self.ratio * kernel.square()).add_(SUPPORT_RHO).reciprocal_()
        self.support = Support(support)
        self.state = torch.zeros(3, *self.shape, device=kernel.device)
        self.right = torch.zeros(self.shape, device=kernel.device)

    def solve(self, wanted: torch.Tensor) -> torch.Tensor:
        """Half spectrum of chi."""
        return (wanted * self.kernel).mul_(self.ratio).add_(rfft(self.right)).mul_(self.inverse)

    def model(self, unknowns: torch.Tensor) -> torch.Tensor:
        """Half spectrum of the field."""
        return unknowns * self.kernel

    def push(self, unknowns: torch.Tensor) -> torch.Tensor:
        """Move the states."""
        chi = irfft(unknowns, self.shape)
        self.right.zero_()
        for slab in slabs(chi):
            for axis, size in enumerate(self.voxel_size):
                target = shrink(self.state[axis][slab[0]], difference(chi, axis, slab).div_(size), THRESHOLD)
                add_adjoint(self.right, target.div_(size), axis, slab)
        self.support.push(chi, self.right)
        return chi

    def size(self, unknowns: torch.Tensor) -> float:
        """``|grad chi|_1``."""
        chi = irfft(unknowns, self.shape)
        return sum(float(torch.diff(chi, dim=axis).abs().sum()) / size for axis, size in enumerate(self.voxel_size))
