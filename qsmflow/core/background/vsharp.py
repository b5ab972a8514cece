"""Background removal by V-SHARP."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch

from ..grid import Size, as_size, crop_to, fast_shape, irfft, pad_to, rfft
from ..mask.morphology import depth


def vsharp(
    field: torch.Tensor,
    mask: torch.Tensor,
    voxel_size: Sequence[float],
    *,
    max_radius: float = 12.0,
    min_radius: float = 1.0,
    threshold: float = 0.05,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Local field by the spherical mean value property with the largest sphere that fits at each voxel.

    A field from sources outside a sphere equals its mean over it, so `field` minus its spherical mean keeps inner
    sources only. Each voxel takes the largest radius whose sphere stays in the mask; the result is deconvolved with
    the kernel of the largest radius.

    Parameters
    ----------
    field
        Total field, ppm, (X, Y, Z).
    mask
        bool, (X, Y, Z).
    voxel_size
        mm.
    max_radius, min_radius
        Largest and smallest sphere, mm, neither below the shortest side of a voxel, since a smaller sphere holds
        nothing but its centre; one radius a voxel length in between. The mask loses a rim of `min_radius`.
    threshold
        Deconvolution drops spatial frequencies whose kernel is below this.

    Returns
    -------
    local, eroded
        Local field, ppm, zero outside `eroded`; and where it is valid, bool. Peak memory is
        below 20 volumes, most of it the distance transform.

    Raises
    ------
    ValueError
        The mask is empty, or nothing of it is deeper than `min_radius`.

    References
    ----------
    Schweser et al., NeuroImage 2011 (SHARP); Wu et al., Magn Reson Med 2012 (varying radius).
    """
    if not bool(mask.any()):
        raise ValueError("the mask is empty")
    if max_radius < min_radius:
        raise ValueError(f"max_radius {max_radius} is below min_radius {min_radius}")
    inside = depth(mask, voxel_size)
    side = min(float(d) for d in voxel_size)
    min_radius, max_radius = max(min_radius, side), max(max_radius, side)
    step = max(side, 1.0)
    radii = [max_radius - i * step for i in range(math.ceil((max_radius - min_radius) / step - 1e-6))] + [min_radius]
    radii = [radius for radius in radii if bool((inside >= radius).any())]
    if not radii:
        raise ValueError(
            f"no voxel of the mask is deeper than min_radius = {min_radius} mm: nothing is left after erosion"
        )
    shape = as_size(field.shape)
    padded = fast_shape([n + math.ceil(radii[0] / float(d)) for n, d in zip(shape, voxel_size, strict=True)])
    spectrum = rfft(pad_to(torch.where(mask, field, torch.zeros_like(field)), padded))
    local = torch.zeros_like(field)
    largest = None
    done = torch.zeros_like(mask)
    for radius in radii:
        sphere = sphere_spectrum(padded, radius, voxel_size, field.device)
        largest = sphere if largest is None else largest
        mean = crop_to(irfft(spectrum * sphere, padded), shape)
        shell = (inside >= radius) & ~done
        local = torch.where(shell, field - mean, local)
        done |= shell
    assert largest is not None
    high_pass = 1.0 - largest
    inverse = torch.where(high_pass.abs() > threshold, 1.0 / high_pass, torch.zeros_like(high_pass))
    deconvolved = crop_to(irfft(rfft(pad_to(local, padded)) * inverse, padded), shape)
    return torch.where(done, deconvolved, torch.zeros_like(deconvolved)), done


def sphere_spectrum(
    shape: Size, radius: float, voxel_size: Sequence[float], device: torch.device | str = "cpu"
) -> torch.Tensor:
    """Half spectrum (real) of the mean over a sphere, voxels at its surface weighted by how much of them is inside.

    Only the few lines that hold the sphere are transformed axis by axis, a fraction of a full transform.
    """
    size = [float(d) for d in voxel_size]
    reach = [int(radius / d + 0.5) for d in size]
    axes = [torch.arange(-n, n + 1, dtype=torch.float32, device=device) * d for n, d in zip(reach, size, strict=True)]
    x, y, z = (axis.reshape([-1 if i == a else 1 for i in range(3)]) for a, axis in enumerate(axes))
    distance = (x**2 + y**2 + z**2).sqrt()
    ball = ((radius - distance) / min(size) + 0.5).clamp(0.0, 1.0)
    ball = ball / ball.sum()
    spectrum = torch.fft.rfft(ball, n=shape[2], dim=2)
    for axis in (1, 0):
        spectrum = torch.fft.fft(spectrum, n=shape[axis], dim=axis)
    for axis, n in enumerate(reach):
        k = torch.fft.fftfreq(shape[axis], device=device) if axis < 2 else torch.fft.rfftfreq(shape[2], device=device)
        shift = torch.polar(torch.ones_like(k), 2.0 * torch.pi * n * k)
        spectrum *= shift.reshape([-1 if i == axis else 1 for i in range(3)])
    return spectrum.real.contiguous()
