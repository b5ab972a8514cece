"""Conjugate gradients, the solver of every linear least-squares step."""

from __future__ import annotations

from collections.abc import Callable

import torch

Operator = Callable[[torch.Tensor], torch.Tensor]
#: Told of each iteration: its number from 1, and the relative residual or change by which the method stops.
Progress = Callable[[int, float], None]
#: Told by a method with a weighted penalty, at its end: the norm of the misfit and the penalty, without its weight.
Norms = Callable[[float, float], None]


def conjugate_gradients(
    normal: Operator,
    right: torch.Tensor,
    *,
    iterations: int,
    tolerance: float = 0.0,
    precondition: Operator | None = None,
    start: torch.Tensor | None = None,
    progress: Progress | None = None,
) -> tuple[torch.Tensor, list[float]]:
    """Solve ``normal(x) = right`` for a symmetric, positive semi-definite `normal`.

    Parameters
    ----------
    normal
        The operator; takes and returns tensors of the shape of `right`, real or complex.
    right
        Any shape.
    iterations
        Stops there at the latest.
    tolerance
        Stops when the residual, in the norm of the preconditioner, has fallen to this share of that of ``x = 0``.
    precondition
        Symmetric, positive definite, close to the inverse of `normal`; None: none.
    start
        First guess; None: zero. Stopping early keeps what the iterations have not reached at this guess.
    progress
        Called after each iteration.

    Returns
    -------
    x, residuals
        The solution, and the relative residual after each iteration. Holds 4 tensors of the shape of `right`.

    References
    ----------
    Hestenes and Stiefel, J Res Natl Bur Stand 1952.
    """
    condition = (lambda residual: residual) if precondition is None else precondition
    conditioned = condition(right)
    scale = energy = _inner(right, conditioned)
    if start is None:
        x, residual = torch.zeros_like(right), right.clone()
    else:
        x, residual = start.clone(), right - normal(start)
        conditioned = condition(residual)
        energy = _inner(residual, conditioned)
    direction = conditioned.clone()
    residuals: list[float] = []
    while len(residuals) < iterations and energy > scale * tolerance**2:
        image = normal(direction)
        curvature = _inner(direction, image)
        if not curvature > 0.0:
            break
        step = energy / curvature
        x += step * direction
        residual -= step * image
        conditioned = condition(residual)
        energy, previous = _inner(residual, conditioned), energy
        direction = conditioned + (energy / previous) * direction
        residuals.append((max(energy, 0.0) / scale) ** 0.5)
        if progress is not None:
            progress(len(residuals), residuals[-1])
    return x, residuals


def _inner(a: torch.Tensor, b: torch.Tensor) -> float:
    return float(torch.vdot(a.flatten(), b.flatten()).real)
