"""Grids: FFT-friendly sizes, padding, frequency coordinates."""

from __future__ import annotations

from collections.abc import Sequence

import torch

Size = tuple[int, int, int]


def fast_size(n: int) -> int:
    """Smallest even number of at least `n` with no prime factor above 5, for which the FFT is fast."""
    size = max(2, n + n % 2)
    while True:
        rest = size
        for prime in (2, 3, 5):
            while rest % prime == 0:
                rest //= prime
        if rest == 1:
            return size
        size += 2


def fast_shape(shape: Sequence[int]) -> Size:
    """`fast_size` of each of the three axes."""
    x, y, z = (fast_size(int(n)) for n in shape)
    return x, y, z


def as_size(shape: Sequence[int]) -> Size:
    """The last three entries of `shape`: the spatial axes X, Y, Z."""
    x, y, z = (int(n) for n in tuple(shape)[-3:])
    return x, y, z


def pad_to(volume: torch.Tensor, shape: Size) -> torch.Tensor:
    """Zero-pad the last three axes of `volume` at their far ends to `shape`."""
    nx, ny, nz = as_size(volume.shape)
    px, py, pz = (big - small for big, small in zip(shape, (nx, ny, nz), strict=True))
    return torch.nn.functional.pad(volume, (0, pz, 0, py, 0, px))


def crop_to(volume: torch.Tensor, shape: Size) -> torch.Tensor:
    """Undo `pad_to`: the first `shape` voxels of the last three axes."""
    return volume[..., : shape[0], : shape[1], : shape[2]]


def frequencies(
    shape: Size, voxel_size: Sequence[float], device: torch.device | str = "cpu"
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Frequencies of the half spectrum that `torch.fft.rfftn` returns for a real volume.

    Parameters
    ----------
    shape
        Voxels of the real volume, (X, Y, Z).
    voxel_size
        In mm.

    Returns
    -------
    kx, ky, kz
        cycles/mm, shaped (X, 1, 1), (1, Y, 1), (1, 1, Z // 2 + 1) so that they broadcast.
    """
    nx, ny, nz = shape
    dx, dy, dz = (float(d) for d in voxel_size)
    kx = torch.fft.fftfreq(nx, dx, device=device).reshape(-1, 1, 1)
    ky = torch.fft.fftfreq(ny, dy, device=device).reshape(1, -1, 1)
    kz = torch.fft.rfftfreq(nz, dz, device=device).reshape(1, 1, -1)
    return kx, ky, kz


def rfft(volume: torch.Tensor) -> torch.Tensor:
    """Real FFT over the last three axes."""
    return torch.fft.rfftn(volume, dim=(-3, -2, -1))


def irfft(spectrum: torch.Tensor, shape: Size) -> torch.Tensor:
    """Inverse of `rfft` for a volume of `shape`."""
    return torch.fft.irfftn(spectrum, s=shape, dim=(-3, -2, -1))


def energy(spectrum: torch.Tensor, shape: Size) -> float:
    """Sum of the squares of the real volume of `shape` whose `rfft` is `spectrum` (Parseval)."""
    power = spectrum.real.square() + spectrum.imag.square()
    # The half that rfft leaves out mirrors all planes but the first and, for an even size, the last.
    once = power[..., 0].sum(dtype=torch.float64)
    if shape[2] % 2 == 0:
        once = once + power[..., -1].sum(dtype=torch.float64)
    voxels = shape[0] * shape[1] * shape[2]
    return float(2.0 * power.sum(dtype=torch.float64) - once) / voxels
