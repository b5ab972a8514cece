"""One volume of training material, whatever it was made from."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

import torch

from qsmflow.nets.channels import Scan

from .draws import Draws

Vector = tuple[float, float, float]


@dataclass(frozen=True)
class Scene:
    """What a network is shown, and what it should have found; volumes are (X, Y, Z).

    Attributes
    ----------
    field
        Local field with noise and what background removal left, ppm, zero outside the mask.
    mask
        bool: where the local field is valid.
    noise
        Standard deviation of the field's noise, ppm.
    magnitude
        Relative to its median in the mask; 1 in the mask where there is none.
    clean
        The field before noise and remains of the background were added, ppm, zero outside the mask.
    chi
        Susceptibility, ppm, zero outside the mask.
    voxel_size, b0_dir
        mm; direction in voxel axes.
    """

    field: torch.Tensor
    mask: torch.Tensor
    noise: torch.Tensor
    magnitude: torch.Tensor
    clean: torch.Tensor
    chi: torch.Tensor
    voxel_size: Vector
    b0_dir: Vector

    @property
    def scan(self) -> Scan:
        """What a network may know of it."""
        return Scan(self.field, self.mask, self.voxel_size, self.b0_dir, self.noise)

    def with_noise(self, sd: float, draw: Draws) -> Scene:
        """The same with Gaussian noise of `sd` ppm on top."""
        more = sd * draw.normal(tuple(self.field.shape), self.field.device)
        field = torch.where(self.mask, self.field + more, 0.0)
        noise = torch.where(self.mask, (self.noise**2 + sd**2).sqrt(), 0.0)
        return dataclasses.replace(self, field=field, noise=noise)

    def to(self, where: torch.device | torch.dtype) -> Scene:
        """The same on a device, or in another precision, which the mask is not."""
        volumes = ["field", "noise", "magnitude", "clean", "chi"]
        if isinstance(where, torch.device):
            volumes.append("mask")
        return dataclasses.replace(self, **{name: getattr(self, name).to(where) for name in volumes})
