"""Smoothing filters."""

from __future__ import annotations

from collections.abc import Sequence

import torch


def gaussian(volume: torch.Tensor, voxel_size: Sequence[float], sigma: float) -> torch.Tensor:
    """Gaussian filter of the last three axes, `sigma` in mm, zero beyond the edges.

    `volume` is (B, X, Y, Z) or (X, Y, Z); the filter is cut at 3 sigma and sums to one.
    """
    batch = volume.reshape(-1, 1, *volume.shape[-3:])
    for axis, size in enumerate(voxel_size):
        reach = max(1, int(3.0 * sigma / float(size) + 0.5))
        x = torch.arange(-reach, reach + 1, dtype=volume.dtype, device=volume.device) * float(size)
        kernel = torch.exp(-0.5 * (x / sigma) ** 2)
        shape, padding = [1, 1, 1, 1, 1], [0, 0, 0]
        shape[axis + 2], padding[axis] = len(kernel), reach
        batch = torch.nn.functional.conv3d(batch, (kernel / kernel.sum()).reshape(shape), padding=padding)
    return batch.reshape(volume.shape)
