"""Masking by the quality of the phase."""

from __future__ import annotations

import numpy as np
import torch


def keep_good_phase(
    mask: torch.Tensor, quality: torch.Tensor, *, threshold: float = 0.3, fill_holes: bool = True
) -> torch.Tensor:
    """Take voxels of unreliable phase out of a brain mask.

    Parameters
    ----------
    mask
        bool, (X, Y, Z).
    quality
        ROMEO voxel quality, 0 to 1, (X, Y, Z).
    threshold
        Voxels below it leave the mask; 0 keeps all.
    fill_holes
        Give back the voxels that are enclosed by the mask on all sides, and drop what got detached from its
        largest piece: background removal wants one piece without holes.

    Returns
    -------
    torch.Tensor
        bool, a part of `mask`.

    Raises
    ------
    ValueError
        Nothing is left.
    """
    from scipy import ndimage

    kept = (mask & (quality >= threshold)).cpu().numpy()
    if fill_holes and kept.any():
        pieces, count = ndimage.label(kept)
        if count > 1:
            kept = pieces == 1 + int(np.argmax(np.bincount(pieces.ravel())[1:]))
        kept = ndimage.binary_fill_holes(kept) & mask.cpu().numpy()
    if not kept.any():
        raise ValueError(
            f"no voxel of the mask has a phase quality of {threshold} or more; lower quality_mask.threshold"
        )
    return torch.from_numpy(kept).to(mask.device)
