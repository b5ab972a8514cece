"""Spherical means on a grid, the common ground of the SHARP family."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from ..grid import Size


def sphere_spectrum(
    shape: Size, radius: float, voxel_size: Sequence[float], device: torch.device | str = "cpu"
) -> torch.Tensor:
    """Half spectrum (real) of the mean over a sphere, exact for every quadratic polynomial that solves Laplace.

    Voxels at the surface are weighted by how much of them is inside. Where voxels are longer along one axis the second
    moments of these weights differ, and second differences along the axes bring the smaller ones up to the largest.
    Only the few lines that hold the sphere are transformed axis by axis, a fraction of a full transform.
    """
    size = [float(d) for d in voxel_size]
    reach = [int(radius / d + 0.5) for d in size]
    axes = [torch.arange(-n, n + 1, dtype=torch.float32, device=device) * d for n, d in zip(reach, size, strict=True)]
    x, y, z = (axis.reshape([-1 if i == a else 1 for i in range(3)]) for a, axis in enumerate(axes))
    distance = (x**2 + y**2 + z**2).sqrt()
    ball = ((radius - distance) / min(size) + 0.5).clamp(0.0, 1.0)
    ball = ball / ball.sum()
    moments = [float((axis**2 * ball).sum()) for axis in (x, y, z)]
    spectrum = torch.fft.rfft(ball, n=shape[2], dim=2)
    for axis in (1, 0):
        spectrum = torch.fft.fft(spectrum, n=shape[axis], dim=axis)
    for axis, n in enumerate(reach):
        k = torch.fft.fftfreq(shape[axis], device=device) if axis < 2 else torch.fft.rfftfreq(shape[2], device=device)
        shift = torch.polar(torch.ones_like(k), 2.0 * torch.pi * n * k)
        spectrum *= shift.reshape([-1 if i == axis else 1 for i in range(3)])
    mean = spectrum.real.contiguous()
    for axis, n in enumerate(shape):
        lift = (max(moments) - moments[axis]) / size[axis] ** 2
        k = torch.fft.fftfreq(n, device=device) if axis < 2 else torch.fft.rfftfreq(n, device=device)
        mean += (lift * (torch.cos(2.0 * torch.pi * k) - 1.0)).reshape([-1 if i == axis else 1 for i in range(3)])
    return mean
