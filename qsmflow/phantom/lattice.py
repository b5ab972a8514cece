"""Functions of space: values on a lattice, interpolated between its nodes, and smooth random ones."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from qsmflow.core.grid import Size, as_size, fast_shape, frequencies, irfft, rfft
from qsmflow.phantom.shapes import Coordinates

#: Points that are interpolated together, so that the work stays in the cache.
_CHUNK = 1 << 17


@dataclass(frozen=True)
class Lattice:
    """Several functions of space, known at the nodes of a regular lattice; make one with `Lattice.of`.

    Attributes
    ----------
    origin
        Coordinates of the first node, mm.
    spacing
        Distance of the nodes, mm.
    shape
        Nodes along each axis.
    rows
        float32, (X Y Z, C): the values of all functions at one node lie side by side.
    """

    origin: tuple[float, float, float]
    spacing: float
    shape: Size
    rows: torch.Tensor

    @classmethod
    def of(cls, origin: Sequence[float], spacing: float, values: torch.Tensor) -> Lattice:
        """From values (C, X, Y, Z)."""
        x, y, z = (float(edge) for edge in origin)
        rows = values.flatten(1).T.contiguous()
        return cls((x, y, z), spacing, as_size(values.shape), rows)

    def at(self, points: torch.Tensor) -> torch.Tensor:
        """Trilinear values at `points` (N, 3) in mm, as (N, C); beyond the lattice those of its border."""
        return torch.cat([self._interpolate(part) for part in points.split(_CHUNK)])

    def _interpolate(self, points: torch.Tensor) -> torch.Tensor:
        strides = (self.shape[1] * self.shape[2], self.shape[2], 1)
        base = torch.zeros(len(points), dtype=torch.int32, device=points.device)
        ends = []
        for coordinate, start, size, stride in zip(points.T, self.origin, self.shape, strides, strict=True):
            node = ((coordinate - start) / self.spacing).clamp(0.0, size - 1.0)
            lower = node.to(torch.int32).clamp_max(size - 2)
            base += stride * lower
            upper = node - lower
            ends.append((1.0 - upper, upper))
        corners = [(i, j, k) for i in (0, 1) for j in (0, 1) for k in (0, 1)]
        offsets = base.new_tensor([i * strides[0] + j * strides[1] + k for i, j, k in corners])
        pairs = {(i, j): ends[0][i] * ends[1][j] for i in (0, 1) for j in (0, 1)}
        weights = torch.stack([pairs[i, j] * ends[2][k] for i, j, k in corners], -1)
        # a weighted sum of eight rows each, which torch calls an embedding bag; far faster here than grid_sample
        return torch.nn.functional.embedding_bag(
            base[:, None] + offsets, self.rows, per_sample_weights=weights, mode="sum"
        )

    def on(self, points: torch.Tensor) -> torch.Tensor:
        """Values of the only channel at `points` (..., 3) in mm, as (...)."""
        return self.at(points.reshape(-1, 3)).reshape(points.shape[:-1])

    def over(self, at: Coordinates) -> torch.Tensor:
        """Values of the only channel at coordinates given one by one."""
        return self.on(torch.stack(torch.broadcast_tensors(*at), -1))

    def holds(self, points: torch.Tensor) -> torch.Tensor:
        """Which of `points` (N, 3) lie on the lattice."""
        low = points.new_tensor(self.origin)
        high = low + self.spacing * (points.new_tensor(self.shape) - 1.0)
        return ((points >= low) & (points <= high)).all(-1)


def lattice_shape(low: Sequence[float], high: Sequence[float], spacing: float) -> Size:
    """Nodes an axis so that the lattice from `low` reaches `high`, mm."""
    x, y, z = (int(-(-(b - a) // spacing)) + 1 for a, b in zip(low, high, strict=True))
    return x, y, z


def lattice_axes(low: Sequence[float], shape: Size, spacing: float, device: torch.device | str = "cpu") -> Coordinates:
    """Coordinates of the nodes in mm, shaped (X, 1, 1), (1, Y, 1), (1, 1, Z)."""
    x, y, z = (torch.arange(n, device=device) * spacing + float(a) for n, a in zip(shape, low, strict=True))
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


def random_function(
    low: Sequence[float],
    high: Sequence[float],
    wavelength: float,
    generator: torch.Generator,
    *,
    channels: int = 1,
    band: float | None = None,
    device: torch.device | str = "cpu",
) -> Lattice:
    """Random functions of SD 1 over a box, on a lattice fine enough for `wavelength`; see `smooth_noise`."""
    spacing = wavelength / (3.0 if band is None else 7.0)
    shape = lattice_shape(low, high, spacing)
    noise = torch.stack([smooth_noise(shape, spacing, wavelength, generator, band=band) for _ in range(channels)])
    return Lattice.of(low, spacing, noise.to(device))
