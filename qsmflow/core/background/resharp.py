"""Background removal by RESHARP."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from ..solve import Progress, conjugate_gradients
from .spheres import FixedSphere


def resharp(
    field: torch.Tensor,
    mask: torch.Tensor,
    voxel_size: Sequence[float],
    *,
    radius: float = 6.0,
    weight: float = 1e-3,
    tolerance: float = 1e-3,
    max_iterations: int = 50,
    progress: Progress | None = None,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Local field by the spherical mean value property, deconvolved by regularised least squares.

    A field from sources outside a sphere equals its mean over it. The smallest local field is sought that differs from
    its mean S as the total field does wherever the sphere fits, at the centres M:
    ``min |M (1 - S) (local - field)|^2 + weight |local|^2``.

    Parameters
    ----------
    field
        Total field, ppm, (X, Y, Z).
    mask
        bool, (X, Y, Z).
    voxel_size
        In mm.
    radius
        Of the sphere, mm, at least the shortest side of a voxel. The mask loses a rim of this depth.
    weight
        Of the local field's norm: smaller follows the data more closely, and lets more long waves of the background
        in.
    tolerance
        Stops when the residual of the normal equations has fallen to this share of its start.
    max_iterations
        Stops there at the latest.
    progress
        Called after each iteration.

    Returns
    -------
    local, eroded
        Local field, ppm, zero outside `eroded`; and where it is valid, bool. Peak memory is below 16 volumes; an
        iteration costs 2 FFT pairs of the box around the mask.

    Raises
    ------
    ValueError
        The mask is empty, or nothing of it is deeper than `radius`.

    References
    ----------
    Sun and Wilman, Magn Reson Med 2014.
    """
    sphere = FixedSphere.within(mask, radius, voxel_size)
    content = sphere.content(field)
    local, _ = conjugate_gradients(
        lambda found: sphere.adjoint(sphere.differences(found)) + weight * found,
        sphere.adjoint(sphere.differences(content)),
        iterations=max_iterations,
        tolerance=tolerance,
        progress=progress,
    )
    return sphere.box.put(local * sphere.centres, field.shape), sphere.eroded
