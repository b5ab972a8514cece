"""Laplace's equation inside a mask of any shape, by multigrid."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from .solve import Progress, conjugate_gradients

#: An axis is halved on the way to a coarser grid where its voxels are no longer than this times the shortest side.
_EVEN = 1.5
#: The coarsest grid has fewer voxels than this; there the smoothing is the solution.
_COARSEST = 200
#: Chebyshev steps before and after each visit to the coarser grid, and the steps on the coarsest.
_STEPS, _COARSEST_STEPS = 2, 12
#: The smoother damps the part of the spectrum from here to its upper end, 2 diagonals.
_LOWEST, _LOWEST_ON_COARSEST = 0.3, 0.02


def solve_poisson(
    right: torch.Tensor,
    interior: torch.Tensor,
    voxel_size: Sequence[float],
    *,
    tolerance: float,
    max_iterations: int,
    progress: Progress | None = None,
) -> tuple[torch.Tensor, list[float]]:
    """Solve ``-Laplacian(u) = right`` where `interior`, with ``u = 0`` elsewhere.

    Conjugate gradients, preconditioned by one V-cycle of multigrid, so that a ragged mask costs an iteration or two
    more and no accuracy. The Laplacian is that of the six neighbours.

    Parameters
    ----------
    right
        (X, Y, Z), unit of u per mm^2; only what lies in `interior` counts.
    interior
        bool, (X, Y, Z).
    voxel_size
        In mm.
    tolerance
        Stops when the residual, in the norm of the preconditioner, has fallen to this share of its start.
    max_iterations
        Stops there at the latest.
    progress
        Called after each iteration.

    Returns
    -------
    u, residuals
        (X, Y, Z), and the relative residual after each iteration. Holds about 12 tensors of the shape of `right`.

    References
    ----------
    Tatebe, Copper Mountain Conference on Multigrid Methods 1993 (multigrid as preconditioner).
    """
    levels = _levels(interior, [float(d) for d in voxel_size])
    finest = levels[0]
    u, residuals = conjugate_gradients(
        finest.apply,
        finest.frame(right),
        iterations=max_iterations,
        tolerance=tolerance,
        precondition=lambda residual: _cycle(levels, residual),
        progress=progress,
    )
    return finest.content(u), residuals


def negative_laplacian(volume: torch.Tensor, voxel_size: Sequence[float]) -> torch.Tensor:
    """Sum over the six neighbours of the difference to them, per mm^2, (X, Y, Z); beyond the grid is zero."""
    everywhere = torch.ones_like(volume, dtype=torch.bool)
    level = _Level(everywhere, [float(d) for d in voxel_size])
    return level.content(level.apply(level.frame(volume)))


class _Level:
    """One grid: volumes on it are held in a frame of zeros, so that every voxel has its six neighbours."""

    def __init__(self, interior: torch.Tensor, size: Sequence[float]) -> None:
        self.size = tuple(size)
        self.shape = interior.shape
        self.where = torch.nn.functional.pad(interior, (1, 1, 1, 1, 1, 1)).float()
        self.inverse = [1.0 / d**2 for d in size]
        self.diagonal = 2.0 * sum(self.inverse)

        fine = _EVEN * min(size)
        #: The axes that the next coarser grid halves.
        self.halved = [axis for axis, d in enumerate(size) if d <= fine and self.shape[axis] > 2]

    def frame(self, volume: torch.Tensor) -> torch.Tensor:
        """`volume`, zero outside the interior, in its frame."""
        return torch.nn.functional.pad(volume, (1, 1, 1, 1, 1, 1)) * self.where

    def content(self, framed: torch.Tensor) -> torch.Tensor:
        """Without the frame, a view."""
        return framed[1:-1, 1:-1, 1:-1]

    def apply(self, u: torch.Tensor) -> torch.Tensor:
        """Negative Laplacian of `u` in the interior, zero elsewhere."""
        out = self.diagonal * u
        inner = self.content(out)
        for axis, weight in enumerate(self.inverse):
            for start in (0, 2):
                shifted = u
                for other, n in enumerate(self.shape):
                    shifted = shifted.narrow(other, start if other == axis else 1, n)
                inner.sub_(shifted, alpha=weight)
        return out.mul_(self.where)

    def smooth(self, u: torch.Tensor | None, right: torch.Tensor, steps: int, lowest: float) -> torch.Tensor:
        """Chebyshev steps towards ``apply(u) = right``, equal on all of the spectrum above `lowest` diagonals."""
        centre, reach = (2.0 + lowest) / 2.0, (2.0 - lowest) / 2.0
        residual = right if u is None else right - self.apply(u)
        step = residual * (1.0 / (centre * self.diagonal))
        u = step.clone() if u is None else u + step
        ratio = reach / centre
        for _ in range(steps - 1):
            residual = right - self.apply(u)
            following = 1.0 / (2.0 * centre / reach - ratio)
            step = (following * ratio) * step + (2.0 * following / (reach * self.diagonal)) * residual
            u += step
            ratio = following
        return u


def _levels(interior: torch.Tensor, size: list[float]) -> list[_Level]:
    levels = [_Level(interior, size)]
    while interior.numel() > _COARSEST and len(levels[-1].halved) > 0:
        halved = levels[-1].halved
        for axis in halved:
            interior = _pad(interior, axis, 0, interior.shape[axis] % 2).unflatten(axis, (-1, 2)).all(axis + 1)
        size = [2.0 * d if axis in halved else d for axis, d in enumerate(size)]
        levels.append(_Level(interior, size))
    return levels


def _cycle(levels: Sequence[_Level], right: torch.Tensor) -> torch.Tensor:
    """A V-cycle from zero; symmetric, since it smooths as much after the coarser grid as before it."""
    level = levels[0]
    if len(levels) == 1:
        return level.smooth(None, right, _COARSEST_STEPS, _LOWEST_ON_COARSEST)
    u = level.smooth(None, right, _STEPS, _LOWEST)
    residual = right - level.apply(u)
    for axis in level.halved:
        residual = _restrict(residual, axis)
    correction = _cycle(levels[1:], residual * levels[1].where)
    for axis in level.halved:
        correction = _interpolate(correction, axis, level.shape[axis])
    return level.smooth(u + correction * level.where, right, _STEPS, _LOWEST)


def _restrict(framed: torch.Tensor, axis: int) -> torch.Tensor:
    """Halve an axis: weights 1, 3, 3, 1 over the two voxels that become one and their neighbours."""
    half = (framed.shape[axis] - 1) // 2
    framed = _pad(framed, axis, 0, 2 * half + 2 - framed.shape[axis])
    a, b, c, d = (framed.narrow(axis, i, 2 * half - 1).unfold(axis, 1, 2).squeeze(-1) for i in range(4))
    return _pad((3.0 * (b + c) + a + d) / 8.0, axis, 1, 1)


def _interpolate(framed: torch.Tensor, axis: int, size: int) -> torch.Tensor:
    """Transpose of `_restrict`, times two, which is linear interpolation; to `size` voxels."""
    n = framed.shape[axis] - 2
    before, here, after = (framed.narrow(axis, i, n) for i in range(3))
    fine = torch.stack([0.75 * here + 0.25 * before, 0.75 * here + 0.25 * after], dim=axis + 1).flatten(axis, axis + 1)
    return _pad(fine.narrow(axis, 0, size), axis, 1, 1)


def _pad(volume: torch.Tensor, axis: int, before: int, after: int) -> torch.Tensor:
    padding = [0] * 6
    padding[4 - 2 * axis], padding[5 - 2 * axis] = before, after
    return torch.nn.functional.pad(volume, padding)
