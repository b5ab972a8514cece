"""The zero of a susceptibility map."""

from __future__ import annotations

import torch


def subtract_reference(chi: torch.Tensor, mask: torch.Tensor, region: torch.Tensor) -> tuple[torch.Tensor, float]:
    """Make the mean of a susceptibility map zero in a region.

    Parameters
    ----------
    chi
        ppm, (X, Y, Z).
    mask
        bool, (X, Y, Z): where `chi` is given.
    region
        bool, (X, Y, Z); what of it lies outside `mask` does not count.

    Returns
    -------
    chi, value
        ppm, zero outside the mask; and what was subtracted, ppm.

    Raises
    ------
    ValueError
        The region has no voxel in the mask.
    """
    inside = region & mask
    if not bool(inside.any()):
        raise ValueError("the reference region has no voxel in the mask of the map")
    value = float(chi[inside].double().mean())
    return (chi - value) * mask, value
