"""Distances inside a mask, and what follows from them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from ..box import Box


def depth(mask: torch.Tensor, voxel_size: Sequence[float]) -> torch.Tensor:
    """Distance of each voxel of `mask` to the surface of the mask, mm.

    The surface lies half a voxel (of the shortest side) before the nearest outside voxel; what is beyond the grid
    counts as outside.

    Parameters
    ----------
    mask
        bool, (X, Y, Z).
    voxel_size
        mm.

    Returns
    -------
    torch.Tensor
        float32, (X, Y, Z), zero outside.
    """
    from scipy.ndimage import distance_transform_edt

    inside = torch.zeros(tuple(mask.shape), device=mask.device)
    if not bool(mask.any()):
        return inside
    size, where = [float(d) for d in voxel_size], Box.around(mask).where
    framed = np.pad(mask[where].cpu().numpy(), 1)
    distance = distance_transform_edt(framed, sampling=size)[1:-1, 1:-1, 1:-1].astype(np.float32)
    inside[where] = (torch.from_numpy(distance).to(mask.device) - 0.5 * min(size)).clamp_min(0.0)
    return inside


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
