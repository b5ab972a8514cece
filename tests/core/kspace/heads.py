"""A head of an ellipsoid seen by coils around it, for tests of the k-space stages."""

from __future__ import annotations

import math

import torch

from qsmflow.core.kspace.fourier import to_kspace


def coordinates(shape: tuple[int, int, int]) -> list[torch.Tensor]:
    axes = [torch.linspace(-1, 1, n) if n > 1 else torch.zeros(1) for n in shape]
    return list(torch.meshgrid(*axes, indexing="ij"))


def head(shape: tuple[int, int, int]) -> torch.Tensor:
    """A complex object with some texture, inside the field of view."""
    x, y, z = coordinates(shape)
    inside = (x / 0.7) ** 2 + (y / 0.75) ** 2 + (z / 0.7) ** 2 < 1
    return torch.polar(inside * (1 + 0.3 * torch.sin(9 * x * y + 4 * z) + 0.2 * torch.cos(11 * x)), 2 * x * y + z)


def sensitivities(shape: tuple[int, int, int], coils: int) -> torch.Tensor:
    """Smooth maps, (C, X, Y, Z), of coils on a ring, the rings tilted so that no two axes are alike."""
    x, y, z = coordinates(shape)
    maps = []
    for coil in range(coils):
        a = 2 * math.pi * coil / coils
        px, py, pz = 1.4 * math.cos(a), 1.4 * math.sin(a), 0.8 * math.cos(2 * a)
        distance = (x - px) ** 2 + (y - py) ** 2 + (z - pz) ** 2
        maps.append(torch.polar(1 / (0.4 + distance), 1.2 * (x * py - y * px) + 0.5 * z * pz + a))
    return torch.stack(maps)


def coil_images(shape: tuple[int, int, int], coils: int) -> torch.Tensor:
    return sensitivities(shape, coils) * head(shape)


def noisy_kspace(shape: tuple[int, int, int], coils: int, share: float = 1e-3, seed: int = 0) -> torch.Tensor:
    """k-space with noise of `share` of its largest image value."""
    images = coil_images(shape, coils)
    noise = torch.view_as_complex(torch.randn((*images.shape, 2), generator=torch.Generator().manual_seed(seed)))
    return to_kspace(images + share * images.abs().max() * noise)
