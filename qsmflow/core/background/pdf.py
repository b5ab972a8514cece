"""Background removal by projection onto dipole fields."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from ..box import Box
from ..dipole import dipole_kernel
from ..grid import irfft, pad_to, rfft
from ..mask.morphology import neighboured
from ..solve import Progress, conjugate_gradients


def pdf(
    field: torch.Tensor,
    mask: torch.Tensor,
    voxel_size: Sequence[float],
    b0_dir: Sequence[float] = (0.0, 0.0, 1.0),
    *,
    weights: torch.Tensor | None = None,
    tolerance: float = 0.01,
    max_iterations: int = 60,
    progress: Progress | None = None,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Local field as what sources outside the mask cannot make.

    The field inside the mask is projected onto the fields of dipoles outside, ``min |W (D * chi - field)|^2`` with chi
    zero in the mask, by conjugate gradients from zero; the local field is what is left. The sources lie on a grid
    about twice the box around the mask, and a uniform one makes a uniform field, since the zero of a measured field is
    that of the receiver.

    Parameters
    ----------
    field
        Total field, ppm, (X, Y, Z).
    mask
        bool, (X, Y, Z).
    voxel_size
        mm.
    b0_dir
        Direction of B0 in voxel axes.
    weights
        (X, Y, Z), at least 0, up to a factor the inverse of the field's standard deviation, as the magnitude is; None:
        equal ones.
    tolerance
        Stops when the residual of the normal equations has fallen to this share of its start. Fields of local sources
        near the surface are fitted last, so stopping late costs accuracy.
    max_iterations
        Stops there at the latest.
    progress
        Called after each iteration.

    Returns
    -------
    local, interior
        Local field, ppm, zero outside `interior`; and where it is valid, bool: the mask without its outermost layer of
        voxels, which sources next to them overwhelm. Peak memory is about 8 volumes of the grid of the sources; an
        iteration costs 2 FFT pairs of it.

    Raises
    ------
    ValueError
        The mask is empty or nothing of it is inside its outermost layer, or the weights are zero all over it.

    References
    ----------
    Liu et al., NMR Biomed 2011.
    """
    box = Box.around(mask)
    within = box.cut(mask)
    interior = neighboured(within)
    if not bool(interior.any()):
        raise ValueError("no voxel of the mask has all its neighbours in it")
    power = within.float() if weights is None else box.cut(weights).square() * within
    if not float(power.sum()) > 0.0:
        raise ValueError("the weights are zero all over the mask")
    power = power / power[within].mean()
    dipole = dipole_kernel(box.padded, voxel_size, b0_dir, device=field.device)
    dipole[0, 0, 0] = 1.0 / 3.0
    outside = ~pad_to(within, box.padded)
    content = torch.where(within, box.cut(field), torch.zeros_like(field[:1, :1, :1]))

    def forward(sources: torch.Tensor) -> torch.Tensor:
        return box.content(rfft(sources) * dipole)

    def adjoint(found: torch.Tensor) -> torch.Tensor:
        return irfft(box.spectrum(found * power) * dipole, box.padded) * outside

    sources, _ = conjugate_gradients(
        lambda sources: adjoint(forward(sources)),
        adjoint(content),
        iterations=max_iterations,
        tolerance=tolerance,
        progress=progress,
    )
    return box.put((content - forward(sources)) * interior, field.shape), box.put(interior, field.shape)
