"""Morphology-enabled dipole inversion (MEDI), with the reference in the cerebrospinal fluid (MEDI+0)."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from ..box import ITERATED, Box
from ..dipole import dipole_kernel
from ..gradient import gradient, gradient_adjoint, laplacian_spectrum
from ..solve import Norms, Progress, conjugate_gradients
from .data import START, chord, phase_of_one_ppm, pull, within

#: ppm per mm: below this a gradient counts as none, and the norm is smooth.
SMOOTHING = 1e-3
#: Conjugate gradients within one Gauss-Newton step; the next step moves the weights, so more would be wasted.
INNER = 10
#: Least share of its weight that a voxel keeps in the curvature, however far off: without it steps are too long there.
LEAST = 0.05


def medi(
    field: torch.Tensor,
    magnitude: torch.Tensor,
    mask: torch.Tensor,
    voxel_size: Sequence[float],
    b0_dir: Sequence[float] = (0.0, 0.0, 1.0),
    *,
    te: float = 0.0,
    b0: float = 3.0,
    csf: torch.Tensor | None = None,
    weight: float = 4e-4,
    edges: float = 0.3,
    csf_weight: float = 0.1,
    tolerance: float = 0.02,
    max_iterations: int = 30,
    progress: Progress | None = None,
    norms: Norms | None = None,
) -> tuple[torch.Tensor, list[float]]:
    """Minimise ``|W (exp(i s D chi) - exp(i s field)) / s|^2 / 2 + weight |M grad chi|_1`` over sources in the mask.

    W is the magnitude, with mean square one in the mask; M is zero where the magnitude has an edge and at the surface
    of the mask; s turns ppm into radians at `te`. A voxel that is more than half a turn off costs what half a turn
    does: the field is unwrapped, so the model is not drawn to the next turn. With `csf`,
    ``csf_weight |chi - mean of chi|^2 / 2`` over that mask is added, and its mean becomes zero. Solved by reweighted
    least squares with lagged diffusivity, each step by preconditioned conjugate gradients, from zero; the first holds
    strong fields to a quarter turn instead, for all of them are further off than half a turn there.

    Parameters
    ----------
    field
        Local field, ppm, (X, Y, Z).
    magnitude
        Any unit, (X, Y, Z): noise weights and edges.
    mask
        bool, (X, Y, Z).
    voxel_size
        In mm.
    b0_dir
        Direction of B0 in voxel axes.
    te, b0
        s and T: echo time and field strength at which the field is taken as a phase, which forgives wrong turns and
        mutes what is far off. At 0 s the data term is linear.
    csf
        bool, (X, Y, Z); None: no reference.
    weight
        ppm mm, of the gradient. More smooths; less leaves streaks and noise.
    edges
        Share of the differences between neighbours in the mask, those with the largest of the magnitude, that count as
        edges and are not penalised.
    csf_weight
        Of the spread within `csf`.
    tolerance
        Stops when a step changes the susceptibility by less than this share.
    max_iterations
        Most steps, of 10 conjugate gradients with 3 FFT pairs each.
    progress
        Called after each step with the change.
    norms
        Called at the end with the norm of the data term, ppm, and with ``|M grad chi|_1``.

    Returns
    -------
    chi, changes
        Susceptibility, ppm, (X, Y, Z), zero outside the mask; and the relative change of each step. Holds about 36
        volumes of the box around the mask.

    Raises
    ------
    ValueError
        The mask is empty, the magnitude zero in it, `weight` or `b0` not positive, `te` negative, `edges` not in
        [0, 1), or `csf` outside the mask.

    References
    ----------
    Liu et al., NeuroImage 2012 (edges); Liu et al., Magn Reson Med 2013 (nonlinear data term); Liu et al.,
    Magn Reson Med 2018 (MEDI+0).
    """
    if not weight > 0:
        raise ValueError(f"weight must be above 0, got {weight}")
    if not 0 <= edges < 1:
        raise ValueError(f"edges must be at least 0 and below 1, got {edges}")
    box = Box.around(mask, ITERATED)
    inside = box.cut(mask)
    field, magnitude = (torch.where(inside, box.cut(volume), 0.0) for volume in (field, magnitude))
    power = _noise_power(magnitude, inside)
    penalised = weight * _without_edges(magnitude, inside, voxel_size, edges)
    kernel = dipole_kernel(box.padded, voxel_size, b0_dir, device=field.device)
    laplacian = laplacian_spectrum(box.padded, voxel_size, field.device)
    fluid = None if csf is None else box.cut(csf & mask)
    if fluid is not None and not bool(fluid.any()):
        raise ValueError("the CSF mask has no voxel in the mask")
    scale = phase_of_one_ppm(te, b0)

    def convolve(chi: torch.Tensor) -> torch.Tensor:
        return box.content(box.spectrum(chi) * kernel)

    def spread(chi: torch.Tensor) -> torch.Tensor:
        """Gradient of the penalty on the fluid."""
        if fluid is None:
            return torch.zeros_like(chi)
        return csf_weight * (chi - chi[fluid].mean()) * fluid

    chi = torch.zeros_like(field)
    changes: list[float] = []
    while len(changes) < max_iterations and (not changes or changes[-1] > tolerance):
        slope = gradient(chi, voxel_size)
        diffusivity = penalised / (slope.square() + SMOOTHING**2).sqrt()

        def smooth(v: torch.Tensor, diffusivity: torch.Tensor = diffusivity) -> torch.Tensor:
            return gradient_adjoint(diffusivity * gradient(v, voxel_size), voxel_size)

        off = convolve(chi) - field
        drawn = pull(off, scale) if changes else within(off, scale, START)
        descent = -(convolve(power * drawn) + smooth(chi)) * inside - spread(chi)
        believed = power * torch.where(off == 0, 1.0, drawn / off).clamp_min_(LEAST)

        def normal(v: torch.Tensor, believed: torch.Tensor = believed) -> torch.Tensor:
            return (convolve(believed * convolve(v)) + smooth(v)) * inside + spread(v)

        # The mean diffusivity in place of the field of them leaves an operator that one division inverts.
        mean = float(diffusivity.mean())
        inverse = 1.0 / (kernel.square() + mean * laplacian + 1e-6)

        def precondition(v: torch.Tensor, inverse: torch.Tensor = inverse) -> torch.Tensor:
            return box.content(box.spectrum(v) * inverse) * inside

        step, _ = conjugate_gradients(normal, descent, iterations=INNER, precondition=precondition)
        chi += step
        size = float(chi.norm())
        changes.append(float(step.norm()) / size if size else 0.0)
        if progress is not None:
            progress(len(changes), changes[-1])
    if norms is not None:
        misfit = float((power * chord(convolve(chi) - field, scale).square()).sum().sqrt())
        norms(misfit, float((penalised * gradient(chi, voxel_size)).abs().sum()) / weight)
    if fluid is not None:
        chi -= chi[fluid].mean()
    return box.put(chi * inside, mask.shape), changes


def _noise_power(magnitude: torch.Tensor, inside: torch.Tensor) -> torch.Tensor:
    """Inverse variance of the field, mean one in the mask."""
    power = magnitude.square() * inside
    mean = float(power.sum() / inside.sum())
    if not mean > 0:
        raise ValueError("the magnitude is zero in the mask")
    return power / mean


def _without_edges(
    magnitude: torch.Tensor, inside: torch.Tensor, voxel_size: Sequence[float], edges: float
) -> torch.Tensor:
    """(3, X, Y, Z), one for the forward differences within the mask but the share `edges` that is largest."""
    linked = torch.stack([inside & torch.roll(inside, -1, axis) for axis in range(3)])
    for axis in range(3):
        linked[axis].select(axis, -1).zero_()
    count = int((1.0 - edges) * linked.sum())
    if not count:
        return linked.float()
    slope = gradient(magnitude, voxel_size).abs()
    return (linked & (slope <= slope[linked].kthvalue(count).values)).float()
