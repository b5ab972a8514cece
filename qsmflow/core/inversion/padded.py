"""What the iterative inversions work on: field, weights, mask and kernel on one padded grid."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from ..box import ITERATED, Box
from ..dipole import dipole_kernel
from ..grid import crop_to, pad_to
from .weights import noise_weights


@dataclass(frozen=True)
class Padded:
    """The content of the box around a mask, with room for iterations.

    Attributes
    ----------
    box
        The box and its padded grid.
    kernel
        Half spectrum of the dipole on that grid.
    field
        ppm, zero outside the mask.
    weights
        `noise_weights`, zero outside the mask.
    mask
        1.0 inside, 0.0 outside.
    """

    box: Box
    kernel: torch.Tensor
    field: torch.Tensor
    weights: torch.Tensor
    mask: torch.Tensor

    @classmethod
    def of(
        cls,
        field: torch.Tensor,
        mask: torch.Tensor,
        voxel_size: Sequence[float],
        b0_dir: Sequence[float],
        magnitude: torch.Tensor | None = None,
    ) -> Padded:
        """From volumes, (X, Y, Z), of the whole image.

        Raises
        ------
        ValueError
            The mask is empty, or the magnitude is zero in half of it.
        """
        weights = noise_weights(magnitude, mask)
        box = Box.around(mask, ITERATED)

        def pad(volume: torch.Tensor) -> torch.Tensor:
            return pad_to(box.cut(volume), box.padded)

        kernel = dipole_kernel(box.padded, voxel_size, b0_dir, device=field.device)
        return cls(box, kernel, pad(torch.where(mask, field, 0.0)), pad(weights), pad(mask).float())

    def content(self, chi: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """A map on the padded grid as one of the shape of the whole image's `mask`, zero outside that."""
        return self.box.put(crop_to(chi * self.mask, self.box.size), mask.shape)
