"""Strong sources first, then the rest: two passes of any inversion."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch

from ..dipole import forward_field


def two_pass(
    invert: Callable[[torch.Tensor], torch.Tensor],
    field: torch.Tensor,
    mask: torch.Tensor,
    voxel_size: Sequence[float],
    b0_dir: Sequence[float] = (0.0, 0.0, 1.0),
    *,
    threshold: float = 0.1,
) -> tuple[torch.Tensor, int]:
    """Invert; take out the field of the strong sources that were found; invert what is left; add both.

    A bleeding or a vein makes streaks as strong as it is. In the second pass only what the first did not explain of it
    can.

    Parameters
    ----------
    invert
        From a local field to susceptibility, both ppm, (X, Y, Z).
    field
        Local field, ppm, (X, Y, Z).
    mask
        bool, (X, Y, Z).
    voxel_size
        In mm.
    b0_dir
        Direction of B0 in voxel axes.
    threshold
        ppm: how far from the median of the first map a source counts as strong.

    Returns
    -------
    chi, strong
        Susceptibility, ppm, (X, Y, Z), zero outside the mask; and the number of strong voxels. Where there is none the
        first map is returned. Takes 4 volumes beside what `invert` and the field of the sources on a grid twice as
        large do.

    Raises
    ------
    ValueError
        `threshold` is not positive.

    References
    ----------
    Wei et al., NMR Biomed 2015 (strong sources inverted first); Stewart et al., Magn Reson Med 2022 (two passes about
    any inversion, there by the reliability of the phase).
    """
    if not threshold > 0:
        raise ValueError(f"threshold must be above 0, got {threshold}")
    chi = invert(field)
    above = chi - chi[mask].median()
    strong = (above.abs() > threshold) & mask
    if not bool(strong.any()):
        return chi, 0
    sources = torch.where(strong, above, 0.0)
    left = (field - forward_field(sources, voxel_size, b0_dir)) * mask
    return sources + invert(left), int(strong.sum())
