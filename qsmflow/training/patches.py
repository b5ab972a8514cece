"""Where patches are cut from volumes."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch.nn import functional

from .draws import Draws


def grid_corners(shape: Sequence[int], size: int, overlap: float) -> list[tuple[int, ...]]:
    """First corners of patches of `size` voxels that overlap by the share `overlap` and cover a volume.

    The step is the share of `size` that does not overlap, rounded; patches beyond it end at the border of the volume.
    A volume of 174 x 196 x 218 voxels has the 336 patches of 64 voxels and an overlap of 0.66 that QSMnet took of each.

    Parameters
    ----------
    shape
        Voxels of the volume along each axis; an axis shorter than `size` has one patch.

    Raises
    ------
    ValueError
        `overlap` is not at least 0 and below 1, or leaves no step of a voxel.
    """
    step = round(size * (1.0 - overlap))
    if not 0.0 <= overlap < 1.0 or step < 1:
        raise ValueError(f"overlap must be at least 0 and leave a step of a voxel, got {overlap} of {size}")
    along = []
    for n in shape:
        last = max(n - size, 0)
        along.append(sorted({*range(0, last + 1, step), last}))
    corners: list[tuple[int, ...]] = [()]
    for starts in along:
        corners = [(*corner, start) for corner in corners for start in starts]
    return corners


def random_corner(mask: torch.Tensor, size: int, draw: Draws) -> tuple[int, ...]:
    """First corner of a patch around a random voxel of `mask`, (X, Y, Z), within the volume where it is long enough."""
    inside = torch.nonzero(mask)
    centre = inside[draw.integer(len(inside))].tolist()
    return tuple(min(max(at - size // 2, 0), max(n - size, 0)) for at, n in zip(centre, mask.shape, strict=True))


def cut(volumes: torch.Tensor, corner: Sequence[int], size: int) -> torch.Tensor:
    """The patch of `size` voxels an axis at `corner` of (C, X, Y, Z), or (C, X, Y); zeros beyond the volume."""
    where = (slice(None), *(slice(start, start + size) for start in corner))
    patch = volumes[where]
    missing = [amount for n in reversed(patch.shape[1:]) for amount in (0, size - n)]
    return functional.pad(patch, missing) if any(missing) else patch
