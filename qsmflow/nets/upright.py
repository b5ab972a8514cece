"""Volumes with their axes near right, front and up, however they are stored: nothing is interpolated."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from nibabel.orientations import io_orientation

Vector = tuple[float, float, float]


@dataclass(frozen=True)
class Upright:
    """The order and the flips that lay the axes of a volume nearest to right, front and up.

    Attributes
    ----------
    order
        For each axis of the upright volume, that of the stored one.
    flipped
        Axes of the upright volume that run against the stored ones.
    """

    order: tuple[int, ...]
    flipped: tuple[int, ...]

    @classmethod
    def of(cls, affine: np.ndarray) -> Upright:
        """From an affine, (4, 4), voxel to RAS mm."""
        stored = io_orientation(affine)
        order = tuple(int(axis) for axis in np.argsort(stored[:, 0]))
        return cls(order, tuple(axis for axis in range(3) if stored[order[axis], 1] < 0))

    def turn(self, volume: torch.Tensor) -> torch.Tensor:
        """A stored volume, (X, Y, Z), upright."""
        return volume.permute(self.order).flip(self.flipped)

    def back(self, volume: torch.Tensor) -> torch.Tensor:
        """Undo `turn`."""
        return volume.flip(self.flipped).permute([self.order.index(axis) for axis in range(3)])

    def sizes(self, sizes: Vector) -> Vector:
        """Lengths along the stored axes along the upright ones."""
        x, y, z = (sizes[axis] for axis in self.order)
        return x, y, z

    def direction(self, b0_dir: Vector) -> Vector:
        """A direction in the stored axes in the upright ones."""
        turned = self.sizes(b0_dir)
        x, y, z = (-b if axis in self.flipped else b for axis, b in enumerate(turned))
        return x, y, z
