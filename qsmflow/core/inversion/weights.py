"""How far the field of a voxel is believed."""

from __future__ import annotations

import torch


def noise_weights(magnitude: torch.Tensor | None, mask: torch.Tensor) -> torch.Tensor:
    """Weights that fall with the magnitude below its median, where noise rules, and are one above.

    Above the median the error of a local field is that of background removal, which a bright voxel has no less of.

    Parameters
    ----------
    magnitude
        Any unit, (X, Y, Z). None: the mask itself.
    mask
        bool, (X, Y, Z).

    Returns
    -------
    torch.Tensor
        float32, (X, Y, Z), in [0, 1], zero outside the mask.

    Raises
    ------
    ValueError
        The mask is empty, or the magnitude is zero in half of it.
    """
    if not bool(mask.any()):
        raise ValueError("the mask is empty")
    if magnitude is None:
        return mask.float()
    median = float(magnitude[mask].median())
    if not median > 0:
        raise ValueError("the magnitude is zero in half of the mask")
    return torch.where(mask, (magnitude / median).clamp(0.0, 1.0), 0.0)
