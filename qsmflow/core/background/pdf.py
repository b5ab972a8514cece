"""Background removal by projection onto dipole fields."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch

from ..box import Box
from ..dipole import dipole_kernel
from ..grid import irfft, pad_to, rfft
from ..mask.morphology import neighboured
from ..solve import Progress, conjugate_gradients

#: mm beyond the box around the mask in which sources may lie. The grid is periodic, but the images of sources outside
#: the mask lie outside it too; more room costs time and changes the local field by less than a hundredth.
_ROOM = 16.0


def pdf(
    field: torch.Tensor,
    mask: torch.Tensor,
    voxel_size: Sequence[float],
    b0_dir: Sequence[float] = (0.0, 0.0, 1.0),
    *,
    weights: torch.Tensor | None = None,
    tolerance: float = 5e-4,
    max_iterations: int = 100,
    progress: Progress | None = None,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Local field as what sources outside the mask cannot make.

    The field inside the mask is projected onto the fields of dipoles outside, ``min |W (D * chi - field)|^2`` with chi
    zero in the mask, by conjugate gradients from zero; the local field is what is left. A uniform field is fitted with
    them, since the zero of a measured field is that of the receiver.

    Parameters
    ----------
    field
        Total field, ppm, (X, Y, Z).
    mask
        bool, (X, Y, Z).
    voxel_size
        In mm.
    b0_dir
        Direction of B0 in voxel axes.
    weights
        (X, Y, Z), at least 0, up to a factor the inverse of the field's standard deviation, as the magnitude is; None:
        equal ones.
    tolerance
        Stops when the residual of the normal equations has fallen to this share of its start.
    max_iterations
        Stops there at the latest. Half as many leave twice as much of the background. Many more fit the fields of local
        sources near the surface.
    progress
        Called after each iteration.

    Returns
    -------
    local, interior
        Local field, ppm, zero outside `interior`; and where it is valid, bool: the mask without its outermost layer of
        voxels, which sources next to them overwhelm. Peak memory is below 22 volumes of the grid of the sources, the
        box around the mask and 16 mm; an iteration costs 2 FFT pairs of it.

    Raises
    ------
    ValueError
        The mask is empty or nothing of it is inside its outermost layer, or the weights are zero all over it.

    References
    ----------
    Liu et al., NMR Biomed 2011.
    """
    box = Box.around(mask, [math.ceil(_ROOM / float(d)) for d in voxel_size])
    within = box.cut(mask)
    interior = neighboured(within)
    if not bool(interior.any()):
        raise ValueError("no voxel of the mask has all its neighbours in it")
    power = within.float() if weights is None else torch.where(within, box.cut(weights).square(), 0.0)
    if not float(power.sum()) > 0.0:
        raise ValueError("the weights are zero all over the mask")
    power = power / power[within].mean()
    dipole = dipole_kernel(box.padded, voxel_size, b0_dir, device=field.device)
    outside = ~pad_to(within, box.padded)

    def levelled(content: torch.Tensor) -> torch.Tensor:
        """Without its weighted mean: whatever the uniform field, this is what is left to fit."""
        return content - (content * power).sum() / power.sum()

    def forward(sources: torch.Tensor) -> torch.Tensor:
        return levelled(box.content(rfft(sources) * dipole))

    def adjoint(found: torch.Tensor) -> torch.Tensor:
        return irfft(box.spectrum(levelled(found) * power) * dipole, box.padded) * outside

    content = levelled(torch.where(within, box.cut(field), 0.0))
    sources, _ = conjugate_gradients(
        lambda sources: adjoint(forward(sources)),
        adjoint(content),
        iterations=max_iterations,
        tolerance=tolerance,
        progress=progress,
    )
    return box.put((content - forward(sources)) * interior, field.shape), box.put(interior, field.shape)
