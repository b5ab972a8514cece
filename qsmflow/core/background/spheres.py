"""Spherical means on a grid, the common ground of the SHARP family."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch

from ..box import Box
from ..grid import Size
from ..mask.morphology import depth, neighboured


def sphere_spectrum(
    shape: Size, radius: float, voxel_size: Sequence[float], device: torch.device | str = "cpu"
) -> torch.Tensor:
    """Half spectrum (real) of the mean over a sphere, exact for every quadratic polynomial that solves Laplace.

    Voxels at the surface are weighted by how much of them is inside. Where voxels are longer along one axis the second
    moments of these weights differ, and second differences along the axes bring the smaller ones up to the largest.
    The weights are even along each axis, so one octant is transformed, by cosines: a fraction of an FFT.
    """
    size = [float(d) for d in voxel_size]
    # Second differences need one neighbour along each axis.
    steps = [torch.arange(max(1, int(radius / d + 0.5)) + 1, dtype=torch.float32, device=device) for d in size]
    x, y, z = torch.meshgrid(*[n * d for n, d in zip(steps, size, strict=True)], indexing="ij")
    octant = ((radius - (x**2 + y**2 + z**2).sqrt()) / min(size) + 0.5).clamp(0.0, 1.0)
    twice = [torch.where(n > 0, 2.0, 1.0) for n in steps]
    times = twice[0][:, None, None] * twice[1][:, None] * twice[2]
    octant /= (octant * times).sum()
    moments = [float((axis**2 * octant * times).sum()) for axis in (x, y, z)]
    for neighbour, moment, d in zip(((1, 0, 0), (0, 1, 0), (0, 0, 1)), moments, size, strict=True):
        lift = (max(moments) - moment) / d**2
        octant[neighbour] += 0.5 * lift
        octant[0, 0, 0] -= lift
    spectrum = octant
    for axis in (2, 1, 0):
        samples = shape[axis] // 2 + 1 if axis == 2 else shape[axis]
        k = torch.arange(samples, dtype=torch.float32, device=device) / shape[axis]
        waves = torch.cos(2.0 * torch.pi * torch.outer(k, steps[axis])) * twice[axis]
        # The transformed axis comes first, so after the last of the three they stand in their order again.
        spectrum = torch.tensordot(waves, spectrum, dims=([1], [2]))
    return spectrum


def sphere_room(mask: torch.Tensor, voxel_size: Sequence[float], most: float) -> torch.Tensor:
    """Radius of the largest sphere around each voxel of `mask`, (X, Y, Z), that stays in it, mm; zero outside.

    Where there is more than `most`, mm, it is only known that there is. It is zero too where a neighbour along an axis
    is outside, since every sphere reaches one voxel each way.
    """
    return torch.where(neighboured(mask), depth(mask, voxel_size, most), 0.0)


def sphere_centres(mask: torch.Tensor, radius: float, voxel_size: Sequence[float]) -> torch.Tensor:
    """The voxels of `mask`, bool, (X, Y, Z), around which a sphere of `radius` mm stays in it.

    Raises
    ------
    ValueError
        There is none, or the mask is empty.
    """
    if not bool(mask.any()):
        raise ValueError("the mask is empty")
    room = sphere_room(mask, voxel_size, radius)
    centres = (room >= radius) & (room > 0)
    if not bool(centres.any()):
        raise ValueError(f"no voxel of the mask is deeper than radius = {radius:g} mm; lower radius, or widen the mask")
    return centres


@dataclass(frozen=True)
class FixedSphere:
    """A sphere of one radius that moves through a mask: what differs from its mean, wherever it fits.

    Attributes
    ----------
    box
        Around the mask, with a grid that has room for the sphere.
    mask
        The content of the box in the mask, bool.
    centres
        The content of the box around which the sphere stays in the mask, bool.
    eroded
        `centres` on the whole volume, bool, (X, Y, Z).
    high_pass
        Half spectrum of the difference between a voxel and its spherical mean.
    """

    box: Box
    mask: torch.Tensor
    centres: torch.Tensor
    eroded: torch.Tensor
    high_pass: torch.Tensor

    @classmethod
    def within(cls, mask: torch.Tensor, radius: float, voxel_size: Sequence[float]) -> FixedSphere:
        """The sphere of `radius` mm, at least the shortest side of a voxel, in `mask`, bool, (X, Y, Z).

        Raises
        ------
        ValueError
            The mask is empty, or nothing of it is deeper than `radius`.
        """
        radius = max(radius, min(float(d) for d in voxel_size))
        eroded = sphere_centres(mask, radius, voxel_size)
        box = Box.around(mask, [math.ceil(radius / float(d)) for d in voxel_size])
        high_pass = 1.0 - sphere_spectrum(box.padded, radius, voxel_size, mask.device)
        return cls(box, box.cut(mask), box.cut(eroded), eroded, high_pass)

    def content(self, field: torch.Tensor) -> torch.Tensor:
        """What `field`, (X, Y, Z), has in the mask, on the box; zero outside the mask."""
        return torch.where(self.mask, self.box.cut(field), 0.0)

    def differences(self, content: torch.Tensor) -> torch.Tensor:
        """`content` of the box minus its spherical mean, at the centres; zero elsewhere."""
        return self.box.content(self.box.spectrum(content) * self.high_pass) * self.centres

    def adjoint(self, found: torch.Tensor) -> torch.Tensor:
        """The adjoint of `differences` in the mask, for `found` that is zero but at the centres."""
        return self.box.content(self.box.spectrum(found) * self.high_pass) * self.mask
