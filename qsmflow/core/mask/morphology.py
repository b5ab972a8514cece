"""Distances inside a mask, and what follows from them."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import torch

from ..box import Box


def depth(mask: torch.Tensor, voxel_size: Sequence[float], most: float | None = None) -> torch.Tensor:
    """Distance of each voxel of `mask` to the surface of the mask, mm.

    The surface lies half a voxel (of the shortest side) before the nearest outside voxel; what is beyond the grid
    counts as outside.

    Parameters
    ----------
    mask
        bool, (X, Y, Z).
    voxel_size
        In mm.
    most
        mm; voxels deeper than this are only known to be, which is found faster. None: all are found.

    Returns
    -------
    torch.Tensor
        float32, (X, Y, Z), zero outside.
    """
    inside = torch.zeros(tuple(mask.shape), device=mask.device)
    if not bool(mask.any()):
        return inside
    size, where = [float(d) for d in voxel_size], Box.around(mask).where
    framed = torch.nn.functional.pad(mask[where], (1,) * 6)
    if most is None:
        from scipy.ndimage import distance_transform_edt

        distance = torch.from_numpy(distance_transform_edt(framed.cpu().numpy(), sampling=size).astype(np.float32))
    else:
        distance = _squared_up_to(framed, size, most + 0.5 * min(size)).sqrt_()
    found = distance[1:-1, 1:-1, 1:-1].to(mask.device) - 0.5 * min(size)
    inside[where] = found.clamp_min_(0.0)
    return inside


def _squared_up_to(mask: torch.Tensor, size: Sequence[float], most: float) -> torch.Tensor:
    """Squared distance of voxel centres to the nearest outside `mask`, exact up to `most` and more than that beyond.

    Along the last axis by counting, and then from axis to axis as the least over steps along it (Felzenszwalb and
    Huttenlocher, Theory Comput 2012), of which there are few where `most` is small. Outside are the ends of each axis.
    """
    count = torch.arange(mask.shape[2], device=mask.device, dtype=torch.float32)
    before = torch.where(mask, 0.0, count).cummax(2).values
    after = torch.where(mask, float(mask.shape[2]), count).flip(2).cummin(2).values.flip(2)
    squared = torch.minimum(count - before, after - count).mul_(size[2]).square_()
    for axis in (1, 0):
        nearest = squared.clone()
        for step in range(1, min(mask.shape[axis] - 1, math.ceil(most / size[axis])) + 1):
            length = mask.shape[axis] - step
            further = squared + (step * size[axis]) ** 2
            for here, there in ((0, step), (step, 0)):
                part = nearest.narrow(axis, here, length)
                torch.minimum(part, further.narrow(axis, there, length), out=part)
        squared = nearest
    return squared


def neighboured(mask: torch.Tensor) -> torch.Tensor:
    """The voxels of `mask`, bool, (X, Y, Z), whose six neighbours are in it too; beyond the grid nothing is."""
    framed = torch.nn.functional.pad(mask, (1, 1, 1, 1, 1, 1))
    kept = mask.clone()
    for axis in range(3):
        for start in (0, 2):
            shifted = framed.narrow(axis, start, mask.shape[axis])
            for other in range(3):
                if other != axis:
                    shifted = shifted.narrow(other, 1, mask.shape[other])
            kept &= shifted
    return kept


def distance_to(mask: torch.Tensor, voxel_size: Sequence[float]) -> torch.Tensor:
    """Distance of each voxel centre to the nearest voxel centre of `mask`, mm, (X, Y, Z); zero inside."""
    from scipy.ndimage import distance_transform_edt

    distance = distance_transform_edt(~mask.cpu().numpy(), sampling=[float(d) for d in voxel_size])
    return torch.from_numpy(distance.astype(np.float32)).to(mask.device)
