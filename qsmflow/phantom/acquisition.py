"""From a sampled head to what a scanner would give: fields, complex echoes, wrapped phase."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch

from qsmflow.core.dipole import forward_field
from qsmflow.phantom.sampling import Sample

#: Gyromagnetic ratio of the proton over 2 pi, MHz/T, which is Hz per ppm and T.
GAMMA_BAR = 42.577478518


def total_and_local_field(
    sample: Sample, voxel_size: Sequence[float], b0_dir: Sequence[float], outside: float
) -> tuple[torch.Tensor, torch.Tensor]:
    """Fields of the whole head and of its brain alone, free of aliasing.

    The total field is that of everything in the grid, surrounded by endless air. The local field is that of the brain
    in surroundings whose susceptibility is the brain's own mean, so that a brain of uniform susceptibility has none:
    what a uniform brain adds is harmonic inside it, and no background removal can tell it from outer sources.

    Parameters
    ----------
    sample
        Head on a grid.
    voxel_size, b0_dir
        Of the grid: mm; unit vector in voxel axes.
    outside
        Susceptibility of what surrounds the grid, ppm.

    Returns
    -------
    total, local
        ppm, (X, Y, Z).
    """
    sources = torch.stack([sample.chi - outside, brain_sources(sample)])
    total, local = forward_field(sources, voxel_size, b0_dir)
    return total, local


def brain_sources(sample: Sample) -> torch.Tensor:
    """Susceptibility of the brain without its mean: what makes the local field; ppm, (X, Y, Z)."""
    mean = sample.brain_chi.sum() / sample.brain.sum().clamp_min(1e-6)
    return sample.brain_chi - mean * sample.brain


def receiver(
    affine: torch.Tensor, shape: Sequence[int], generator: torch.Generator
) -> tuple[torch.Tensor, torch.Tensor]:
    """Smooth sensitivity and phase offset of the receiver, fixed in the scanner.

    Both are low-order polynomials of the scanner coordinates whose coefficients `generator` draws.

    Parameters
    ----------
    affine
        4x4, voxel to scanner coordinates, mm.
    shape
        (X, Y, Z).

    Returns
    -------
    bias
        About 0.7 to 1.3 over a head, (X, Y, Z).
    offset
        rad, about 4 rad from end to end of a head, (X, Y, Z).
    """
    draw = torch.randn((2, 9), generator=generator).to(affine.device)
    axes = [torch.arange(n, device=affine.device, dtype=torch.float32) for n in shape]
    i, j, k = axes[0].reshape(-1, 1, 1), axes[1].reshape(1, -1, 1), axes[2].reshape(1, 1, -1)
    x, y, z = ((affine[r, 0] * i + affine[r, 1] * j + affine[r, 2] * k + affine[r, 3]) / 100.0 for r in range(3))
    terms = (x, y, z, x * x, y * y, z * z, x * y, y * z, x * z)
    smooth = [torch.as_tensor(sum(float(c) * t for c, t in zip(row, terms, strict=True))) for row in draw]
    return torch.exp(0.15 * torch.tanh(smooth[0])), 1.0 + 1.2 * smooth[1]


def echo_signal(
    sample: Sample,
    field: torch.Tensor,
    te: float,
    b0: float,
    *,
    bias: torch.Tensor | float = 1.0,
    offset: torch.Tensor | float = 0.0,
) -> torch.Tensor:
    """Signal of one gradient echo, ``m0 bias exp(-TE R2*) exp(i (2 pi gamma_bar B0 TE field + offset))``.

    Parameters
    ----------
    sample
        Head on a grid.
    field
        Total field, ppm.
    te
        s.
    b0
        T.
    bias, offset
        Of the receiver: factor; rad.

    Returns
    -------
    torch.Tensor
        complex64, (X, Y, Z); a paramagnetic source raises the phase.
    """
    magnitude = sample.m0 * bias * torch.exp(-te * sample.r2star)
    return torch.polar(magnitude, (2.0 * math.pi * GAMMA_BAR * b0 * te) * field + offset)


def noise_sd(first_echo: torch.Tensor, brain: torch.Tensor, snr: float) -> float:
    """SD of the noise in each of the two channels: mean brain magnitude of the first echo over `snr`."""
    return float(first_echo.abs()[brain > 0.5].mean()) / snr


def add_noise(signal: torch.Tensor, sd: float, generator: torch.Generator) -> torch.Tensor:
    """Add complex Gaussian noise of SD `sd` in the real and in the imaginary channel; `generator` is on the CPU."""
    noise = torch.view_as_complex(torch.randn((*signal.shape, 2), generator=generator))
    return signal + sd * noise.to(signal.device)
