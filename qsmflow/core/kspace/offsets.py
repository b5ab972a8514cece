"""Sensitivities from two echoes: what of the coils' phase does not grow with time (MCPC-3D-S, ASPIRE)."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch

from ..field import receiver_offset
from ..smooth import gaussian


def offset_maps(
    images: torch.Tensor,
    te: Sequence[float],
    voxel_size: Sequence[float],
    mask: torch.Tensor,
    unwrap: Callable[[torch.Tensor, torch.Tensor], torch.Tensor],
    *,
    smoothing: float = 5.0,
) -> torch.Tensor:
    """Phase offset and smooth magnitude of each coil, from the first two echoes.

    The phase difference of the echoes is taken over all coils at once, as the phase of their Hermitian inner product,
    and extrapolated to TE = 0; what a coil has on top in the first echo is its offset. Where the second echo time is
    a multiple of the first, twice it say, the extrapolation does not feel wraps and nothing is unwrapped (ASPIRE).

    Parameters
    ----------
    images
        complex64, (E, C, X, Y, Z) with E >= 2.
    te
        s, one an echo.
    voxel_size
        In mm.
    mask
        bool, (X, Y, Z): where the unwrapped difference can be believed; only what is inside is smoothed over.
    unwrap
        Takes the wrapped phase difference and its weight, each (X, Y, Z); returns it unwrapped.
    smoothing
        Standard deviation of the Gaussian that smooths offset and magnitude, mm.

    Returns
    -------
    torch.Tensor
        complex64, (C, X, Y, Z), of unit norm over the coils. Combined with these the phase at TE = 0 is that of the
        object, about zero. Peak memory: the result and 15 volumes.

    Raises
    ------
    ValueError
        Fewer than two echoes.

    References
    ----------
    Eckstein et al., Magn Reson Med 2018.
    """
    if len(te) < 2:
        raise ValueError("the phase offsets of the coils need two echoes")
    product = sum((one.conj() * two for one, two in zip(images[0], images[1], strict=True)), torch.zeros(()))
    ratio = te[0] / (te[1] - te[0])
    wrapped = product.angle()
    difference = wrapped if abs(ratio - round(ratio)) < 1e-3 else unwrap(wrapped, product.abs())
    maps = torch.empty_like(images[0])
    for coil in range(images.shape[1]):
        pair = images[:2, coil]
        offset = receiver_offset(
            pair.angle(), pair.abs(), te[:2], voxel_size, mask, lambda *_: difference, smoothing=smoothing
        )
        maps[coil] = torch.polar(gaussian(pair[0].abs() * mask, voxel_size, smoothing).clamp_min(0.0), offset)
    norm = torch.linalg.vector_norm(maps, dim=0)
    return maps / torch.where(norm > 1e-6 * norm.max(), norm, torch.inf)
