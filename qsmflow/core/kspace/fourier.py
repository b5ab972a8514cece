"""Centred, unitary Fourier transforms between image and k-space."""

from __future__ import annotations

import torch

_AXES = (-3, -2, -1)


def to_kspace(images: torch.Tensor, axes: tuple[int, ...] = _AXES) -> torch.Tensor:
    """Unitary transform of `axes`; the centre of image and k-space is at ``n // 2``; complex64, (..., X, Y, Z)."""
    return torch.fft.fftshift(torch.fft.fftn(torch.fft.ifftshift(images, axes), dim=axes, norm="ortho"), axes)


def to_image(kspace: torch.Tensor, axes: tuple[int, ...] = _AXES) -> torch.Tensor:
    """Inverse, and adjoint, of `to_kspace`."""
    return torch.fft.fftshift(torch.fft.ifftn(torch.fft.ifftshift(kspace, axes), dim=axes, norm="ortho"), axes)
