"""Background removal by iterated spherical means."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from ..solve import Progress, conjugate_gradients
from .spheres import FixedSphere


def ismv(
    field: torch.Tensor,
    mask: torch.Tensor,
    voxel_size: Sequence[float],
    *,
    radius: float = 4.0,
    tolerance: float = 1e-3,
    max_iterations: int = 100,
    progress: Progress | None = None,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Local field as what the field has over a background that equals its own spherical mean.

    The background is the field in the rim of the mask where the sphere does not fit, and its own mean S over the sphere
    at the centres M where it does. Published, it is found by taking the mean again and again. What that comes to,
    ``local = M S local + M (1 - S) field``, is a linear equation with a symmetric operator, and conjugate gradients
    reach it in a tenth of the means.

    Parameters
    ----------
    field
        Total field, ppm, (X, Y, Z).
    mask
        bool, (X, Y, Z).
    voxel_size
        In mm.
    radius
        Of the sphere, mm, at least the shortest side of a voxel. The mask loses a rim of this depth; the field in the
        rim is all taken for background, so a thin one leaves more of the brain and removes more of its field.
    tolerance
        Stops when the residual has fallen to this share of its start.
    max_iterations
        Stops there at the latest.
    progress
        Called after each iteration.

    Returns
    -------
    local, eroded
        Local field, ppm, zero outside `eroded`; and where it is valid, bool. Peak memory is below 16 volumes; an
        iteration costs 1 FFT pair of the box around the mask.

    Raises
    ------
    ValueError
        The mask is empty, or nothing of it is deeper than `radius`.

    References
    ----------
    Wen et al., Magn Reson Med 2014.
    """
    sphere = FixedSphere.within(mask, radius, voxel_size)
    content = sphere.content(field)
    local, _ = conjugate_gradients(
        sphere.differences,
        sphere.differences(content),
        iterations=max_iterations,
        tolerance=tolerance,
        progress=progress,
    )
    return sphere.box.put(local, field.shape), sphere.eroded
