"""Susceptibility from several orientations of one head (COSMOS)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from ..box import ITERATED, Box
from ..dipole import dipole_kernel, forward_field
from ..mask.morphology import distance_to
from ..solve import Progress, conjugate_gradients

#: Root mean square of the dipole kernels over the orientations below which they tell little of a direction of k-space.
_FLOOR = 0.1
#: `Condition.smallest` below which COSMOS streaks.
POOR = 0.05


@dataclass(frozen=True)
class Condition:
    """How well a set of B0 directions determines the susceptibility.

    `smallest` is the least of ``sqrt(sum_i D_i^2 / N)`` over the directions of k-space, which for one orientation is
    0 (the cone) and at best 0.298; `weak` the share of k-space where it is below 0.1.
    """

    smallest: float
    weak: float

    @property
    def poor(self) -> bool:
        """Whether streaks are to be expected, along the directions of k-space that are seen worst."""
        return self.smallest < POOR


def condition(b0_dirs: Sequence[Sequence[float]], samples: int = 20000) -> Condition:
    """Condition of a set of B0 directions, evaluated on `samples` directions spread evenly over the sphere."""
    n = torch.arange(samples, dtype=torch.float64)
    z = 1.0 - (2.0 * n + 1.0) / samples
    angle = torch.pi * (1.0 + 5.0**0.5) * n
    ring = (1.0 - z**2).sqrt()
    points = torch.stack([ring * torch.cos(angle), ring * torch.sin(angle), z], dim=1)
    strength = sensitivity(points, b0_dirs)
    return Condition(float(strength.min()), float((strength < _FLOOR).double().mean()))


def sensitivity(directions: torch.Tensor, b0_dirs: Sequence[Sequence[float]]) -> torch.Tensor:
    """How well orientations with these B0 directions see each direction of k-space, ``sqrt(sum_i D_i^2 / N)``.

    `directions` are unit vectors, float64, (..., 3), and `b0_dirs` vectors in the same axes; the result is (...).
    """
    b = torch.as_tensor(b0_dirs, dtype=torch.float64)
    b = b / b.norm(dim=1, keepdim=True)
    return (1.0 / 3.0 - (directions @ b.T) ** 2).square().mean(-1).sqrt()


def cosmos_kspace(
    fields: torch.Tensor,
    mask: torch.Tensor,
    voxel_size: Sequence[float],
    b0_dirs: Sequence[Sequence[float]],
    *,
    orientation_weights: Sequence[float] | None = None,
) -> torch.Tensor:
    """COSMOS in closed form: ``chi(k) = sum_i w_i^2 D_i F_i / sum_i w_i^2 D_i^2``.

    Where the root mean square of ``w_i D_i`` is below a tenth it is held there, so that a poor set of orientations does
    not amplify noise without bound.

    Parameters
    ----------
    fields
        Local fields in the reference frame, ppm, (N, X, Y, Z).
    mask
        bool, (X, Y, Z): where all orientations have a field.
    voxel_size
        In mm.
    b0_dirs
        Direction of B0 of each orientation in the voxel axes of the reference.
    orientation_weights
        w, inverse to the noise of each orientation, up to a factor. None: all equal.

    Returns
    -------
    torch.Tensor
        Susceptibility, ppm, (X, Y, Z); zero outside the mask.

    Raises
    ------
    ValueError
        Fewer than two orientations, their number differs from that of the directions or of the weights, or these are
        not positive.

    References
    ----------
    Liu et al., Magn Reson Med 2009.
    """
    _check(fields, b0_dirs)
    factors = _factors(orientation_weights, len(fields))
    box = Box.around(mask)
    inside = box.cut(mask)
    numerator: torch.Tensor | None = None
    power = torch.zeros(())
    for field, b0_dir, factor in zip(fields, b0_dirs, factors, strict=True):
        kernel = dipole_kernel(box.padded, voxel_size, b0_dir, device=fields.device)
        term = box.spectrum(torch.where(inside, box.cut(field), 0.0)) * (factor * kernel)
        numerator = term if numerator is None else numerator.add_(term)
        power = power + factor * kernel.square()
    assert numerator is not None
    chi = box.content(numerator / power.clamp_min(len(fields) * _FLOOR**2))
    return box.put(chi * inside, mask.shape)


def cosmos(
    fields: torch.Tensor,
    weights: torch.Tensor,
    voxel_size: Sequence[float],
    b0_dirs: Sequence[Sequence[float]],
    *,
    margin: float = 4.0,
    tolerance: float = 0.01,
    max_iterations: int = 50,
    orientation_weights: Sequence[float] | None = None,
    progress: Progress | None = None,
) -> tuple[torch.Tensor, list[float]]:
    """COSMOS as masked, weighted least squares: ``min sum_i |W_i (D_i * chi - field_i)|^2``, chi near the mask.

    A voxel that an orientation lacks (weight 0) costs nothing there, and what lies far from every mask holds no
    susceptibility, which the closed form cannot say. Solved by conjugate gradients on the normal equations,
    from zero.

    Parameters
    ----------
    fields
        Local fields in the reference frame, ppm, (N, X, Y, Z).
    weights
        (N, X, Y, Z), zero where an orientation has no field; otherwise the inverse of the field's standard deviation,
        up to a factor.
    voxel_size, b0_dirs
        As in `cosmos_kspace`.
    margin
        mm; sources may lie up to this far outside the union of the masks, as those in the eroded rim of a brain do.
    tolerance
        Stops when the residual of the normal equations has fallen to this share of its start. What background
        removal left in the fields is fitted last, so stopping late costs accuracy on real fields.
    max_iterations
        Stops there at the latest.
    orientation_weights
        As in `cosmos_kspace`; they multiply `weights`.
    progress
        Called after each iteration with the relative residual.

    Returns
    -------
    chi, residuals
        Susceptibility, ppm, (X, Y, Z), zero beyond the margin; and the relative residual after each iteration.
        Peak memory is about 3 N + 10 volumes of a grid an eighth larger than the box around the susceptibility, beside
        the inputs; an iteration costs N + 1 FFT pairs.

    Raises
    ------
    ValueError
        As `cosmos_kspace`; or all weights are zero.

    References
    ----------
    Liu et al., Magn Reson Med 2009.
    """
    _check(fields, b0_dirs)
    mask = (weights > 0).any(0)
    if not bool(mask.any()):
        raise ValueError("all weights are zero")
    support = distance_to(mask, voxel_size) <= margin
    box = Box.around(support, ITERATED)
    support = box.cut(support)
    kernels = [dipole_kernel(box.padded, voxel_size, b, device=fields.device) for b in b0_dirs]
    factors = torch.tensor(_factors(orientation_weights, len(fields)), device=fields.device)
    power = box.cut(weights).square() * factors[:, None, None, None]
    power = power / power.sum(0)[box.cut(mask)].mean()
    known = torch.where(power > 0, box.cut(fields), 0.0)

    def adjoint(images: Sequence[torch.Tensor] | torch.Tensor) -> torch.Tensor:
        spectra = (kernel * box.spectrum(image) for kernel, image in zip(kernels, images, strict=True))
        total = next(spectra)
        for spectrum in spectra:
            total = total.add_(spectrum)
        return box.content(total) * support

    def normal(chi: torch.Tensor) -> torch.Tensor:
        spectrum = box.spectrum(chi)
        return adjoint([w * box.content(spectrum * kernel) for kernel, w in zip(kernels, power, strict=True)])

    chi, residuals = conjugate_gradients(
        normal, adjoint(power * known), iterations=max_iterations, tolerance=tolerance, progress=progress
    )
    return box.put(chi, mask.shape), residuals


def orientation_noise(
    chi: torch.Tensor,
    fields: torch.Tensor,
    masks: torch.Tensor,
    voxel_size: Sequence[float],
    b0_dirs: Sequence[Sequence[float]],
) -> list[float]:
    """How far the field of each orientation is from that of their common map: root mean square in its mask, ppm.

    Parameters
    ----------
    chi
        A first solution, ppm, (X, Y, Z).
    fields, voxel_size, b0_dirs
        As in `cosmos_kspace`.
    masks
        bool, (N, X, Y, Z).

    Returns
    -------
    list of float
        Its inverses are weights for a second solution. At least a thousandth of the largest, lest one orientation that
        is met exactly be all that counts.
    """
    found = [
        float((forward_field(chi, voxel_size, b0_dir) - field)[mask].square().mean().sqrt())
        for field, mask, b0_dir in zip(fields, masks, b0_dirs, strict=True)
    ]
    return [max(noise, 1e-3 * max(found), 1e-12) for noise in found]


def _factors(orientation_weights: Sequence[float] | None, count: int) -> list[float]:
    """Squares of the weights, of mean one."""
    if orientation_weights is None:
        return [1.0] * count
    if len(orientation_weights) != count:
        raise ValueError(f"{count} fields but {len(orientation_weights)} weights of orientations")
    if not all(weight > 0 for weight in orientation_weights):
        raise ValueError(f"weights of orientations must be above 0, got {tuple(orientation_weights)}")
    squares = [float(weight) ** 2 for weight in orientation_weights]
    return [count * square / sum(squares) for square in squares]


def _check(fields: torch.Tensor, b0_dirs: Sequence[Sequence[float]]) -> None:
    if len(fields) < 2:
        raise ValueError(f"COSMOS needs at least two orientations, got {len(fields)}")
    if len(fields) != len(b0_dirs):
        raise ValueError(f"{len(fields)} fields but {len(b0_dirs)} directions of B0")
