"""What a notebook gives to a network, taken as what it means or refused by name."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from .channels import Scan

#: A volume as a notebook has it.
Given = torch.Tensor | np.ndarray


def taken(
    field: Given,
    mask: Given,
    voxel_size: Sequence[float],
    b0_dir: Sequence[float],
    noise: Given | float | None = None,
) -> Scan:
    """A scan of tensors or arrays, on the device of the field.

    Parameters
    ----------
    field
        Local field, ppm, (X, Y, Z).
    mask
        (X, Y, Z): bool, or numbers that are above zero where the field is valid.
    voxel_size, b0_dir
        mm; direction of B0 in voxel axes.
    noise
        Standard deviation of the field, ppm: (X, Y, Z), or one number for all of it.

    Raises
    ------
    ValueError
        One of them is not that.
    """
    volume = _volume("field", field).float()
    if volume.ndim != 3:
        raise ValueError(f"field: shape {tuple(volume.shape)}; give one volume, (X, Y, Z)")
    inside = (_volume("mask", mask) > 0).to(volume.device)
    spread = None if noise is None else _volume("noise", noise).float().to(volume.device)
    if spread is not None and spread.ndim == 0:
        spread = spread.expand(volume.shape)
    size = _three("voxel_size", voxel_size, "three lengths above 0, mm")
    if min(size) <= 0:
        raise ValueError(f"voxel_size: {size}; give three lengths above 0, mm")
    b0 = _three("b0_dir", b0_dir, "the direction of B0 in voxel axes, three numbers")
    if not any(b0):
        raise ValueError(f"b0_dir: {b0} has no direction; give that of B0 in voxel axes")
    return Scan(volume, inside, size, b0, spread)


def as_device(device: str | torch.device) -> torch.device:
    """A device that networks run on.

    Raises
    ------
    ValueError
        It is neither a CPU nor CUDA, or this machine does not have it.
    """
    try:
        found = torch.device(device)
    except (RuntimeError, TypeError) as error:
        raise ValueError(f"device: {device!r} is not one of cpu, cuda, cuda:0") from error
    if found.type not in ("cpu", "cuda"):
        raise ValueError(f"device: '{found}' is not one of cpu, cuda, cuda:0")
    if found.type == "cuda" and (found.index or 0) >= torch.cuda.device_count():
        raise ValueError(f"device {found}: this machine has no CUDA device of that name for torch; take device cpu")
    return found


def _volume(name: str, given: Any) -> torch.Tensor:
    """A tensor of what is one, or of an array of numbers in whatever order of bytes and axes."""
    array = given if isinstance(given, torch.Tensor) else np.asarray(given)
    if isinstance(array, np.ndarray) and array.dtype.kind in "biuf":
        return torch.from_numpy(array.astype(np.float32, order="C"))
    if not isinstance(array, torch.Tensor) or array.is_complex():
        raise ValueError(f"{name}: {type(given).__name__} is no tensor or array of real numbers; give one, (X, Y, Z)")
    return array


def _three(name: str, given: Any, wanted: str) -> tuple[float, float, float]:
    try:
        x, y, z = (float(one) for one in given)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{name}: {given!r}; give {wanted}") from error
    if not all(math.isfinite(one) for one in (x, y, z)):
        raise ValueError(f"{name}: {given!r} is not finite; give {wanted}")
    return x, y, z
