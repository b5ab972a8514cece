"""The cerebrospinal fluid of the ventricles, by its slow decay."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from ..box import Box
from ..smooth import gaussian

#: Pieces of less than this part of the largest are left out: noise, and fluid between gyri.
_PIECE = 0.1
#: Least that counts as found: voxels, and part of the mask.
_VOXELS, _SHARE = 10, 2e-4


def csf_mask(
    r2star: torch.Tensor,
    mask: torch.Tensor,
    voxel_size: Sequence[float],
    *,
    threshold: float = 5.0,
    radius: float = 30.0,
    smoothing: float = 0.6,
) -> torch.Tensor:
    """Find the fluid in the middle of a brain, where R2* is low.

    R2* is cut off at zero and at four times the threshold, so that a voxel of noise or of iron counts no more than one
    of tissue, and smoothed within the mask. What lies below the threshold and within `radius` of the mask's centre of
    gravity is split into pieces that hang together by faces; the largest, and those of a tenth of it or more, are the
    fluid.

    Parameters
    ----------
    r2star
        1/s, (X, Y, Z); not read outside the mask, and zero where nothing is known of it.
    mask
        bool, (X, Y, Z), brain.
    voxel_size
        In mm.
    threshold
        1/s. A higher one takes in more of the voxels that fluid shares with tissue.
    radius
        mm, about the centre of the mask; the default is for the human brain.
    smoothing
        Standard deviation of the Gaussian, mm; 0 leaves R2* as it is. It trades the rim of the fluid for safety from
        noise: with 0.6 mm, 96 % of what is found in a simulated head at 2 mm and an SNR of 10 is fluid, with 1 mm all,
        and half as much is found.

    Returns
    -------
    torch.Tensor
        bool, (X, Y, Z), a part of `mask`. Peak memory: three volumes, and four of the cube about that sphere.

    Raises
    ------
    ValueError
        The mask is empty, or less than 10 voxels or 0.02 % of it are found to be fluid.

    References
    ----------
    Liu et al., Magn Reson Med 2018 (MEDI+0): the threshold, the distance to the middle and the pieces are from there;
    smoothing and the size of a piece that counts are not.
    """
    from scipy import ndimage

    within = _near_middle(mask, voxel_size, radius)
    box = Box.around(within)
    known = box.cut(mask & (r2star != 0))
    rate = torch.where(known, box.cut(r2star), 0.0).clamp(0.0, 4.0 * threshold)
    if smoothing > 0:
        share = gaussian(known.to(rate.dtype), voxel_size, smoothing)
        rate = gaussian(rate, voxel_size, smoothing) / share.clamp_min(1e-3)
    pieces, count = ndimage.label((box.cut(within) & known & (rate < threshold)).cpu().numpy())
    sizes = np.bincount(pieces.ravel(), minlength=count + 1)
    sizes[0] = 0
    kept = (sizes > 0) & (sizes >= _PIECE * sizes.max())
    found = int(sizes[kept].sum())
    if found < max(_VOXELS, _SHARE * int(mask.sum())):
        raise ValueError(
            f"R2* is below {threshold:g} 1/s in {found} voxels about the middle of the brain, too few for its fluid; "
            "raise threshold, or supply a mask of the fluid in its place"
        )
    return box.put(torch.from_numpy(kept[pieces]).to(mask.device), mask.shape)


def _near_middle(mask: torch.Tensor, voxel_size: Sequence[float], radius: float) -> torch.Tensor:
    """The voxels of `mask` no further than `radius`, mm, from its centre of gravity."""
    apart = torch.zeros((), device=mask.device)
    for axis, size in enumerate(voxel_size):
        others = [a for a in range(3) if a != axis]
        count = mask.sum(dim=others).float()
        at = float(size) * torch.arange(len(count), device=mask.device)
        middle = (at * count).sum() / count.sum()
        apart = apart + (at - middle).square().reshape([-1 if a == axis else 1 for a in range(3)])
    return mask & (apart <= radius**2)
