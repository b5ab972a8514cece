"""What a scanner with several coils measures of an image, and the image from what it measured (SENSE)."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from ..solve import Progress, conjugate_gradients
from .fourier import to_image, to_kspace
from .sampling import acquired


@dataclass(frozen=True)
class Encoding:
    """Sensitivities, Fourier transform and sampling.

    Attributes
    ----------
    maps
        complex64, (M, C, X, Y, Z); several map sets have an image each.
    sampled
        bool, (X, Y, Z).
    """

    maps: torch.Tensor
    sampled: torch.Tensor

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """The samples of (M, X, Y, Z), (C, X, Y, Z), zero where not acquired."""
        return to_kspace((self.maps * images.unsqueeze(1)).sum(0)) * self.sampled

    def adjoint(self, kspace: torch.Tensor) -> torch.Tensor:
        """Adjoint of `forward`."""
        return (self.maps.conj() * to_image(kspace * self.sampled)).sum(1)

    def normal(self, images: torch.Tensor) -> torch.Tensor:
        """`adjoint` of `forward`, coil by coil, so that one coil is held at a time."""
        found = torch.zeros_like(images)
        for maps in self.maps.unbind(1):
            found += maps.conj() * to_image(to_kspace((maps * images).sum(0)) * self.sampled)
        return found


def sense(
    kspace: torch.Tensor,
    maps: torch.Tensor,
    *,
    weight: float = 0.01,
    iterations: int = 30,
    tolerance: float = 1e-3,
    progress: Progress | None = None,
) -> torch.Tensor:
    """Image from undersampled k-space and sensitivities by least squares: ``min |E m - k|^2 + weight |m|^2``.

    Parameters
    ----------
    kspace
        complex64, (C, X, Y, Z), zero where not acquired.
    maps
        complex64, (M, C, X, Y, Z), of `espirit`.
    weight
        Tikhonov regularisation, for maps of unit norm.
    iterations, tolerance
        Conjugate gradients stop after so many, or at this relative residual.
    progress
        Called after each iteration.

    Returns
    -------
    torch.Tensor
        complex64, (M, X, Y, Z). Peak memory: 8 images of each map set and one volume of all coils.

    References
    ----------
    Pruessmann et al., Magn Reson Med 2001.
    """
    encoding = Encoding(maps, acquired(kspace))
    images, _ = conjugate_gradients(
        lambda m: encoding.normal(m) + weight * m,
        encoding.adjoint(kspace),
        iterations=iterations,
        tolerance=tolerance,
        progress=progress,
    )
    return images
