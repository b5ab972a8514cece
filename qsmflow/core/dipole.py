"""The dipole kernel and the field that a susceptibility distribution makes."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch

from .grid import Size, as_size, crop_to, fast_shape, frequencies, irfft, pad_to, rfft


def dipole_kernel(
    shape: Sequence[int],
    voxel_size: Sequence[float],
    b0_dir: Sequence[float] = (0.0, 0.0, 1.0),
    *,
    truncation_radius: float | None = None,
    device: torch.device | str = "cpu",
) -> torch.Tensor:
    """Unit dipole response in k-space, ``D(k) = 1/3 - (k.b)^2 / |k|^2``, on the half spectrum of a real FFT.

    Parameters
    ----------
    shape
        Voxels of the real volume, (X, Y, Z).
    voxel_size
        In mm.
    b0_dir
        Direction of B0 in voxel axes; any length but zero.
    truncation_radius
        In mm. When given, the kernel of the dipole cut off beyond that distance,
        ``D(k) (1 - 3 j1(q)/q)`` with ``q = 2 pi |k| R``: its field needs no periodic images, so a grid padded
        by R is free of aliasing. None: the full dipole, periodic over the grid.

    Returns
    -------
    torch.Tensor
        float32, (X, Y, Z // 2 + 1); zero at k = 0. Where B0 is oblique to the grid, the products of two components of k
        are tapered towards the Nyquist frequency.

    Raises
    ------
    ValueError
        `b0_dir` is zero.

    References
    ----------
    Salomir et al., Concepts Magn Reson B 2003 (kernel); Vico et al., J Comput Phys 2016 (truncated kernels).
    """
    direction = torch.as_tensor(b0_dir, dtype=torch.float64)
    if not float(direction.norm()) > 0:
        raise ValueError(f"b0_dir must be a direction, got {tuple(b0_dir)}")
    bx, by, bz = (direction / direction.norm()).tolist()
    kx, ky, kz = frequencies(as_size(shape), voxel_size, device)
    k2 = kx**2 + (ky**2 + kz**2)
    k2[0, 0, 0] = 1.0
    ox, oy, oz = (_odd(k, float(d)) for k, d in zip((kx, ky, kz), voxel_size, strict=True))
    # planes first, so that no more than two volumes are held
    along = 2.0 * ox * bx * (oy * by + oz * bz)
    along += (ky * by) ** 2 + (kz * bz) ** 2 + 2.0 * oy * oz * (by * bz)
    along += (kx * bx) ** 2
    kernel = along.div_(k2).neg_().add_(1.0 / 3.0)
    if truncation_radius is not None:
        q = 2.0 * torch.pi * truncation_radius * k2.sqrt()
        # 3 j1(q) / q, the transform of the ball; q is bounded below by the grid, so no series is needed at 0
        kernel *= 1.0 - 3.0 * (torch.sin(q) - q * torch.cos(q)) / q**3
    kernel[0, 0, 0] = 0.0
    return kernel


def kernel_variance(
    kernel: torch.Tensor, shape: Sequence[int], voxel_size: Sequence[float], size: Sequence[int]
) -> torch.Tensor:
    """How much the dipole varies within what a finite field of view can tell apart in k-space.

    A field known in a box does not tell frequencies apart that differ by less than about w, half the inverse of the
    length of the box. Near the origin the dipole passes through zero within that, and a division by its value at one
    point would depend on which points a padded grid happens to have. To first order its variance over w is
    ``|grad D|^2 w^2 / 12``, and ``|grad D|^2 = 4 (1/3 - D) (2/3 + D) / |k|^2``.

    Parameters
    ----------
    kernel
        Of `dipole_kernel` for `shape` and `voxel_size`.
    size
        Voxels of the box that holds the field; its length is the geometric mean of those along the axes.

    Returns
    -------
    torch.Tensor
        float32, the shape of `kernel`; at k = 0 it has no meaning.
    """
    length = math.prod(n * float(d) for n, d in zip(size, voxel_size, strict=True)) ** (1 / 3)
    kx, ky, kz = frequencies(as_size(shape), voxel_size, kernel.device)
    k2 = kx**2 + (ky**2 + kz**2)
    k2[0, 0, 0] = 1.0
    return (1.0 / 3.0 - kernel).mul_(2.0 / 3.0 + kernel).div_(k2).mul_(1.0 / (12.0 * length**2)).clamp_min_(0.0)


def _odd(k: torch.Tensor, spacing: float) -> torch.Tensor:
    """Frequencies of one axis, as they enter the terms that are odd in them: brought to zero towards Nyquist's.

    There +k and -k are one sample, and what is odd in k would jump from one sign to the other: voxels of alternating
    sign along the axis, which fade only as 1/r. With ``1 - (k / k_N)^4`` the field of a voxelised sphere in oblique B0
    is as near to the formula as in straight B0, 20 to 60 times nearer than with the jump; powers from 3 to 5 serve
    alike.
    """
    return k * (1.0 - (2.0 * spacing * k) ** 4)


def forward_field(
    chi: torch.Tensor,
    voxel_size: Sequence[float],
    b0_dir: Sequence[float] = (0.0, 0.0, 1.0),
    *,
    periodic: bool = False,
) -> torch.Tensor:
    """Field shift that a susceptibility distribution makes, Lorentz-corrected, relative to B0.

    Parameters
    ----------
    chi
        ppm, (..., X, Y, Z); zero beyond the grid.
    voxel_size
        In mm.
    b0_dir
        Direction of B0 in voxel axes.
    periodic
        True: circular convolution, the model that k-space inversions invert. False: the field in free space,
        computed with a dipole cut off at the diagonal of the grid, hence without aliasing.

    Returns
    -------
    torch.Tensor
        ppm, the shape of `chi`. Peak memory is about 3 padded volumes; the free-space transform pads each axis
        to twice its length.
    """
    shape = as_size(chi.shape)
    if periodic:
        return irfft(rfft(chi) * dipole_kernel(shape, voxel_size, b0_dir, device=chi.device), shape)
    kernel, padded = free_space_kernel(shape, voxel_size, b0_dir, chi.device)
    return crop_to(irfft(rfft(pad_to(chi, padded)) * kernel, padded), shape)


def free_space_kernel(
    shape: Sequence[int],
    voxel_size: Sequence[float],
    b0_dir: Sequence[float] = (0.0, 0.0, 1.0),
    device: torch.device | str = "cpu",
) -> tuple[torch.Tensor, Size]:
    """Dipole whose field of sources within `shape` is exact within `shape`, without periodic images.

    The dipole is cut off at the diagonal of `shape` and sampled on a grid that holds its whole ball, taken to image
    space, and the offsets that occur inside `shape` are kept; beyond them nothing is needed.

    Parameters
    ----------
    shape
        Voxels of sources and field, (X, Y, Z).
    voxel_size, b0_dir
        mm; direction in voxel axes.

    Returns
    -------
    kernel
        Half spectrum, complex, on the padded grid.
    padded
        That grid: at least twice `shape`; sources stand in its first corner.
    """
    size = as_size(shape)
    padded = fast_shape([2 * n for n in size])
    extent = [n * float(d) for n, d in zip(size, voxel_size, strict=True)]
    radius = sum(e * e for e in extent) ** 0.5
    ball = fast_shape([n + int(radius / float(d)) + 2 for n, d in zip(size, voxel_size, strict=True)])
    spectrum = dipole_kernel(ball, voxel_size, b0_dir, truncation_radius=radius, device=device)
    response = irfft(spectrum.to(torch.complex64), ball)
    for axis, (wanted, big) in enumerate(zip(padded, ball, strict=True)):
        half = min(wanted, big) // 2
        front, back = response.narrow(axis, 0, half), response.narrow(axis, big - half, half)
        filler = list(response.shape)
        filler[axis] = wanted - 2 * half
        response = torch.cat([front, response.new_zeros(filler), back], dim=axis)
    return rfft(response), padded
