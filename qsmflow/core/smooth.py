"""Smoothing filters."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch

from .grid import as_size, crop_to, fast_shape, frequencies, irfft, pad_to, rfft


def gaussian(volume: torch.Tensor, voxel_size: Sequence[float], sigma: float) -> torch.Tensor:
    """Gaussian filter of the last three axes, `sigma` in mm, zero beyond the edges; (..., X, Y, Z)."""
    shape = as_size(volume.shape)
    padded = fast_shape([n + math.ceil(3.0 * sigma / float(d)) for n, d in zip(shape, voxel_size, strict=True)])
    kx, ky, kz = frequencies(padded, voxel_size, volume.device)
    a = -2.0 * (math.pi * sigma) ** 2
    response = torch.exp(a * kx**2) * torch.exp(a * ky**2) * torch.exp(a * kz**2)
    return crop_to(irfft(rfft(pad_to(volume, padded)) * response, padded), shape)
