"""Path-following unwrapping by ROMEO, through warpkit's C++ implementation."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from scipy import ndimage

from ..field import wrap
from ..line import one_time_an_echo


def romeo(phase: torch.Tensor, magnitude: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """Unwrap one image along the path of best quality, told by the steps of phase and magnitude between neighbours.

    Parameters
    ----------
    phase, magnitude
        rad and any unit, (X, Y, Z).
    mask
        bool, (X, Y, Z). Parts of it that do not touch are unwrapped each on its own: the implementation grows from
        one seed and would leave all but one of them wrapped.

    Returns
    -------
    torch.Tensor
        rad, (X, Y, Z); differs from `phase` by multiples of 2 pi inside the mask, zero outside. Voxels to which no path
        leads, as those without signal, stay as they are. Peak memory: 10 volumes.

    References
    ----------
    Dymerska et al., Magn Reson Med 2021.
    """
    from warpkit.warpkit_cpp import romeo_unwrap3d

    wrapped, weights = phase.cpu().numpy(), magnitude.cpu().numpy()
    parts, _ = ndimage.label(mask.cpu().numpy())
    unwrapped = np.zeros_like(wrapped)
    for number, box in enumerate(ndimage.find_objects(parts), start=1):
        inside = np.asfortranarray(parts[box] == number)
        images = (np.asfortranarray(image[box], dtype=np.float32) for image in (wrapped, weights))
        try:
            part = romeo_unwrap3d(next(images), "romeo", next(images), inside, correct_global=False)
        except RuntimeError as error:
            if "all edge weights are zero" not in str(error):
                raise
            part = wrapped[box]  # a lone voxel, or no two neighbours that agree at all: there is no path to follow
        np.copyto(unwrapped[box], part, where=inside)
    return torch.from_numpy(unwrapped).to(phase.device)


def voxel_quality(phase: torch.Tensor, magnitude: torch.Tensor, te: Sequence[float]) -> torch.Tensor:
    """ROMEO's voxel quality, (X, Y, Z): 1 where the phase of a voxel agrees with its neighbours', 0 where it is noise.

    `phase`, rad, and `magnitude`, any unit, are (E, X, Y, Z); `te`, s, is one an echo. With several echoes it is
    warpkit's, the mean of ROMEO's edge weights around a voxel; that needs two echoes, so for one echo the weights that
    one echo has are averaged here: phase coherence times magnitude coherence.

    Raises
    ------
    ValueError
        Numbers of echoes and of echo times differ.

    References
    ----------
    Dymerska et al., Magn Reson Med 2021; Hagberg et al., NeuroImage 2022 (quality masks).
    """
    one_time_an_echo(phase, te)
    if len(phase) == 1:
        return _single_echo_quality(phase[0], magnitude[0])
    from warpkit.warpkit_cpp import romeo_voxelquality

    milliseconds = np.asarray([1e3 * t for t in te], np.float32)
    quality = romeo_voxelquality(_last(phase), milliseconds, _last(magnitude))
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
