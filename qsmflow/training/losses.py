"""What training makes small: differences of susceptibility, of field, of edges and of structure, and their sums."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

import torch
from torch.nn import functional

from qsmflow.core.dipole import dipole_kernel, free_space_kernel
from qsmflow.core.grid import Size, irfft, pad_to, rfft


@dataclass(frozen=True)
class Target:
    """What a prediction is held against; volumes are (N, 1, X, Y, Z), or (N, 1, X, Y) for a network of slices.

    Attributes
    ----------
    truth
        What the network should have given.
    mask
        Where it counts: 1 or 0. All ones is the form of the papers.
    field
        Measured local field, ppm, which the model loss may be held against.
    voxel_size, b0_dir
        Of the volumes: mm; direction in voxel axes.
    """

    truth: torch.Tensor
    mask: torch.Tensor
    field: torch.Tensor
    voxel_size: Sequence[float] = (1.0, 1.0, 1.0)
    b0_dir: Sequence[float] = (0.0, 0.0, 1.0)


def l1(predicted: torch.Tensor, target: Target) -> torch.Tensor:
    """Mean absolute difference over the mask."""
    return _mean((predicted - target.truth).abs(), target.mask)


def l2(predicted: torch.Tensor, target: Target) -> torch.Tensor:
    """Mean squared difference over the mask."""
    return _mean((predicted - target.truth).square(), target.mask)


#: ppm: a patch with less in it counts as if it had this much.
_LEAST = 0.02


def relative(predicted: torch.Tensor, target: Target) -> torch.Tensor:
    """Mean squared difference over the mask, as a share of the mean square of the truth there.

    The square of the NRMSE, so that a head with one strong lesion does not rule all others; a truth with a root mean
    square below 20 ppb counts as one of that.
    """
    return l2(predicted, target) / _mean(target.truth.square(), target.mask).clamp_min(_LEAST**2)


def model(predicted: torch.Tensor, target: Target) -> torch.Tensor:
    """Mean absolute difference over the mask of the fields of prediction and truth, periodic on the patch.

    The form of the paper. What lies outside the patch makes the same field for both and cancels.

    References
    ----------
    Yoon et al., NeuroImage 2018.
    """
    return _mean(_field(predicted - target.truth, target, periodic=True).abs(), target.mask)


def model_padded(predicted: torch.Tensor, target: Target) -> torch.Tensor:
    """As `model`, by the dipole in free space on twice the grid: nothing wraps around."""
    return _mean(_field(predicted - target.truth, target, periodic=False).abs(), target.mask)


def model_measured(predicted: torch.Tensor, target: Target) -> torch.Tensor:
    """Mean absolute difference over the mask of the field of the prediction and the measured field, in free space.

    The form of the authors' code but for its wrapping. Sources outside the patch are missing in the first of the two,
    so it is for whole heads and large patches.
    """
    return _mean((_field(predicted, target, periodic=False) - target.field).abs(), target.mask)


def gradient(predicted: torch.Tensor, target: Target) -> torch.Tensor:
    """Sum over the axes of the mean absolute difference of absolute forward differences.

    The form of the paper, per voxel. A difference counts where both of its voxels are in the mask.

    References
    ----------
    Yoon et al., NeuroImage 2018.
    """
    total = predicted.new_zeros(())
    for axis in range(2, predicted.ndim):
        edges = [torch.diff(volume, dim=axis).abs() for volume in (predicted, target.truth)]
        both = torch.minimum(*_shifted(target.mask, axis))
        total = total + _mean((edges[0] - edges[1]).abs(), both)
    return total


def gradient_one_sided(predicted: torch.Tensor, target: Target) -> torch.Tensor:
    """Mean absolute difference of the ascents of both maps.

    The variant of the authors' code: the ascent of a voxel is the sum over its neighbours that share a corner (26 in
    a volume) of how much higher they are, divided by their distance in voxels. The rim of the patch is left out.
    """
    inner = (slice(None), slice(None)) + (slice(1, -1),) * (predicted.ndim - 2)
    difference = _ascent(predicted) - _ascent(target.truth)
    return _mean(difference.abs(), target.mask[inner])


def tv(predicted: torch.Tensor, target: Target) -> torch.Tensor:
    """Sum over the axes of the mean absolute forward difference of the prediction within the mask."""
    total = predicted.new_zeros(())
    for axis in range(2, predicted.ndim):
        both = torch.minimum(*_shifted(target.mask, axis))
        total = total + _mean(torch.diff(predicted, dim=axis).abs(), both)
    return total


#: Range that structural similarity takes for the full scale of a map: 1 is right for chi in ppm.
_RANGE = 1.0
_WINDOW, _SIGMA = 7, 1.5


def ssim(predicted: torch.Tensor, target: Target) -> torch.Tensor:
    """One minus the mean over the mask of the structural similarity, with the constants of XSIM.

    Gaussian window of 7 voxels an axis, sigma 1.5; K = (0.01, 0.001) on a range of 1 ppm; zeros beyond the patch.

    References
    ----------
    Wang et al., IEEE Trans Image Process 2004; Milovic et al., Magn Reson Med 2024 (constants).
    """
    c1, c2 = (0.01 * _RANGE) ** 2, (0.001 * _RANGE) ** 2
    x, y = predicted * target.mask, target.truth * target.mask
    mx, my, xx, yy, xy = _blur(torch.cat([x, y, x * x, y * y, x * y], 1)).split(1, 1)
    variances = xx + yy - mx.square() - my.square()
    covariance = xy - mx * my
    index = (2 * mx * my + c1) * (2 * covariance + c2) / ((mx.square() + my.square() + c1) * (variances + c2))
    return 1.0 - _mean(index, target.mask)


#: Every loss by the name it has in a recipe.
LOSSES: dict[str, Callable[[torch.Tensor, Target], torch.Tensor]] = {
    loss.__name__: loss
    for loss in (l1, l2, relative, model, model_padded, model_measured, gradient, gradient_one_sided, tv, ssim)
}
#: Those that take the field of a susceptibility, in volumes.
FIELD_LOSSES = (model.__name__, model_padded.__name__, model_measured.__name__)


def weighted_sum(
    weights: Mapping[str, float], predicted: torch.Tensor, target: Target
) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
    """Sum of losses by name.

    Parameters
    ----------
    weights
        Weight of each loss; what is not named costs nothing.
    predicted
        (N, 1, X, Y, Z), ppm.

    Returns
    -------
    total
        Scalar, with its gradient.
    parts
        Each loss before its weight, detached, for the log.

    Raises
    ------
    ValueError
        A name is not known, or none is given.
    """
    unknown = [name for name in weights if name not in LOSSES]
    if unknown or not weights:
        raise ValueError(f"unknown loss {', '.join(unknown) or '(none given)'}; there are {', '.join(LOSSES)}")
    values = {name: LOSSES[name](predicted, target) for name in weights}
    total = torch.stack([weight * values[name] for name, weight in weights.items()]).sum()
    return total, {name: value.detach() for name, value in values.items()}


def _mean(values: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """Mean over the voxels of the mask; 0 where there are none."""
    return (values * mask).sum() / mask.sum().clamp_min(1.0)


def _shifted(mask: torch.Tensor, axis: int) -> tuple[torch.Tensor, torch.Tensor]:
    """The mask at both ends of every forward difference."""
    size = mask.shape[axis] - 1
    return mask.narrow(axis, 0, size), mask.narrow(axis, 1, size)


def _field(chi: torch.Tensor, target: Target, *, periodic: bool) -> torch.Tensor:
    """Field of (N, 1, X, Y, Z), in float32 at least, whatever the precision of the network."""
    x, y, z = chi.shape[-3:]
    where = (x, y, z), tuple(map(float, target.voxel_size)), tuple(map(float, target.b0_dir)), chi.device
    kernel, shape = _kernel(*where, periodic)
    chi = chi.to(torch.promote_types(chi.dtype, torch.float32))
    return irfft(rfft(pad_to(chi, shape)) * kernel, shape)[..., :x, :y, :z]


@lru_cache(maxsize=8)
def _kernel(
    shape: Size, voxel_size: tuple[float, ...], b0_dir: tuple[float, ...], device: torch.device, periodic: bool
) -> tuple[torch.Tensor, Size]:
    """Spectrum of the dipole and the grid it is on; one patch after the other asks for the same."""
    if periodic:
        return dipole_kernel(shape, voxel_size, b0_dir, device=device), shape
    return free_space_kernel(shape, voxel_size, b0_dir, device)


def _ascent(volume: torch.Tensor) -> torch.Tensor:
    """Sum over the neighbours of how much higher they are by distance: (N, 1, X-2, ...)."""
    spatial = range(2, volume.ndim)
    centre = _window(volume, (0,) * len(spatial))
    total = torch.zeros_like(centre)
    for step in itertools.product((-1, 0, 1), repeat=len(spatial)):
        if any(step):
            total = total + functional.relu(_window(volume, step) - centre) / math.hypot(*step)
    return total


def _window(volume: torch.Tensor, step: Sequence[int]) -> torch.Tensor:
    """All voxels but the rim, seen `step` voxels further."""
    for axis, offset in enumerate(step, start=2):
        volume = volume.narrow(axis, 1 + offset, volume.shape[axis] - 2)
    return volume


def _blur(volumes: torch.Tensor) -> torch.Tensor:
    """Gaussian window along every spatial axis, channel by channel, zeros beyond the patch."""
    at = torch.arange(_WINDOW, device=volumes.device, dtype=volumes.dtype) - _WINDOW // 2
    taps = torch.exp(-0.5 * (at / _SIGMA) ** 2)
    taps = taps / taps.sum()
    spatial, channels = volumes.ndim - 2, volumes.shape[1]
    convolve = functional.conv3d if spatial == 3 else functional.conv2d
    for axis in range(spatial):
        size = [1] * spatial
        size[axis] = _WINDOW
        weight = taps.view(1, 1, *size).expand(channels, 1, *size)
        padding = [n // 2 for n in size]
        volumes = convolve(volumes, weight, padding=padding, groups=channels)
    return volumes
