"""Laplacian unwrapping."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from ..grid import as_size, crop_to, fast_shape, frequencies, irfft, pad_to, rfft


def laplacian(phase: torch.Tensor, voxel_size: Sequence[float]) -> torch.Tensor:
    """Unwrap by inverting the Laplacian that the wrapped phase still tells.

    ``lap(phi) = cos(phi) lap(sin(phi)) - sin(phi) lap(cos(phi))`` holds for the wrapped phase as well; it is inverted
    in Fourier space on a grid padded by a quarter. The result lacks a harmonic part, so it is a phase up to a smooth
    background, not up to 2 pi; it never fails and is smooth across low signal.

    Parameters
    ----------
    phase
        rad, (..., X, Y, Z); wrapped.
    voxel_size
        In mm.

    Returns
    -------
    torch.Tensor
        rad, the shape of `phase`, of mean zero.

    References
    ----------
    Schofield and Zhu, Opt Lett 2003.
    """
    shape = as_size(phase.shape)
    padded = fast_shape([n + n // 4 for n in shape])
    kx, ky, kz = frequencies(padded, voxel_size, phase.device)
    k2 = kx**2 + ky**2 + kz**2
    sine, cosine = (pad_to(part, padded) for part in (torch.sin(phase), torch.cos(phase)))
    lap = cosine * irfft(rfft(sine) * k2, padded) - sine * irfft(rfft(cosine) * k2, padded)
    k2[0, 0, 0] = 1.0
    spectrum = rfft(lap) / k2
    spectrum[..., 0, 0, 0] = 0.0
    return crop_to(irfft(spectrum, padded), shape)
