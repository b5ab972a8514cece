"""Path-following unwrapping by ROMEO, through warpkit's C++ implementation."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from ..field import wrap


def romeo(
    phase: torch.Tensor, magnitude: torch.Tensor, te: Sequence[float], mask: torch.Tensor | None = None
) -> torch.Tensor:
    """Unwrap one or several echoes along the path of best quality; the echoes come out consistent in time.

    Parameters
    ----------
    phase, magnitude
        rad and any unit, (E, X, Y, Z).
    te
        s, one an echo.
    mask
        bool, (X, Y, Z); what lies outside is not unwrapped and comes out zero. None: everything.

    Returns
    -------
    torch.Tensor
        rad, (E, X, Y, Z); differs from `phase` by multiples of 2 pi inside the mask.

    References
    ----------
    Dymerska et al., Magn Reson Med 2021.
    """
    from warpkit.warpkit_cpp import romeo_unwrap3d, romeo_unwrap4d

    inside = np.ones(phase.shape[1:], bool) if mask is None else mask.cpu().numpy()
    phases, magnitudes = _last(phase), _last(magnitude)
    if phase.shape[0] == 1:
        unwrapped = romeo_unwrap3d(phases[..., 0], "romeo", magnitudes[..., 0], np.asfortranarray(inside))[..., None]
    else:
        unwrapped = romeo_unwrap4d(phases, _milliseconds(te), "romeo", magnitudes, np.asfortranarray(inside))
    result = torch.from_numpy(np.ascontiguousarray(np.moveaxis(unwrapped, -1, 0))).to(phase.device)
    return torch.where(torch.from_numpy(inside).to(phase.device), result, torch.zeros_like(result))


def voxel_quality(phase: torch.Tensor, magnitude: torch.Tensor, te: Sequence[float]) -> torch.Tensor:
    """ROMEO's voxel quality, (X, Y, Z): 1 where the phase of a voxel agrees with its neighbours', 0 where it is noise.

    `phase`, `magnitude` and `te` are as in `romeo`. With several echoes it is warpkit's, the mean of ROMEO's edge
    weights around a voxel; that needs two echoes, so for one echo the weights that one echo has are averaged here:
    phase coherence times magnitude coherence.

    References
    ----------
    Dymerska et al., Magn Reson Med 2021; Hagberg et al., NeuroImage 2022 (quality masks).
    """
    if len(phase) == 1:
        return _single_echo_quality(phase[0], magnitude[0])
    from warpkit.warpkit_cpp import romeo_voxelquality

    quality = romeo_voxelquality(_last(phase), _milliseconds(te), _last(magnitude))
    return torch.from_numpy(np.ascontiguousarray(quality)).to(phase.device)


def _single_echo_quality(phase: torch.Tensor, magnitude: torch.Tensor) -> torch.Tensor:
    total, edges = torch.zeros_like(phase), torch.zeros_like(phase)
    for axis in range(3):
        size = phase.shape[axis] - 1
        here, there = (lambda v, a=axis, n=size: v.narrow(a, 0, n)), (lambda v, a=axis, n=size: v.narrow(a, 1, n))
        step = wrap(there(phase) - here(phase)).abs()
        smaller = torch.minimum(here(magnitude), there(magnitude))
        larger = torch.maximum(here(magnitude), there(magnitude)).clamp_min(torch.finfo(phase.dtype).tiny)
        weight = (1.0 - step / torch.pi) * (smaller / larger) ** 2
        for part in (here, there):
            part(total).add_(weight)
            part(edges).add_(1.0)
    return total / edges.clamp_min(1.0)


def _last(echoes: torch.Tensor) -> np.ndarray:
    """Echoes as the last axis, as warpkit wants them."""
    return np.asfortranarray(np.moveaxis(echoes.cpu().numpy(), 0, -1).astype(np.float32, copy=False))


def _milliseconds(te: Sequence[float]) -> np.ndarray:
    return np.asarray([1e3 * t for t in te], np.float32)
