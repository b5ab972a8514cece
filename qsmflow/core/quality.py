"""What tells how far a susceptibility map can be trusted where no truth is known."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch.nn.functional import pad

from .box import Box
from .dipole import dipole_kernel, forward_field
from .mask.morphology import distance_to

#: |D| below which the field tells little of the susceptibility: where streaks come from.
_CONE = 0.1


def streak_index(chi: torch.Tensor, mask: torch.Tensor, voxel_size: Sequence[float], b0_dir: Sequence[float]) -> float:
    """How much stronger a map is about the cone of the dipole kernel than in other directions of k-space.

    The root of the mean power where ``|D| < 0.1`` over that where it is larger, the mean of the map taken out. Anatomy
    has no reason to know the direction of B0: streaks lie above 1, maps that are damped about the cone below.

    Parameters
    ----------
    chi
        (X, Y, Z), ppm.
    mask
        bool, (X, Y, Z); the map counts inside.
    voxel_size
        mm.
    b0_dir
        Unit vector in voxel axes.

    Returns
    -------
    float
        NaN for a map without contrast.
    """
    inside = torch.where(mask, chi - chi[mask].mean(), 0.0)
    kernel = dipole_kernel(chi.shape, voxel_size, b0_dir)
    power = torch.fft.rfftn(inside).abs().square()
    cone = kernel.abs() < _CONE
    rest = ~cone
    cone[0, 0, 0] = rest[0, 0, 0] = False
    outside = power[rest].mean()
    return float((power[cone].mean() / outside).sqrt()) if outside > 0 else float("nan")


def field_misfit(
    chi: torch.Tensor,
    field: torch.Tensor,
    mask: torch.Tensor,
    voxel_size: Sequence[float],
    b0_dir: Sequence[float],
) -> float:
    """What of a local field a map does not explain, as a share of the field: ``|D * chi - field| / |field|`` inside.

    Both means are taken out, for the zero of a map is a choice. Shapes and units are those of `streak_index`; `field`
    is in ppm.

    Returns
    -------
    float
        0 for a perfect fit, 1 where the map explains nothing; NaN for a field without contrast.
    """
    made = forward_field(torch.where(mask, chi, 0.0), voxel_size, b0_dir, periodic=True)[mask]
    told = field[mask]
    rest = (made - made.mean()) - (told - told.mean())
    norm = (told - told.mean()).norm()
    return float(rest.norm() / norm) if norm > 0 else float("nan")


def rim_excess(field: torch.Tensor, mask: torch.Tensor, voxel_size: Sequence[float], width: float = 4.0) -> float:
    """How much stronger a local field is in the outer `width` mm of its mask than further in: background left over.

    The ratio of the root mean squares. Shapes and units are those of `field_misfit`.

    Returns
    -------
    float
        About 1 or less where nothing is left; NaN where the mask is no thicker than the rim.
    """
    if not mask.any():
        return float("nan")
    box = Box.around(mask, 0.0)
    field, mask = box.cut(field), box.cut(mask)
    outside = pad(~mask, (1,) * 6, value=True)
    depth = distance_to(outside, voxel_size)[1:-1, 1:-1, 1:-1]
    rim, inner = mask & (depth <= width), mask & (depth > width)
    if not inner.any() or not rim.any():
        return float("nan")
    within = field[inner].square().mean().sqrt()
    return float(field[rim].square().mean().sqrt() / within) if within > 0 else float("nan")
