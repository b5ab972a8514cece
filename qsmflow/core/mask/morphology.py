"""Distances inside a mask, and what follows from them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch


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

    size = [float(d) for d in voxel_size]
    framed = np.pad(mask.cpu().numpy(), 1)
    distance = distance_transform_edt(framed, sampling=size)[1:-1, 1:-1, 1:-1].astype(np.float32)
    inside = torch.from_numpy(distance).to(mask.device) - 0.5 * min(size)
    return inside.clamp_min(0.0)


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
