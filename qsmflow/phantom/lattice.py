"""Functions of space: values on a lattice, interpolated between its nodes, and smooth random ones."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from qsmflow.core.grid import Size, fast_shape, frequencies, irfft, rfft
from qsmflow.phantom.shapes import Coordinates


@dataclass(frozen=True)
class Lattice:
    """Several functions of space, known at the nodes of a regular lattice.

    Attributes
    ----------
    origin
        Coordinates of the first node, mm.
    spacing
        Distance of the nodes, mm.
    values
        float32, (C, X, Y, Z).
    """

    origin: tuple[float, float, float]
    spacing: float
    values: torch.Tensor

    def at(self, points: torch.Tensor) -> torch.Tensor:
        """Trilinear values at `points` (N, 3) in mm, as (C, N); beyond the lattice those of its border."""
        size = self.values.new_tensor(self.values.shape[1:])
        node = (points - self.values.new_tensor(self.origin)) / self.spacing
        grid = (2.0 * node / (size - 1.0) - 1.0).flip(-1)  # grid_sample wants the last axis first
        found = torch.nn.functional.grid_sample(
            self.values[None], grid[None, None, None], mode="bilinear", padding_mode="border", align_corners=True
        )
        return found[0, :, 0, 0]

    def holds(self, points: torch.Tensor) -> torch.Tensor:
        """Which of `points` (N, 3) lie on the lattice."""
        low = self.values.new_tensor(self.origin)
        high = low + self.spacing * (self.values.new_tensor(self.values.shape[1:]) - 1.0)
        return ((points >= low) & (points <= high)).all(-1)


def lattice_shape(low: Sequence[float], high: Sequence[float], spacing: float) -> Size:
    """Nodes an axis so that the lattice from `low` reaches `high`, mm."""
    x, y, z = (int(-(-(h - l) // spacing)) + 1 for l, h in zip(low, high, strict=True))
    return x, y, z


def lattice_axes(low: Sequence[float], shape: Size, spacing: float, device: torch.device | str = "cpu") -> Coordinates:
    """Coordinates of the nodes in mm, shaped (X, 1, 1), (1, Y, 1), (1, 1, Z)."""
    x, y, z = (torch.arange(n, device=device) * spacing + float(l) for n, l in zip(shape, low, strict=True))
    return x.reshape(-1, 1, 1), y.reshape(1, -1, 1), z.reshape(1, 1, -1)


def smooth_noise(
    shape: Size, spacing: float, wavelength: float, generator: torch.Generator, *, band: float | None = None
) -> torch.Tensor:
    """Gaussian random function of mean 0 and SD 1 on a lattice, periodic only beyond it.

    Parameters
    ----------
    shape, spacing
        Of the lattice; mm.
    wavelength
        mm. Without `band` the shortest wavelength of note: the spectrum falls as ``exp(-(k wavelength)^2 / 2)``.
    generator
        On the CPU, so that every device draws the same.
    band
        When given, only wavelengths near `wavelength` are kept: relative width of the ring of frequencies.

    Returns
    -------
    torch.Tensor
        float32, `shape`, on the CPU.
    """
    margin = int(2 * wavelength / spacing)
    big = fast_shape([n + margin for n in shape])
    white = torch.randn(big, generator=generator)
    kx, ky, kz = frequencies(big, (spacing,) * 3)
    k = (kx**2 + ky**2 + kz**2).sqrt() * wavelength
    gain = torch.exp(-0.5 * k**2) if band is None else torch.exp(-0.5 * ((k - 1.0) / band) ** 2)
    gain[0, 0, 0] = 0.0
    noise = irfft(rfft(white) * gain, big)[: shape[0], : shape[1], : shape[2]]
    return ((noise - noise.mean()) / noise.std()).contiguous()
