"""Background removal by Laplacian boundary values."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from ..box import Box
from ..mask.morphology import depth, neighboured
from ..multigrid import negative_laplacian, solve_poisson
from ..solve import Progress


def lbv(
    field: torch.Tensor,
    mask: torch.Tensor,
    voxel_size: Sequence[float],
    *,
    peel: float = 2.0,
    tolerance: float = 1e-4,
    max_iterations: int = 30,
    progress: Progress | None = None,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Local field that has the Laplacian of the total field in the mask and vanishes on its surface.

    The background solves Laplace's equation in the mask, and equals the total field on the surface, where the local
    field is taken to be small. So the difference of the two solves
    ``Laplacian(local) = Laplacian(field)`` inside, with zero on the surface.

    Parameters
    ----------
    field
        Total field, ppm, (X, Y, Z).
    mask
        bool, (X, Y, Z).
    voxel_size
        In mm.
    peel
        mm by which the mask is eroded first; the shortest side of a voxel at least, unless it is 0. The less, the more
        of the rim is kept, and the nearer lie the veins on the surface of the brain, whose field is taken for
        background and removed deep inside too.
    tolerance
        Stops when the residual of the discrete equation has fallen to this share of its start.
    max_iterations
        Stops there at the latest.
    progress
        Called after each iteration.

    Returns
    -------
    local, interior
        Local field, ppm, zero outside `interior`; and where it is valid, bool: the peeled mask without its outermost
        layer of voxels, whose values are those on the surface. Peak memory is below 18 volumes.

    Raises
    ------
    ValueError
        The mask is empty, or nothing of it is left inside the surface.

    References
    ----------
    Zhou et al., NMR Biomed 2014.
    """
    box = Box.around(mask)
    kept = box.cut(mask)
    if peel > 0:
        # the outermost voxels are part outside; with large voxels less than one would be no peeling at all
        kept = kept & (depth(kept, voxel_size) >= max(peel, min(map(float, voxel_size))))
    interior = neighboured(kept)
    if not bool(interior.any()):
        told = f"no voxel of the mask has all its neighbours in it after peeling {peel:g} mm"
        raise ValueError(f"{told}; lower peel, or widen the mask")
    content = torch.where(kept, box.cut(field), 0.0)
    local, _ = solve_poisson(
        negative_laplacian(content, voxel_size),
        interior,
        voxel_size,
        tolerance=tolerance,
        max_iterations=max_iterations,
        progress=progress,
    )
    return box.put(local, field.shape), box.put(interior, field.shape)
