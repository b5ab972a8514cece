"""Separable filters of a few voxels: local means and Laplacian of Gaussian, for the metrics."""

from __future__ import annotations

import torch


def gaussian(size: int, sigma: float) -> torch.Tensor:
    """Taps of a Gaussian, cut off and of sum 1.

    Parameters
    ----------
    size
        Taps, odd.
    sigma
        Standard deviation, voxels.

    Returns
    -------
    torch.Tensor
        float64, (size,).
    """
    offsets = torch.arange(size, dtype=torch.float64) - size // 2
    taps = torch.exp(-offsets.square() / (2 * sigma**2))
    return taps / taps.sum()


def separable(values: torch.Tensor, x_taps: torch.Tensor, y_taps: torch.Tensor, z_taps: torch.Tensor) -> torch.Tensor:
    """Filter each spatial axis with its own taps; the outside of the grid is zero and the size is kept.

    Shifted sums instead of a call to a convolution, which unfolds as many copies of a float64 volume as there are
    taps; three copies are held here.

    Parameters
    ----------
    values
        (..., X, Y, Z).
    x_taps, y_taps, z_taps
        (n,) each, n odd, symmetric about the middle.

    Returns
    -------
    torch.Tensor
        (..., X, Y, Z), dtype of `values`.
    """
    for dim, taps in ((-3, x_taps), (-2, y_taps), (-1, z_taps)):
        n, half = values.shape[dim], len(taps) // 2
        out = torch.zeros_like(values)
        for tap, shift in zip(taps.tolist(), range(-half, half + 1), strict=True):
            length = n - abs(shift)
            if length > 0:
                source = values.narrow(dim, max(shift, 0), length)
                out.narrow(dim, max(-shift, 0), length).add_(source, alpha=tap)
        values = out
    return values


def laplacian_of_gaussian(values: torch.Tensor, size: int, sigma: float) -> torch.Tensor:
    """Filter with ``(r^2 / sigma^4 - 3 / sigma^2) g(r)`` cut to a cube and made zero-mean, g the Gaussian of sum 1.

    Parameters
    ----------
    values
        (..., X, Y, Z).
    size
        Edge of the cube, voxels, odd.
    sigma
        Standard deviation, voxels.

    Returns
    -------
    torch.Tensor
        (..., X, Y, Z), dtype of `values`, per square voxel.
    """
    g = gaussian(size, sigma)
    offsets = torch.arange(size, dtype=torch.float64) - size // 2
    second = (offsets.square() / sigma**4 - 1 / sigma**2) * g
    box = torch.full((size,), 1 / size, dtype=torch.float64)
    out = separable(values, second, g, g)
    out += separable(values, g, second, g)
    out += separable(values, g, g, second)
    # g sums to one, so the cut kernel sums to three times the sum of `second`: spread evenly, that is taken off.
    return out.sub_(separable(values, box, box, box), alpha=float(3 * second.sum()))
